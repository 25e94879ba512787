"""The slope of a loss over a climbing rate, and the mean of a few repeats."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from darkroom.training.repeats import geometric_mean_of, mean_of
from darkroom.training.valley import Explosion, find_valley, smooth

RATES = np.geomspace(1e-5, 10, 100)


def climb(fall: float = 1.5, noise: float = 0.05, seed: int = 0) -> np.ndarray:
    """A loss of 2.3 that falls around a rate of 1e-2, and explodes from about 1 on."""
    rng = np.random.default_rng(seed)
    down = fall / (1 + (1e-2 / RATES) ** 1.5)
    return 2.3 - down + RATES**2 + rng.normal(0, noise, len(RATES))


@pytest.mark.parametrize("seed", range(8))
def test_the_steepest_descent_is_found_where_it_was_put(seed):
    found = find_valley(RATES, climb(seed=seed))
    assert found.why_not == ""
    assert 3e-3 < found.steepest < 3e-2


@pytest.mark.parametrize("seed", range(8))
def test_the_valley_lies_on_the_slope_and_before_the_explosion(seed):
    found = find_valley(RATES, climb(seed=seed))
    assert 5e-3 < found.valley < 1e-1


def test_an_explosion_does_not_reach_back():
    whole = climb()
    exploded = np.append(whole[:80], [50, 4e6])
    assert find_valley(RATES, exploded).steepest == pytest.approx(
        find_valley(RATES, whole[:80]).steepest, rel=0.5
    )


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("losses", "told"),
    [
        (lambda seed: climb(fall=0, seed=seed), "never falls"),
        (lambda seed: climb(fall=0.03, noise=0.001, seed=seed), "too flat"),
        (lambda seed: climb(seed=seed)[:4], "explodes at once"),
    ],
)
def test_there_is_no_valley_where_nothing_falls(losses, told, seed):
    found = find_valley(RATES, losses(seed))
    assert (found.valley, found.steepest) == (None, None)
    assert told in found.why_not


def test_a_loss_that_only_climbs_has_no_valley():
    assert find_valley(RATES, 2.3 + RATES).why_not == "the loss never falls"


def test_smoothing_does_not_lag():
    ramp = np.linspace(5, 1, 100)
    np.testing.assert_allclose(smooth(ramp, of=100)[40:60], ramp[40:60], atol=1e-2)
    # The control: a mean of what came before alone lags by nine steps.
    lagging = np.array([np.average(ramp[: n + 1], weights=0.9 ** np.arange(n, -1, -1))
                        for n in range(100)])  # fmt: skip
    assert (lagging[40:60] - ramp[40:60]).min() > 0.3


@given(st.lists(st.floats(0, 100), min_size=1, max_size=40))
def test_a_smoothed_loss_stays_between_the_lowest_and_the_highest(losses):
    smoothed = smooth(np.array(losses), of=len(losses))
    assert min(losses) - 1e-9 <= smoothed.min()
    assert smoothed.max() <= max(losses) + 1e-9


def test_an_explosion_is_a_mean_of_four_times_the_lowest_or_no_number():
    assert Explosion().is_reached(math.nan)
    assert Explosion().is_reached(math.inf)
    watched = Explosion()
    assert not any(watched.is_reached(loss) for loss in [2.0, 1.9, 2.1, 1.0, 3.0, 2.0])
    assert any(watched.is_reached(loss) for loss in [20.0, 20.0, 20.0])


def test_one_odd_batch_is_no_explosion():
    watched = Explosion()
    assert not any(watched.is_reached(loss) for loss in [1.0] * 30 + [8.0] + [1.0] * 30)


@pytest.mark.parametrize("count", [2, 3, 5, 12, 21, 22, 60, 400])
def test_a_mean_has_the_interval_of_student(count):
    values = np.random.default_rng(count).normal(3, 2, count)
    mean = mean_of(values.tolist())
    reach = t.ppf(0.975, count - 1) * values.std(ddof=1) / math.sqrt(count)
    assert mean.value == pytest.approx(values.mean())
    assert mean.high - mean.value == pytest.approx(reach, rel=1e-3)
    assert mean.value - mean.low == pytest.approx(reach, rel=1e-3)


def test_the_interval_covers_the_truth_95_times_in_100():
    rng = np.random.default_rng(0)
    means = [mean_of(rng.normal(size=3).tolist()) for _ in range(2_000)]
    assert 0.93 < np.mean([mean.low <= 0 <= mean.high for mean in means]) < 0.97
    # The control: with the quantile of the normal distribution it would not.
    narrow = [abs(mean.value) <= (mean.high - mean.value) * 1.96 / 4.3027 for mean in means]
    assert np.mean(narrow) < 0.9


def test_a_single_value_has_no_interval():
    mean = mean_of([0.3])
    assert (mean.value, mean.low, mean.high, mean.of) == (0.3, None, None, 1)


def test_a_geometric_mean_is_the_mean_of_the_logarithms():
    mean = geometric_mean_of([1e-3, 1e-1])
    assert mean.value == pytest.approx(1e-2)
    assert mean.low < 1e-3
    assert mean.high > 1e-1
