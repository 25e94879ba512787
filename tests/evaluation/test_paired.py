"""Paired answers: known figures, what the interval covers, and how often chance is called."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from darkroom.errors import DataError
from darkroom.evaluation.paired import images_to_tell, mcnemar, paired_difference
from darkroom.intervals import wilson

COUNTS = st.tuples(*[st.integers(0, 60)] * 4)


def answers(both: int, one: int, other: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Make two sets of answers of how many images which of them has right."""
    counts = [both, one, other, neither]
    return np.repeat([True, True, False, False], counts), np.repeat(
        [True, False, True, False], counts
    )


def drawn(rng: np.random.Generator, images: int, one: float, other: float):
    """Draw answers of which a share is right by the first alone, and a share by the second."""
    luck = rng.random(images)
    return luck < 0.5 + one, (luck < 0.5) | ((luck >= 0.5 + one) & (luck < 0.5 + one + other))


def unpaired(one: np.ndarray, other: np.ndarray) -> bool:
    """Call a difference when two intervals of their own do not overlap: the usual mistake."""
    first, second = (wilson(int(each.sum()), len(each)) for each in (one, other))
    return first.low > second.high or second.low > first.high


def test_the_interval_is_that_of_the_published_program():
    # statpsych, ci.prop.ps(.05, 12, 4, 26, 6) by the authors: 0.2548067 .. 0.6251933
    difference = paired_difference(*answers(6, 26, 4, 12))
    assert difference.low == pytest.approx(0.2548067, abs=1e-7)
    assert difference.high == pytest.approx(0.6251933, abs=1e-7)
    assert difference.value == pytest.approx(22 / 48)


def test_the_p_value_is_that_of_the_published_figures():
    # Fagerland et al. 2013: airway hyper-responsiveness (0.0391) and complete response (0.0347)
    assert mcnemar(*answers(1, 1, 7, 12)) == pytest.approx(0.0391, abs=5e-5)
    assert mcnemar(*answers(59, 6, 16, 80)) == pytest.approx(0.0347, abs=5e-5)


def test_the_number_of_images_is_that_of_the_published_formula():
    # Shares of 45 and 5 % that one alone has right, 5 % level, power of 80 %: 23 pairs.
    assert images_to_tell(*answers(30, 45, 5, 20)) == 23


@given(COUNTS)
def test_the_difference_is_that_of_the_two_shares_and_lies_in_its_interval(counts):
    one, other = answers(*counts)
    difference = paired_difference(one, other)
    if not len(one):
        assert difference.value is None
        return
    assert difference.value == pytest.approx(one.mean() - other.mean())
    assert -1 <= difference.low <= difference.value <= difference.high <= 1


@given(COUNTS)
def test_exchanging_the_two_turns_the_sign_and_nothing_else(counts):
    one, other = answers(*counts)
    forth, back = paired_difference(one, other), paired_difference(other, one)
    if len(one):
        assert (forth.value, forth.low, forth.high) == pytest.approx(
            (-back.value, -back.high, -back.low)
        )
    assert mcnemar(one, other) == mcnemar(other, one)
    assert 0 < mcnemar(one, other) <= 1
    assert images_to_tell(one, other) == images_to_tell(other, one)


def test_what_both_have_right_or_wrong_says_nothing():
    assert mcnemar(*answers(0, 12, 3, 0)) == mcnemar(*answers(5000, 12, 3, 700))


def test_the_same_answers_speak_against_nothing():
    same = answers(40, 0, 0, 5)
    assert mcnemar(*same) == 1
    assert paired_difference(*same).value == 0
    assert paired_difference(*same).low < 0 < paired_difference(*same).high
    assert images_to_tell(*same) is None


def test_p_value_and_interval_call_the_same_differences_but_for_a_few():
    calls = []
    for ahead in range(40):
        for behind in range(ahead):
            pair = answers(50, ahead, behind, 50)
            calls.append((mcnemar(*pair) < 0.05, paired_difference(*pair).low > 0))
    by_p, by_interval = np.array(calls).T
    assert (by_p != by_interval).mean() < 0.03


@pytest.mark.parametrize("images", [20, 50, 200, 1000])
@pytest.mark.parametrize(("one", "other"), [(0.05, 0.05), (0.15, 0.15), (0.1, 0.02)])
def test_the_interval_covers_the_truth_95_times_in_100(images, one, other):
    rng = np.random.default_rng(0)
    held = [paired_difference(*drawn(rng, images, one, other)) for _ in range(2000)]
    covered = np.mean([each.low <= one - other <= each.high for each in held])
    assert covered >= 0.935
    assert covered <= 0.99 or images == 20  # of few images it is wide


def test_control_without_the_added_images_a_small_part_is_covered_too_seldom():
    def wald(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
        apart, value = (one != other).mean(), one.mean() - other.mean()
        reach = 1.96 * np.sqrt((apart - value**2) / len(one))
        return value - reach, value + reach

    rng = np.random.default_rng(0)
    held = [wald(*drawn(rng, 20, 0.1, 0.02)) for _ in range(2000)]
    assert np.mean([low <= 0.08 <= high for low, high in held]) < 0.935


@pytest.mark.parametrize("images", [50, 200, 1000])
@pytest.mark.parametrize("apart", [0.02, 0.1, 0.3])
def test_of_two_that_are_equally_good_a_difference_is_called_at_most_5_times_in_100(images, apart):
    rng = np.random.default_rng(1)
    called = [mcnemar(*drawn(rng, images, apart / 2, apart / 2)) < 0.05 for _ in range(2000)]
    assert np.mean(called) <= 0.06


def test_with_many_images_a_difference_is_called_about_5_times_in_100():
    rng = np.random.default_rng(2)
    called = [mcnemar(*drawn(rng, 2000, 0.1, 0.1)) < 0.05 for _ in range(4000)]
    assert 0.04 <= np.mean(called) <= 0.06


def test_a_real_difference_is_called_and_two_intervals_would_not_tell_it():
    rng = np.random.default_rng(3)
    pairs = [drawn(rng, 1000, 0.05, 0.02) for _ in range(300)]
    assert np.mean([mcnemar(*pair) < 0.05 for pair in pairs]) > 0.9
    assert np.mean([unpaired(*pair) for pair in pairs]) < 0.1


def test_the_number_of_images_that_is_told_calls_the_difference_80_times_in_100():
    rng = np.random.default_rng(4)
    one, other = drawn(rng, 100_000, 0.06, 0.04)
    needed = images_to_tell(one, other)
    called = [mcnemar(*drawn(rng, needed, 0.06, 0.04)) < 0.05 for _ in range(1000)]
    assert 0.75 <= np.mean(called) <= 0.86


def test_answers_of_unequal_length_are_refused():
    with pytest.raises(DataError) as refused:
        mcnemar(np.ones(3, bool), np.ones(4, bool))
    assert "3 answers" in refused.value.problem


@pytest.mark.parametrize("count", [1, 7, 40, 3_000, 100_000])
def test_the_mid_p_is_made_of_the_binomial_chances_that_scipy_gives(count):
    for fewer in {0, count // 3, (count - 1) // 2, max(count // 2 - int(count**0.5), 0)}:
        chances = stats.binom(count, 0.5)
        expected = 2 * chances.cdf(fewer) - chances.pmf(fewer)
        got = mcnemar(*answers(3, count - fewer, fewer, 3))
        assert got == pytest.approx(min(expected, 1), rel=1e-9, abs=1e-300)
