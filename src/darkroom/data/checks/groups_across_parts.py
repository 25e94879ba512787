"""Images of one group in several parts: the score is then partly a test of memory."""

from __future__ import annotations

import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.findings import Finding
from darkroom.wording import counted


def groups_across_parts(dataset: Dataset) -> list[Finding]:
    """Name the images of groups that the source names and that lie in more than one part."""
    parts = ["train", "valid", "test"]
    torn = (
        dataset.index.filter(pl.col("part").is_in(parts))
        .drop_nulls("group")
        .group_by("group")
        .agg(pl.col("image", "part").sort_by("image"))
        .filter(pl.col("part").list.n_unique() > 1)
        .sort("group")
    )
    if torn.is_empty():
        return []
    group, images, its_parts = torn.row(0)
    other = next(number for number, part in enumerate(its_parts) if part != its_parts[0])
    return [
        Finding(
            name="groups-across-parts",
            severity="error",
            what=(
                f"{counted(len(torn), 'group lies', 'groups lie')} in more than one part; of "
                f"{group}, {images[0]} is in {its_parts[0]}, {images[other]} in "
                f"{its_parts[other]}"
            ),
            where=tuple(torn["image"].explode()),
            next_step="deal all images anew, each group together: --set data.parts=anew",
        )
    ]
