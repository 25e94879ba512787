"""Images or classes that change with the date on which the photographs were made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from darkroom.data.checks.difference import PRACTICAL, difference, told
from darkroom.data.dataset import Dataset
from darkroom.findings import Finding
from darkroom.intervals import wilson
from darkroom.wording import counted, percent

if TYPE_CHECKING:
    from jaxtyping import Bool

_LEAST_DATED = 0.5  # share of the images that must have a date, own
_SESSION = "1h"  # own: what was photographed within it is alike, whatever the time does
_ONE_SIDED = 0.75  # share of a class in one half of the time, own


def drift_over_time(dataset: Dataset) -> list[Finding]:
    """Compare the earlier half of the dated images with the later half.

    A warning when the two can be told apart within the classes (the lower end of the AUC's
    interval is 0.6 or more; learned from some sessions and asked of others, so that it takes a
    trend), and when more than three quarters of a class (the lower end of the share's interval)
    were taken in one half. Nothing is said unless half of the images have dates.
    """
    taken = dataset.index["taken"]
    is_dated = taken.is_not_null().to_numpy()
    if not len(taken) or is_dated.mean() < _LEAST_DATED:
        return []
    is_late = (taken > taken.median()).fill_null(value=False).to_numpy()
    if not 1 - _ONE_SIDED <= is_late.sum() / is_dated.sum() <= _ONE_SIDED:
        return []  # most were taken at the very same time
    return [*_images(dataset, is_dated, is_late), *_classes(dataset, is_dated, is_late)]


def _images(
    dataset: Dataset, is_dated: Bool[np.ndarray, "images"], is_late: Bool[np.ndarray, "images"]
) -> list[Finding]:
    session = pl.col("taken").dt.truncate(_SESSION).cast(pl.String)
    found = difference(dataset, is_dated, is_late, by=pl.coalesce("group", session))
    if found is None or (found.auc.low or 0.0) < PRACTICAL:
        return []
    return [
        Finding(
            name="drift-over-time",
            severity="warning",
            what=(
                "later images can be told from earlier ones: "
                f"{told(dataset, found, 'the earlier half', 'the later half')}"
            ),
            next_step="test on the latest images: put them into a folder called test",
        )
    ]


def _classes(
    dataset: Dataset, is_dated: Bool[np.ndarray, "images"], is_late: Bool[np.ndarray, "images"]
) -> list[Finding]:
    late = pl.Series("late", is_late)
    labels = dataset.index.select("labels").with_columns(late).filter(is_dated).explode("labels")
    counts = labels.drop_nulls().group_by("labels").agg(pl.len(), pl.col("late").sum())
    one_sided = []
    for label, of, hits in counts.sort("labels").iter_rows():
        half, most = ("later", hits) if 2 * hits > of else ("earlier", of - hits)
        rate = wilson(most, of)
        if (rate.low or 0.0) > _ONE_SIDED:
            one_sided.append((rate.low or 0.0, dataset.classes[label], half, rate))
    if not one_sided:
        return []
    one_sided.sort(key=lambda one: (-one[0], one[1]))
    _, name, half, rate = one_sided[0]
    others = counted(len(one_sided) - 1, "other class is", "other classes are")
    more = f"; {others} as one-sided" if len(one_sided) > 1 else ""
    return [
        Finding(
            name="drift-over-time",
            severity="warning",
            what=(
                f"the classes change over time: {percent(rate.value or 0.0)} of {name} is from "
                f"the {half} half of the dated images{more}"
            ),
            where=tuple(name for _, name, _, _ in one_sided),
            next_step="gather every class over the whole time, or the season is learned instead",
        )
    ]
