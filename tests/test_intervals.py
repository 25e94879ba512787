"""Error bars: what they cover, by exact probability rather than by drawing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.intervals import Rate, mean_of_rates, wilson


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
