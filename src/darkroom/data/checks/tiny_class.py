"""Classes too small to be in every part, or too small to be measured."""

from __future__ import annotations

import polars as pl

from darkroom.data.checks.naming import first_few
from darkroom.data.dataset import Dataset
from darkroom.data.wording import for_want_of_images
from darkroom.findings import Finding
from darkroom.wording import counted

_PARTS = 3
# Own: of 20 images 4 are in a test part of 0.2; a recall of 2 in 4 is 15..85 % (95 %, Wilson).
_FEW_IMAGES = 20


def tiny_class(dataset: Dataset) -> list[Finding]:
    """Name the classes with fewer images than parts (error), or than 20 (warning)."""
    sizes = dataset.index["labels"].explode().drop_nulls().value_counts().sort("count", "labels")
    findings = []
    for severity, low, high in (("error", 0, _PARTS), ("warning", _PARTS, _FEW_IMAGES)):
        tiny = sizes.filter((pl.col("count") >= low) & (pl.col("count") < high))
        named = [(dataset.classes[label], count) for label, count in tiny.iter_rows()]
        if named:
            listed = first_few([f"{name} ({count})" for name, count in named])
            findings.append(
                Finding(
                    name="tiny-class",
                    severity="error" if severity == "error" else "warning",
                    what=(
                        f"{counted(len(named), 'class has', 'classes have')} fewer than {high} "
                        f"images: {listed}"
                    ),
                    where=tuple(name for name, _ in named),
                    next_step=for_want_of_images(
                        dataset, "add images to these classes, or remove them"
                    ),
                )
            )
    return findings
