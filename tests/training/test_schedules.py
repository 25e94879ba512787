"""Schedules: bounded, continuous, and where they should begin and end."""

from __future__ import annotations

import typing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.errors import RecipeError
from darkroom.training.recipe import Augment, Optimizer, Recipe, ScheduleName
from darkroom.training.schedules import rate_at, rate_table

SCHEDULES = typing.get_args(ScheduleName)
optimizers = st.builds(
    Optimizer,
    schedule=st.sampled_from(SCHEDULES),
    peak_lr=st.floats(1e-6, 10),
    warmup=st.floats(0, 0.9),
)


@given(optimizers, st.floats(0, 1))
def test_a_rate_lies_between_nothing_and_the_peak(optimizer, progress):
    assert 0 <= rate_at(progress, optimizer) <= optimizer.peak_lr * (1 + 1e-9)


@given(optimizers.filter(lambda optimizer: optimizer.warmup == 0 or optimizer.warmup > 0.01),
       st.floats(0, 1))  # fmt: skip
def test_a_schedule_is_continuous(optimizer, progress):
    step = 1e-6
    here, there = rate_at(progress, optimizer), rate_at(min(progress + step, 1), optimizer)
    assert abs(here - there) <= optimizer.peak_lr * 1e-3


def test_one_cycle_climbs_to_the_peak_and_ends_near_nothing():
    optimizer = Optimizer(schedule="one-cycle", peak_lr=1.0, warmup=0.25)
    assert rate_at(0, optimizer) == pytest.approx(1 / 25)
    assert rate_at(0.25, optimizer) == pytest.approx(1.0)
    assert rate_at(1, optimizer) == pytest.approx(1e-4)


def test_cosine_falls_and_constant_stays():
    table = rate_table(50, Optimizer(schedule="cosine", peak_lr=2.0))
    assert table[0] == 2.0
    assert (np.diff(table) < 0).all()
    assert set(rate_table(5, Optimizer(schedule="constant", peak_lr=2.0)).tolist()) == {2.0}


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
