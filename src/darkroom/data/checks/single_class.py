"""A data set with one class: there is nothing to tell apart."""

from __future__ import annotations

from darkroom.data.dataset import Dataset
from darkroom.findings import Finding


def single_class(dataset: Dataset) -> list[Finding]:
    """Say so when all images belong to the same class."""
    if len(dataset.classes) > 1 or dataset.task != "single-label":
        return []
    count = dataset.record.used
    images = "the only image belongs" if count == 1 else f"all {count:,} images belong"
    return [
        Finding(
            name="single-class",
            severity="error",
            what=f"{images} to one class: {dataset.classes[0]}",
            where=dataset.classes,
            next_step="add a folder of images of what it is to be told apart from",
        )
    ]
