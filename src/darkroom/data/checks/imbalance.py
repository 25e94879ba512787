"""Classes of very different size."""

from __future__ import annotations

from darkroom.data.dataset import Dataset
from darkroom.findings import Finding

_RATIO = 5.0  # own: beyond it accuracy mostly measures the large classes


def imbalance(dataset: Dataset) -> list[Finding]:
    """Say so when the largest class has five times the images of the smallest, or more."""
    sizes = dataset.index["labels"].explode().drop_nulls().value_counts().sort("count", "labels")
    if len(sizes) < 2:
        return []
    (small, fewest), (large, most) = sizes.row(0), sizes.row(-1)
    if most < _RATIO * fewest:
        return []
    names = dataset.classes
    return [
        Finding(
            name="imbalance",
            severity="warning",
            what=(
                f"{names[large]} has {most:,} images, {names[small]} only {fewest:,}: "
                f"{most / fewest:.0f} times as many"
            ),
            where=(names[small], names[large]),
            next_step="read balanced accuracy and the recall of each class, not accuracy alone",
        )
    ]
