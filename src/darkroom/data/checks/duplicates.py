"""The same file several times with the same label: it counts several times."""

from __future__ import annotations

import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.findings import Finding
from darkroom.wording import counted

_MANY = 0.05  # of all images, own: beyond it what is counted twice is no longer a trifle


def duplicates(dataset: Dataset) -> list[Finding]:
    """Name identical files within one part and class: a note, a warning above 5 % of the images.

    Identical files in several parts or under several labels have findings of their own.
    """
    copies = (
        dataset.index.group_by("sha256", "part", "labels", "target")
        .agg(pl.col("image").sort())
        .filter(pl.col("image").list.len() > 1)
        .sort(pl.col("image").list.len(), pl.col("image").list.first(), descending=[True, False])
    )
    if copies.is_empty():
        return []
    spare = int(copies["image"].list.len().sum()) - len(copies)
    share = spare / len(dataset.index)
    first = copies["image"][0].to_list()
    return [
        Finding(
            name="duplicates",
            severity="warning" if share > _MANY else "note",
            what=(
                f"{counted(len(copies), 'image is', 'images are')} there more than once in the "
                f"same part and class, byte for byte: {counted(spare, 'copy', 'copies')} of "
                f"{len(dataset.index):,} images; the first is {first[0]}, also {first[1]}"
            ),
            where=tuple(copies["image"].explode()),
            next_step="remove the copies: each of them weighs as much as an image of its own",
        )
    ]
