"""Files that carry an image's name or signature and cannot be decoded."""

from __future__ import annotations

import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.findings import Finding


def unreadable(dataset: Dataset) -> list[Finding]:
    """Name the files that are no readable images."""
    bad = dataset.skipped.filter(pl.col("reason").str.starts_with("unreadable"))
    if bad.is_empty():
        return []
    first, reason = bad.row(0)
    return [
        Finding(
            name="unreadable",
            severity="error",
            what=(
                f"{len(bad):,} of {dataset.record.found:,} files in {dataset.record.location} "
                f"are not readable images; the first is {first} "
                f"({reason.removeprefix('unreadable: ')})"
            ),
            where=tuple(bad["name"]),
            next_step="replace or remove these files",
        )
    ]
