"""The five looks at an evaluation: which images to see first, picked from its predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import polars as pl

from darkroom.errors import DataError, nearest

if TYPE_CHECKING:
    from jaxtyping import Float

Look = Literal[
    "random right", "random wrong", "confident right", "confident wrong", "most uncertain"
]
LOOKS: tuple[Look, ...] = get_args(Look)

_SUM = 1e-3  # by which probabilities that exclude each other may miss 1, in float32


def pick(
    predictions: pl.DataFrame,
    look: Look,
    *,
    count: int = 12,
    true: str | None = None,
    predicted: str | None = None,
    seed: int = 0,
) -> pl.DataFrame:
    """Pick images worth a look, the most telling first.

    Where no answer was given an image is neither right nor wrong, and most likely uncertain.

    Args:
        predictions: A row per image, as an evaluation keeps them; their order does not matter.
        look: `random right` and `random wrong` are drawn; `confident right` and `confident wrong`
            are those of the highest confidence; `most uncertain` are those nearest to another
            answer.
        count: At most.
        true: Only images that have this label.
        predicted: Only images that were taken for this class.
        seed: Of what is drawn at random.

    Returns:
        Rows of `predictions`.

    Raises:
        DataError: There is no such look, or the predictions are numbers.

    Source: the choice of looks is that of fastai 0.7, Howard et al. 2018.
    """
    if look not in LOOKS:
        raise DataError(f"there is no look `{look}`", hint=f"look={nearest(look, LOOKS)}")
    if "correct" not in predictions.columns:
        raise DataError(
            "these predictions are numbers, which are neither right nor wrong",
            hint="sort them: evaluation.predictions.sort(pl.col('error').abs(), descending=True)",
        )
    # From here on nothing depends on the order that the rows came in.
    rows = _wanted(predictions, true, predicted).sort("image")
    if look == "most uncertain":
        nearest_first = np.argsort(_margin(rows["probabilities"]), kind="stable")
        return rows[nearest_first[:count]]
    judged = rows.filter(pl.col("correct") if look.endswith("right") else _is_wrong(rows))
    if look.startswith("confident"):
        return judged.sort("confidence", descending=True, maintain_order=True).head(count)
    drawn = np.random.default_rng(seed).permutation(len(judged))
    return judged[drawn[:count]]


def _wanted(predictions: pl.DataFrame, true: str | None, predicted: str | None) -> pl.DataFrame:
    for column, name in (("labels", true), ("predicted", predicted)):
        if name is not None:
            predictions = predictions.filter(pl.col(column).list.contains(name))
    return predictions


def _is_wrong(rows: pl.DataFrame) -> pl.Expr:
    wrong = ~pl.col("correct")
    # An evaluation from before abstaining was known has no such column: it always answered.
    return wrong & ~pl.col("abstained") if "abstained" in rows.columns else wrong


def _margin(probabilities: pl.Series) -> Float[np.ndarray, "images"]:
    """Say how far each answer is from another one, 0..1.

    Of classes that exclude each other it is the lead of the first over the second; of labels that
    do not, the distance of the least certain one from one half.

    Source: margin sampling, Scheffer et al. 2001, doi:10.1007/3-540-44816-0_31.
    """
    if not len(probabilities):
        return np.zeros(0)
    table = probabilities.explode().to_numpy().astype(np.float64).reshape(len(probabilities), -1)
    is_one_of = table.shape[1] > 1 and bool((np.abs(table.sum(axis=1) - 1) < _SUM).all())
    if not is_one_of:
        return np.asarray(np.abs(table - 0.5).min(axis=1))
    ordered = np.sort(table, axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])
