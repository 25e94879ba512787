"""The same file in more than one part: the score is then partly a test of memory."""

from __future__ import annotations

import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.findings import Finding
from darkroom.wording import counted


def duplicates_across_parts(dataset: Dataset) -> list[Finding]:
    """Name the images whose exact bytes stand in more than one part."""
    labelled = dataset.index.filter(pl.col("part").is_in(["train", "valid", "test"]))
    crossing = (
        labelled.group_by("sha256")
        .agg(pl.col("image").sort(), pl.col("part").unique().sort())
        .filter(pl.col("part").list.len() > 1)
        .sort(pl.col("image").list.first())
    )
    if crossing.is_empty():
        return []
    first = crossing["image"][0].to_list()
    return [
        Finding(
            name="duplicates-across-parts",
            severity="error",
            what=(
                f"{counted(len(crossing), 'image stands', 'images stand')} in more than one part, "
                f"byte for byte; "
                f"the first is {first[0]}, also {first[1]}"
            ),
            where=tuple(crossing["image"].explode()),
            next_step=(
                "remove the copies from the training part, or deal all images anew, copies "
                "together: --set data.parts=anew"
            ),
        )
    ]
