"""Names that differ only by case or by how unicode writes an accent: one thing, often, twice."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from darkroom.data.dataset import Dataset
from darkroom.findings import Finding
from darkroom.wording import counted


def name_twins(dataset: Dataset) -> list[Finding]:
    """Name classes (error) and files (note) that are the same but for case or unicode form."""
    findings = []
    classes = _twins((*dataset.classes, *dataset.record.empty_classes))
    if classes:
        findings.append(
            Finding(
                name="name-twins",
                severity="error",
                what=(
                    f"{counted(len(classes), 'class is', 'classes are')} there under several "
                    f"names ({_first(classes)}) that differ only by case or unicode form"
                ),
                where=tuple(name for twins in classes for name in twins),
                next_step="give each class one name, and put its images together",
            )
        )
    images = _twins(dataset.index["image"])
    if images and not classes:
        findings.append(
            Finding(
                name="name-twins",
                severity="note",
                what=(
                    f"{counted(len(images), 'file has', 'files have')} a twin whose name differs "
                    f"only by case or unicode form ({_first(images)}); other systems take both "
                    "for one file"
                ),
                where=tuple(name for twins in images for name in twins),
                next_step="rename them before the folder is copied to another system",
            )
        )
    return findings


def _twins(names: Iterable[str]) -> list[list[str]]:
    alike: dict[str, list[str]] = {}
    for name in names:
        lower = unicodedata.normalize("NFC", name).lower()
        alike.setdefault(unicodedata.normalize("NFC", lower), []).append(name)
    return [sorted(twins) for twins in alike.values() if len(twins) > 1]


def _first(twins: list[list[str]]) -> str:
    # ASCII, since the two forms of an accent look the same on the screen.
    return " and ".join(ascii(name) for name in twins[0])
