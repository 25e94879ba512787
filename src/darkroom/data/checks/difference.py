"""What tells two sets of images apart when their classes are held equal, and in which words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.measures import MEASURES, measure_images
from darkroom.data.two_samples import TwoSamples, tell_apart

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Bool

PRACTICAL = 0.6  # AUC, own: a third of a standard deviation in one feature (0.36) gives as much
_WORDS = {"blue_above": "the lean to blue", "edges": "the amount of edges"}
_TARGET_STRATA = 4  # quarters of the targets, own


def difference(
    dataset: Dataset,
    rows: Bool[np.ndarray, "images"],
    second: Bool[np.ndarray, "images"],
    *,
    by: pl.Expr | None = None,
) -> TwoSamples | None:
    """Try to tell some images of the index from others by light, colour, sharpness and size.

    Args:
        dataset: Whose images.
        rows: Which images to look at.
        second: Which of all images are the second sample.
        by: The group an image is of, from the index, null where it is alone: what was learned of
            a group is not asked of it. None: the groups the source names.

    Returns:
        How well it goes within the classes; None when there are too few images for an answer.
    """
    index = dataset.index.filter(rows)
    groups = index.select((pl.col("group") if by is None else by).alias("group"), "image")
    named = groups.select(pl.coalesce("group", "image")).to_series().to_list()
    features = _features(index, measure_images(dataset).filter(rows))
    return tell_apart(features, second[rows], strata=strata(index), groups=named)


def strata(index: pl.DataFrame) -> list[str]:
    """Name what each image is matched by: its labels, or the quarter its target lies in."""
    if index["labels"].null_count() < len(index):
        named = pl.col("labels").list.eval(pl.element().cast(pl.String)).list.join(" ")
        return index.select(named.fill_null("none")).to_series().to_list()
    rank = pl.col("target").rank("ordinal") * _TARGET_STRATA // (pl.len() + 1)
    return index.select(rank.cast(pl.String).fill_null("none")).to_series().to_list()


def told(dataset: Dataset, found: TwoSamples, first: str, second: str) -> str:
    """Say how well two samples can be told apart, and by what most."""
    auc = found.auc
    before, after = (f"{value:.3g}" for value in found.medians)
    equal = "targets" if dataset.task == "regression" else "classes"
    return (
        f"AUC {auc.value:.2f} ({auc.low:.2f} .. {auc.high:.2f}, where 0.5 is no difference), the "
        f"{equal} held equal; what tells most is {found.telling}: {before} in {first}, "
        f"{after} in {second}"
    )


def _features(index: pl.DataFrame, measures: pl.DataFrame) -> pl.DataFrame:
    pixels = pl.col("height").cast(pl.Float64) * pl.col("width")
    formats = index["format"].drop_nulls().unique().sort().to_list()
    of_files = index.select(
        pl.col("height").cast(pl.Float64).alias("the height in pixels"),
        pl.col("width").cast(pl.Float64).alias("the width in pixels"),
        (pl.col("width") / pl.col("height")).alias("the width by the height"),
        (pl.col("size_bytes") / pixels).alias("the bytes per pixel"),
        *(
            (pl.col("format") == kind).cast(pl.Float64).alias(f"the share of {kind} files")
            for kind in formats
        ),
    )
    named = measures.select(
        pl.col(name).alias(_WORDS.get(name, f"the {name}")) for name in MEASURES
    )
    return pl.concat([named, of_files], how="horizontal")
