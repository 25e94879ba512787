"""Images that are extreme in themselves and far from the rest of their data set: both must hold.

So a data set of night skies is not all dark, and one dim image among bright ones is not yet dark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from darkroom.data.checks.naming import listing_command
from darkroom.data.dataset import Dataset
from darkroom.findings import Finding
from darkroom.wording import counted

if TYPE_CHECKING:
    from jaxtyping import Float

_FEW_IMAGES = 20  # own: a median of fewer says little about what is usual
_FAR = 3.5  # Iglewicz and Hoaglin 1993, ISBN 978-0-87389-247-6
_NORMAL = 1.4826  # standard deviations in a median absolute deviation


def far_from_usual(values: Float[np.ndarray, "images"]) -> Float[np.ndarray, "images"]:
    """Say how far each value is from the median, where 1 and more is far, by its sign.

    Args:
        values: NaN where nothing is known, which is never far. Nothing is far among fewer than 20.

    Source: the modified z-score, Iglewicz and Hoaglin 1993, ISBN 978-0-87389-247-6.
    """
    known = ~np.isnan(values)
    if known.sum() < _FEW_IMAGES:
        return np.zeros(len(values))
    distance = np.nan_to_num(values - np.median(values[known]))
    usual = _NORMAL * np.median(np.abs(distance[known]))
    with np.errstate(divide="ignore", invalid="ignore"):
        far = distance / (_FAR * usual)
    return np.asarray(np.nan_to_num(far, nan=0.0))  # 0 / 0: as usual as can be


def outlying_images(
    dataset: Dataset, name: str, scores: pl.Series, limit: float, adjective: str
) -> list[Finding]:
    """Name the images whose score is below a limit and far below the median.

    Args:
        dataset: Whose images.
        name: Of the check.
        scores: One per image in the order of the index; null where nothing is known.
        limit: Below it an image is extreme in itself.
        adjective: What such an image is, for example `dark`.
    """
    values = scores.cast(pl.Float64).fill_null(np.nan).to_numpy()
    rows = np.flatnonzero((values < limit) & (far_from_usual(values) <= -1))
    if not len(rows):
        return []
    images = dataset.index["image"][rows[np.argsort(values[rows], kind="stable")].tolist()]
    most = "it is" if len(rows) == 1 else "the most so is"
    return [
        Finding(
            name=name,
            severity="note",
            what=(
                f"{counted(len(rows), 'image is', 'images are')} {adjective}, unlike the rest; "
                f"{most} {images[0]}"
            ),
            where=tuple(images),
            next_step=f"look: {listing_command(dataset, name)}",
        )
    ]
