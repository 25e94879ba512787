"""Schedules: bounded, continuous but for drops and restarts, and where they begin and end."""

from __future__ import annotations

import itertools
import typing

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from darkroom.errors import RecipeError
from darkroom.training.optimizers import usual_peak_lr
from darkroom.training.recipe import Augment, Optimizer, Recipe, ScheduleName
from darkroom.training.schedules import rate_at, rate_table

SCHEDULES = typing.get_args(ScheduleName)
CLIMBING = [name for name in SCHEDULES if name != "one-cycle"]
shares = st.floats(0, 1)
optimizers = st.builds(
    Optimizer,
    schedule=st.sampled_from(SCHEDULES),
    peak_lr=st.floats(1e-6, 10),
    warmup=st.none() | st.just(0.0) | st.floats(0.01, 0.9),
    drops=st.integers(1, 5),
    drop_factor=st.floats(0.01, 0.99),
    cycles=st.integers(1, 5),
    cycle_growth=st.floats(1, 3),
)


def jumps(optimizer: Optimizer) -> list[float]:
    """Where a schedule may leap: at the drops of `step` and the restarts of `sgdr`."""
    if optimizer.schedule == "step":
        pieces = [1.0] * (optimizer.drops + 1)
    elif optimizer.schedule == "sgdr":
        pieces = [optimizer.cycle_growth**cycle for cycle in range(optimizer.cycles)]
    else:
        return []
    warmup = optimizer.warmup or 0.0
    ends = list(itertools.accumulate(pieces))
    return [warmup + (1 - warmup) * end / ends[-1] for end in ends[:-1]]


def leap(optimizer: Optimizer, progress: float) -> float:
    """How far the rate moves within a ten-millionth of the training, as a share of the peak."""
    here, there = (rate_at(min(progress + more, 1), optimizer) for more in (0, 1e-7))
    return abs(here - there) / optimizer.peak_lr


@given(optimizers, shares)
def test_a_rate_lies_between_nothing_and_the_peak(optimizer, progress):
    assert 0 <= rate_at(progress, optimizer) <= optimizer.peak_lr * (1 + 1e-9)


@given(optimizers, shares)
def test_a_schedule_is_continuous_but_for_drops_and_restarts(optimizer, progress):
    assume(all(abs(progress - jump) > 1e-6 for jump in jumps(optimizer)))
    assert leap(optimizer, progress) < 1e-3


@pytest.mark.parametrize("schedule", ["step", "sgdr"])
def test_at_a_drop_or_a_restart_it_leaps(schedule):
    optimizer = Optimizer(schedule=schedule, peak_lr=1.0, drops=3, cycles=4, warmup=0.1)
    assert len(jumps(optimizer)) == 3
    assert all(leap(optimizer, jump - 5e-8) > 1e-3 for jump in jumps(optimizer))


@given(optimizers)
def test_a_schedule_ends_where_it_should(optimizer):
    floor = {"constant": 1, "step": optimizer.drop_factor**optimizer.drops, "one-cycle": 1e-4}
    wanted = floor.get(optimizer.schedule, 0)
    assert rate_at(1, optimizer) == pytest.approx(optimizer.peak_lr * wanted, abs=1e-12)


def test_one_cycle_climbs_to_the_peak_and_ends_near_nothing():
    optimizer = Optimizer(schedule="one-cycle", peak_lr=1.0, warmup=0.3)
    assert rate_at(0, optimizer) == pytest.approx(1 / 25)
    assert rate_at(0.3, optimizer) == pytest.approx(1.0)
    assert rate_at(1, optimizer) == pytest.approx(1e-4)


def test_one_cycle_climbs_for_a_quarter_when_nothing_is_said():
    optimizer = Optimizer(schedule="one-cycle", peak_lr=1.0)
    assert rate_table(100, optimizer).argmax() == 25


def test_cosine_falls_and_constant_stays():
    table = rate_table(50, Optimizer(schedule="cosine", peak_lr=2.0))
    assert table[0] == 2.0
    assert (np.diff(table) < 0).all()
    assert set(rate_table(5, Optimizer(schedule="constant", peak_lr=2.0)).tolist()) == {2.0}


