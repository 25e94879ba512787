"""Images of a size or a shape that the others do not have."""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from darkroom.data.checks.naming import listing_command
from darkroom.data.checks.outlying import far_from_usual
from darkroom.data.dataset import Dataset
from darkroom.findings import Finding
from darkroom.wording import counted

_FACTOR = 3.0  # own: a side of a third is blown up threefold, one of three times is thrown away


def odd_size(dataset: Dataset) -> list[Finding]:
    """Name the images three times as large, as small, or as narrow as usual, and far from it."""
    sides = dataset.index.select(pl.col("height", "width").cast(pl.Float64).log())
    height, width = sides["height"].to_numpy(), sides["width"].to_numpy()
    extent = np.zeros(len(height))
    for values in ((height + width) / 2, width - height):
        odd = np.abs(values - np.median(values)) if len(values) else values
        is_odd = (odd >= math.log(_FACTOR)) & (np.abs(far_from_usual(values)) >= 1)
        extent = np.maximum(extent, np.where(is_odd, odd, 0.0))
    rows = np.flatnonzero(extent)
    if not len(rows):
        return []
    images = dataset.index[rows[np.argsort(-extent[rows], kind="stable")].tolist()]
    first, tall, wide = images.select("image", "height", "width").row(0)
    usual = dataset.index.select(pl.col("width", "height").median().cast(pl.Int64)).row(0)
    return [
        Finding(
            name="odd-size",
            severity="note",
            what=(
                f"{counted(len(rows), 'image has', 'images have')} an odd size or shape; "
                f"{first} has {wide} x {tall} px, the usual size is {usual[0]} x {usual[1]}"
            ),
            where=tuple(images["image"]),
            next_step=f"look: {listing_command(dataset, 'odd-size')}",
        )
    ]
