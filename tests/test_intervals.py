"""Error bars: what they cover, by exact probability and by drawing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from benchmarks import interval_coverage as simulation
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from darkroom import intervals
from darkroom.evaluation.paired import mcnemar
from darkroom.intervals import (
    NOT_DEFINED,
    Estimate,
    Rate,
    mean_interval,
    mean_of_rates,
    no_narrower,
    percentile_interval,
    ratio_interval,
    resampled,
    score_interval,
    wilson,
)


def coverage(interval, of: int, share: float) -> float:
    """Sum the binomial probability of every count whose interval holds the true share."""
    log = [
        math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1)
        + k * math.log(share) + (of - k) * math.log(1 - share)
        for k in range(of + 1)
    ]  # fmt: skip
    held = (interval(k, of) for k in range(of + 1))
    return sum(
        math.exp(weight)
        for weight, rate in zip(log, held, strict=True)
        if rate.low <= share <= rate.high
    )


def wald(hits: int, of: int) -> Rate:
    """The textbook interval, which is known to be too short."""
    share = hits / of
    reach = 1.96 * math.sqrt(share * (1 - share) / of)
    return Rate(value=share, low=share - reach, high=share + reach)


def grid(of: int) -> list[float]:
    return [share for share in np.linspace(0.02, 0.98, 49) if of * share * (1 - share) >= 5]


@pytest.mark.parametrize("of", [40, 100, 400])
def test_wilson_covers_the_truth_95_times_in_100(of):
    covered = [coverage(wilson, of, share) for share in grid(of)]
    assert 0.94 <= np.mean(covered) <= 0.96
    assert min(covered) >= 0.92


def test_the_textbook_interval_would_fail_that_test():
    covered = [coverage(wald, 40, share) for share in grid(40)]
    assert np.mean(covered) < 0.94


@given(st.integers(1, 10_000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_a_rate_lies_within_its_interval_and_the_interval_within_0_and_1(counted):
    rate = wilson(*counted)
    assert 0 <= rate.low <= rate.value <= rate.high <= 1


def test_nothing_counted_is_not_defined():
    assert wilson(0, 0).value is None
    assert str(wilson(0, 0)) == "not defined"


def test_known_figures():
    rate = wilson(81, 263)  # Newcombe 1998, table I: 0.2553 .. 0.3662
    assert rate.low == pytest.approx(0.2553, abs=5e-5)
    assert rate.high == pytest.approx(0.3662, abs=5e-5)


def test_a_mean_of_rates_is_surer_than_each_of_them():
    rates = [wilson(45, 50), wilson(40, 50), wilson(0, 0)]
    mean = mean_of_rates(rates)
    assert mean.value == pytest.approx(0.85)
    assert mean.high - mean.low < rates[0].high - rates[0].low
    assert mean_of_rates([wilson(0, 0)]).value is None


def test_a_mean_of_one_rate_is_that_rate():
    one = wilson(9, 12)
    mean = mean_of_rates([one])
    assert (mean.value, mean.low, mean.high) == pytest.approx((one.value, one.low, one.high))


def is_honest(interval: simulation.Interval) -> bool:
    """Tell whether an interval passes the small version of the simulation in benchmarks."""
    drawn = simulation.simulated(interval, 4000, (30, 100, 1000), simulation.SHARES[::3])
    found = simulation.summed_up(drawn)
    return 0.94 <= found["mean"] <= 0.96 and found["smallest_where_enough_vary"] >= 0.92


def test_wilson_covers_shares_that_are_drawn():
    assert is_honest(wilson)


def test_the_textbook_interval_does_not():
    assert not is_honest(simulation.wald)


def test_drawing_and_summing_probabilities_give_the_same_coverage():
    drawn = simulation.simulated(wilson, 20_000, (100,), (0.1, 0.5))
    summed = simulation.exact(wilson, (100,), (0.1, 0.5))
    assert drawn == {cell: pytest.approx(held, abs=0.01) for cell, held in summed.items()}


def test_two_that_are_equally_good_are_called_different_5_times_in_100():
    cells = simulation.paired_cells(4000, lead=0.0, sizes=(100, 300))
    assert all(0.04 <= called <= 0.06 for called in simulation.called_where_enough(cells))
    assert all(cell["held"] >= 0.94 for cell in cells.values())


def test_a_test_that_looks_at_one_side_only_calls_twice_as_often():
    cells = simulation.paired_cells(
        4000, lead=0.0, sizes=(100, 300), test=lambda one, other: mcnemar(one, other) / 2
    )
    assert min(simulation.called_where_enough(cells)) > 0.08


@given(st.integers(1, 2000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_a_score_interval_of_a_plain_share_is_wilsons(counted):
    hits, of = counted
    found = score_interval(hits / of, lambda share: share * (1 - share) / of)
    known = wilson(hits, of)
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=1e-6)
    assert found.low <= found.value <= found.high


@given(st.sampled_from([0.0, 1e-12, 1e-9, 1 - 1e-12, 1.0]), st.integers(1, 10_000))
def test_a_score_interval_has_a_width_at_its_ends(value, of):
    found = score_interval(value, lambda share: share * (1 - share) / of)
    assert found.high - found.low > 1e-5


def test_an_interval_becomes_no_narrower_than_another():
    collapsed = Rate(value=1.0, low=1.0, high=1.0)
    assert no_narrower(collapsed, wilson(20, 20)).low == wilson(20, 20).low
    wide = Rate(value=0.5, low=0.1, high=0.9)
    assert no_narrower(wide, wilson(50, 100)) == wide


def test_an_interval_is_not_widened_by_what_is_not_defined():
    known = Rate(value=0.5, low=0.4, high=0.6)
    assert no_narrower(known, NOT_DEFINED) == known
    assert no_narrower(NOT_DEFINED, known) == NOT_DEFINED


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50).filter(lambda v: np.ptp(v) > 1e-3))
def test_the_interval_of_a_mean_is_students(values):
    found = mean_interval(np.array(values))
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6, abs=1e-6)


def test_the_interval_of_a_mean_covers_the_truth_95_times_in_100_and_a_normal_one_would_not():
    draws = np.random.default_rng(0).normal(size=(4000, 6))
    held = [found.low <= 0 <= found.high for found in map(mean_interval, draws)]
    reach = 1.96 * draws.std(axis=1, ddof=1) / math.sqrt(6)
    assert np.mean(held) == pytest.approx(0.95, abs=0.01)
    assert np.mean(np.abs(draws.mean(axis=1)) <= reach) < 0.92  # the control


def test_of_what_does_not_spread_no_interval_is_known():
    assert mean_interval(np.array([])) == Estimate(value=None)
    assert mean_interval(np.array([2.0])) == Estimate(value=2.0)
    assert mean_interval(np.full(9, 2.0)) == Estimate(value=2.0)


def test_the_mean_of_sizes_does_not_reach_below_0():
    values = np.array([0.0, 0.0, 0.1])
    assert mean_interval(values, least=0.0).low == 0
    assert mean_interval(values).low < 0


def test_every_draw_has_as_many_images_as_there_are():
    weights = np.concatenate(list(resampled(50, draws=400)), axis=1)
    assert weights.shape == (50, 400)
    assert (weights.sum(axis=0) == 50).all()
    assert weights.mean(axis=1).std() < 0.1
    assert weights.var() == pytest.approx(1 - 1 / 50, abs=0.05)


def test_draws_are_the_same_however_many_come_at_a_time(monkeypatch):
    whole = list(resampled(40, draws=30))
    monkeypatch.setattr(intervals, "_AT_ONCE", 400)
    some = list(resampled(40, draws=30))
    assert [part.shape[1] for part in whole] == [30]
    assert [part.shape[1] for part in some] == [10, 10, 10]
    assert (np.concatenate(some, axis=1) == whole[0]).all()


def test_draws_in_which_nothing_is_defined_are_left_out():
    drawn = np.append(np.linspace(0.4, 0.6, 201), np.full(50, np.nan))
    found = percentile_interval(0.5, drawn)
    assert (found.low, found.high) == pytest.approx((0.405, 0.595))
    unknown = percentile_interval(0.5, np.full(5, np.nan))
    assert (unknown.low, unknown.high) == (0, 1)


def test_an_interval_of_percentiles_holds_what_was_measured():
    assert percentile_interval(0.9, np.linspace(0.4, 0.6, 99)).high == 0.9


def test_the_interval_of_a_ratio_is_as_far_below_as_above():
    drawn = np.append(np.exp(np.random.default_rng(0).normal(0, 0.1, 400)), [0.0, np.nan])
    found = ratio_interval(2.0, drawn, images=1000)
    assert found.value / found.low == pytest.approx(found.high / found.value)
    assert found.high / found.value == pytest.approx(math.exp(1.96 * 0.1), rel=0.02)


@pytest.mark.parametrize(
    ("value", "drawn", "images"),
    [(2.0, [1.0, 2.0], 9), (0.0, [1.0, 2.0], 50), (2.0, [0.0], 50), (2.0, [2.0, 2.0], 50)],
)
def test_a_ratio_of_which_too_little_is_known_has_no_interval(value, drawn, images):
    assert ratio_interval(value, np.array(drawn), images=images) == Estimate(value=value)


@pytest.mark.parametrize(
    ("estimate", "words"),
    [
        (Estimate(value=None), "not defined"),
        (Estimate(value=0.25), "0.25"),
        (Estimate(value=0.25, low=0.125, high=0.5), "0.25 (0.125 .. 0.5)"),
    ],
)
def test_an_estimate_says_what_is_known_of_it(estimate, words):
    assert str(estimate) == words