@given(st.integers(1, 6), st.floats(0.05, 0.95), st.integers(1, 40))
def test_step_drops_by_its_factor_at_even_distances(drops, factor, length):
    optimizer = Optimizer(schedule="step", peak_lr=1.0, drops=drops, drop_factor=factor)
    table = rate_table((drops + 1) * length, optimizer).reshape(drops + 1, length)
    np.testing.assert_allclose(table[:, 0], factor ** np.arange(drops + 1), rtol=1e-6)
    assert (table == table[:, :1]).all()


@given(st.integers(2, 5), st.integers(1, 3))
def test_the_cycles_of_sgdr_grow_by_their_factor(cycles, growth):
    lengths = [10 * growth**cycle for cycle in range(cycles)]
    optimizer = Optimizer(schedule="sgdr", peak_lr=1.0, cycles=cycles, cycle_growth=growth)
    table = rate_table(sum(lengths), optimizer)
    restarts = np.flatnonzero(np.diff(table) > 0) + 1
    assert restarts.tolist() == list(itertools.accumulate(lengths))[:-1]
    assert (table[restarts] == 1.0).all()


def test_a_cycle_of_sgdr_is_a_cosine_of_its_own():
    optimizer = Optimizer(schedule="sgdr", peak_lr=1.0, cycles=2, cycle_growth=3)
    cosine = Optimizer(schedule="cosine", peak_lr=1.0)
    np.testing.assert_allclose(rate_table(40, optimizer)[:10], rate_table(10, cosine), atol=1e-6)
    np.testing.assert_allclose(rate_table(40, optimizer)[10:], rate_table(30, cosine), atol=1e-6)


def test_more_cycles_than_can_be_told_apart_are_no_error():
    optimizer = Optimizer(schedule="sgdr", peak_lr=1.0, cycles=2000, cycle_growth=9)
    assert rate_table(10, optimizer)[-1] < rate_table(10, optimizer)[2]


@pytest.mark.parametrize("schedule", CLIMBING)
def test_a_warm_up_climbs_straight_from_near_nothing_and_meets_the_schedule(schedule):
    optimizer = Optimizer(schedule=schedule, peak_lr=2.0, warmup=0.2)
    table = rate_table(100, optimizer)
    assert 0 < table[0] <= 0.02 * 2
    np.testing.assert_allclose(np.diff(table[:21]), (2.0 - table[0]) / 20, rtol=1e-4)
    assert table[20] == 2.0


@given(optimizers, shares)
def test_a_warm_up_leaves_the_schedule_whole(optimizer, progress):
    assume(optimizer.schedule != "one-cycle" and optimizer.warmup)
    assume(all(abs(progress - jump) > 1e-6 for jump in jumps(without_warmup(optimizer))))
    late = optimizer.warmup + (1 - optimizer.warmup) * progress
    wanted = rate_at(progress, without_warmup(optimizer))
    assert rate_at(late, optimizer) == pytest.approx(wanted, abs=1e-6 * optimizer.peak_lr)


def without_warmup(optimizer: Optimizer) -> Optimizer:
    return msgspec.structs.replace(optimizer, warmup=0.0)


def test_a_peak_that_is_not_named_is_the_usual_one():
    optimizer = Optimizer(name="adadelta", schedule="constant")
    assert rate_at(0.5, optimizer) == usual_peak_lr("adadelta") == 1.0


@pytest.mark.parametrize(
    ("record", "settings"),
    [
        (Recipe, {"epochs": 0}),
        (Recipe, {"batch_size": 0}),
        (Recipe, {"patience": 0}),
        (Recipe, {"image_size": 0}),
        (Recipe, {"label_smoothing": 1.0}),
        (Recipe, {"seed": -1}),
        (Optimizer, {"peak_lr": 0.0}),
        (Optimizer, {"momentum": 1.0}),
        (Augment, {"shift": 0.6}),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(record, settings):
    with pytest.raises(RecipeError) as refused:
        record(**settings)
    assert next(iter(settings)) in refused.value.problem
    assert refused.value.hint.startswith("--set")
