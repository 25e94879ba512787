"""Files that carry an image's name or signature and cannot be decoded."""

from __future__ import annotations

import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.wording import UNREADABLE, first_skipped
from darkroom.findings import Finding


def unreadable(dataset: Dataset) -> list[Finding]:
    """Name the files that are no readable images."""
    bad = dataset.skipped.filter(pl.col("reason").str.starts_with(UNREADABLE))
    if bad.is_empty():
        return []
    first = first_skipped(*bad.row(0), of=len(bad))
    verb = "is not a readable image" if len(bad) == 1 else "are not readable images"
    return [
        Finding(
            name="unreadable",
            severity="error",
            what=(
                f"{len(bad):,} of {dataset.record.found:,} files in {dataset.record.location} "
                f"{verb}; {first}"
            ),
            where=tuple(bad["name"]),
            next_step="replace or remove these files",
        )
    ]
