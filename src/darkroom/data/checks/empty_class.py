"""Class folders without a single readable image."""

from __future__ import annotations

from darkroom.data.checks.naming import first_few
from darkroom.data.dataset import Dataset
from darkroom.findings import Finding
from darkroom.wording import counted


def empty_class(dataset: Dataset) -> list[Finding]:
    """Name the classes that have a folder but no image."""
    empty = dataset.record.empty_classes
    if not empty:
        return []
    return [
        Finding(
            name="empty-class",
            severity="error",
            what=(
                f"{counted(len(empty), 'class folder holds', 'class folders hold')} no image: "
                f"{first_few(empty)}"
            ),
            where=empty,
            next_step="fill or remove these folders",
        )
    ]
