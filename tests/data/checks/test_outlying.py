from __future__ import annotations

import numpy as np
import pytest

from darkroom.data.checks import CHECKS
from darkroom.data.checks.outlying import far_from_usual
from tests.data.indexes import Row, make_index

NIGHT = {"brightness": 0.05, "contrast": 0.05}
EXTREMES = {
    "dark": NIGHT,
    "bright": {"brightness": 0.97, "contrast": 0.02},
    "blurry": {"sharpness": 0.2},
    "low-information": {"entropy": 1.0},
}


def images(count: int, **fields: object) -> list[Row]:
    return [Row(f"{n}.png", n % 2, size=(64, 64), **fields) for n in range(count)]


@pytest.fixture(params=EXTREMES)
def name(request) -> str:
    return request.param


def test_an_extreme_image_among_usual_ones_is_named(name, workspace):
    rows = [*images(40), Row("odd.png", 0, size=(64, 64), measures=EXTREMES[name])]
    (finding,) = CHECKS[name](make_index(workspace, rows))
    assert finding.where == ("odd.png",)


def test_where_all_images_are_extreme_none_is(name, workspace):
    rows = images(40, measures=EXTREMES[name])
    assert CHECKS[name](make_index(workspace, rows)) == []


def test_the_worst_comes_first(workspace):
    rows = images(60)
    rows += [
        Row(f"night{n}.png", 0, measures={"brightness": n / 100, "contrast": 0.01})
        for n in (5, 1, 3)
    ]
    (finding,) = CHECKS["dark"](make_index(workspace, rows))
    assert finding.where == ("night1.png", "night3.png", "night5.png")


def test_an_image_merely_darker_than_all_the_others_is_not_dark(workspace):
    alike = {"brightness": 0.8, "contrast": 0.05}
    rows = [*images(40, measures=alike), Row("dim.png", 0, measures={"brightness": 0.3})]
    assert CHECKS["dark"](make_index(workspace, rows)) == []


def test_drawings_with_few_greys_are_not_empty_for_having_somewhat_fewer(workspace):
    plain = {"entropy": 2.8}
    rows = [*images(40, measures=plain), Row("one.png", 0, measures={"entropy": 1.8})]
    assert CHECKS["low-information"](make_index(workspace, rows)) == []


def test_images_under_64_px_are_not_called_blurry(workspace):
    rows = [*images(40), Row("small.png", 0, size=(63, 64), measures={"sharpness": 0.1})]
    assert CHECKS["blurry"](make_index(workspace, rows)) == []


def test_far_is_three_and_a_half_standard_deviations_of_normal_values():
    values = np.random.default_rng(0).normal(5, 2, 100_000)
    values[:2] = 5 + 3.5 * 2, 5 - 3.5 * 2
    assert far_from_usual(values)[:2] == pytest.approx([1, -1], abs=0.02)


def test_what_differs_from_values_that_are_all_alike_is_far():
    assert list(far_from_usual(np.array([1.0] * 30 + [2.0]))) == [0.0] * 30 + [np.finfo(float).max]


@pytest.mark.parametrize(("count", "is_told"), [(18, False), (19, True)])
def test_nothing_is_usual_below_twenty_values(count, is_told):
    values = np.array([0.0, 1.0] * 30)[:count]
    assert (far_from_usual(np.append(values, 99.0)).max() >= 1) == is_told


def test_what_is_not_known_is_never_far_and_does_not_count():
    values = np.array([np.nan] * 40 + [1.0] * 10 + [9.0])
    assert not far_from_usual(values).any()


@pytest.mark.parametrize(
    ("size", "is_odd"),
    [((250, 350), False), ((60, 60), True), ((1200, 1600), True), ((90, 900), True)],
)
def test_a_size_is_odd_from_a_factor_of_three(workspace, size, is_odd):
    rows = [Row(f"{n}.png", 0, size=(300, 300 + n)) for n in range(40)]
    findings = CHECKS["odd-size"](make_index(workspace, [*rows, Row("x.png", 0, size=size)]))
    assert [finding.where for finding in findings] == ([("x.png",)] if is_odd else [])


def test_where_every_image_has_another_size_none_is_odd(workspace):
    sides = np.geomspace(40, 1600, 60).astype(int)
    rows = [Row(f"{side}.png", 0, size=(int(side), int(side))) for side in sides]
    assert CHECKS["odd-size"](make_index(workspace, rows)) == []
