"""`shift-between-parts` and `drift-over-time`: what differs within the classes."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from darkroom.data.checks import CHECKS
from tests.data.indexes import USUAL, Row, make_index

START = datetime(2024, 5, 1, 9)  # noqa: DTZ001 (cameras know no time zone)


def parts(sizes: dict[str, tuple[int, ...]], **odd: dict) -> list[Row]:
    """Make a part of so many images per class; `odd` are the measures of a part's images."""
    return [
        Row(f"{part}/{label}/{n}.png", label, part, measures=odd.get(part, {}))
        for part, counts in sizes.items()
        for label, count in enumerate(counts)
        for n in range(count)
    ]


def test_parts_of_one_kind_do_not_shift(workspace):
    rows = parts({"train": (200, 200), "valid": (80, 80), "test": (80, 80)})
    assert CHECKS["shift-between-parts"](make_index(workspace, rows)) == []


@pytest.mark.parametrize("part", ["valid", "test"])
def test_the_part_and_the_feature_that_tells_most_are_named(workspace, part):
    sizes = {"train": (200, 200), "valid": (80, 80), "test": (80, 80)}
    rows = parts(sizes, **{part: {"edges": 0.2}})
    (finding,) = CHECKS["shift-between-parts"](make_index(workspace, rows))
    assert finding.where == (part,)
    assert "the amount of edges" in finding.what


def test_a_part_of_another_format_shifts(workspace):
    rows = parts({"train": (200, 200)})
    rows += [Row(f"test/{n}", n % 2, "test", format="JPEG") for n in range(120)]
    (finding,) = CHECKS["shift-between-parts"](make_index(workspace, rows))
    assert "files: 0 in train, 1 in test" in finding.what


def test_another_mix_of_classes_is_no_shift(workspace):
    rows = [
        Row(f"{part}/{label}/{n}.png", label, part, measures={"brightness": 0.3 + 0.4 * label})
        for part, counts in (("train", (300, 100)), ("test", (60, 180)))
        for label, count in enumerate(counts)
        for n in range(count)
    ]
    assert CHECKS["shift-between-parts"](make_index(workspace, rows)) == []


def test_another_mix_of_targets_is_no_shift(workspace):
    rng = np.random.default_rng(0)
    rows = [
        Row(f"{part}/{n}.png", None, part, target=t, measures={"brightness": round(t) / 10})
        for part, low, high in (("train", 0, 9), ("test", 3, 9))
        for n, t in enumerate(rng.uniform(low, high, 300))
    ]
    dataset = make_index(workspace, rows, task="regression")
    assert CHECKS["shift-between-parts"](dataset) == []


def dated(measures_at, days: int = 40, per_day: int = 6) -> list[Row]:
    return [
        Row(
            f"{day:02d}/{n}.png",
            n % 2,
            taken=START + timedelta(days=day, minutes=n),
            measures=measures_at(day),
        )
        for day in range(days)
        for n in range(per_day)
    ]


def darker_by_the_day(day: int) -> dict[str, float]:
    return {"brightness": 0.6 - day / 100}


def test_images_that_grow_dark_over_the_weeks_drift(workspace):
    (finding,) = CHECKS["drift-over-time"](make_index(workspace, dated(darker_by_the_day)))
    assert "the brightness" in finding.what


def test_days_that_differ_without_a_trend_do_not_drift(workspace):
    light = np.random.default_rng(1).uniform(0.2, 0.8, (30, len(USUAL)))
    rows = dated(lambda day: dict(zip(USUAL, light[day], strict=True)), days=30, per_day=10)
    assert CHECKS["drift-over-time"](make_index(workspace, rows)) == []


def test_without_dates_for_half_of_the_images_nothing_is_said(workspace):
    rows = dated(darker_by_the_day)
    undated = [Row(f"undated/{n}.png", n % 2) for n in range(len(rows) + 1)]
    assert CHECKS["drift-over-time"](make_index(workspace, rows + undated)) == []


def test_images_all_taken_at_one_time_do_not_drift(workspace):
    rows = [Row(f"{n}.png", n % 2, taken=START) for n in range(200)]
    assert CHECKS["drift-over-time"](make_index(workspace, rows)) == []


def test_classes_taken_all_the_time_do_not_drift(workspace):
    rows = [Row(f"{n}.png", n % 3, taken=START + timedelta(days=n)) for n in range(300)]
    assert CHECKS["drift-over-time"](make_index(workspace, rows)) == []
