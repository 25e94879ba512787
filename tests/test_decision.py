"""From probabilities to labels: temperature, thresholds and abstaining."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from darkroom.decision import Decision, decide
from darkroom.errors import RecipeError
from darkroom.records import from_json, to_json

ANY_TEMPERATURE = st.floats(0.01, 100)

shapes = hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)
independent = hnp.arrays(np.float32, shapes, elements=st.floats(0, 1, width=32))


@st.composite
def distributions(draw):
    """Draw rows that sum to 1, from even to certain."""
    weights = draw(hnp.arrays(np.float64, shapes, elements=st.integers(0, 1000)))
    weights[:, 0] += 1
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def single(**rule):
    return Decision(task="single-label", **rule)


def multi(**rule):
    return Decision(task="multi-label", **rule)


@settings(deadline=None)
@given(distributions(), st.sampled_from([single(), multi()]))
def test_temperature_1_changes_nothing(probabilities, rule):
    np.testing.assert_array_equal(decide(probabilities, rule).probabilities, probabilities)


@settings(deadline=None)
@given(distributions(), ANY_TEMPERATURE)
def test_rows_sum_to_1_at_every_temperature(probabilities, temperature):
    cooled = decide(probabilities, single(temperature=temperature)).probabilities
    np.testing.assert_allclose(cooled.sum(axis=1), 1, atol=1e-5)
    assert cooled.dtype == np.float32


@settings(deadline=None)
@given(distributions(), ANY_TEMPERATURE)
def test_temperature_leaves_the_best_class_the_best(probabilities, temperature):
    cooled = decide(probabilities, single(temperature=temperature)).probabilities
    rows = np.arange(len(cooled))
    assert (cooled[rows, probabilities.argmax(axis=1)] >= cooled.max(axis=1) - 1e-6).all()


@settings(deadline=None)
@given(distributions(), st.floats(1.01, 100))
def test_a_temperature_above_1_never_makes_an_answer_surer(probabilities, temperature):
    cooled = decide(probabilities, single(temperature=temperature)).probabilities
    assert (cooled.max(axis=1) <= probabilities.max(axis=1) + 1e-5).all()


def test_a_temperature_that_is_added_would_break_the_laws_above():
    probabilities = np.array([[0.7, 0.3]], np.float32)
    broken = probabilities + 0.5
    cooled = decide(probabilities, single(temperature=2.0)).probabilities
    assert not np.allclose(broken.sum(axis=1), 1)
    assert not np.allclose(cooled, probabilities)


def test_temperature_2_takes_the_square_root_of_the_odds():
    cooled = decide(np.array([[0.8, 0.2]]), single(temperature=2.0)).probabilities
    np.testing.assert_allclose(cooled[0, 0] / cooled[0, 1], 2.0, rtol=1e-5)


def test_a_temperature_near_0_chooses_for_certain_and_does_not_underflow():
    even = np.full((1, 1000), 0.001, np.float32)
    even[0, 7] += 0.0001
    cooled = decide(even, single(temperature=0.001)).probabilities
    np.testing.assert_allclose(cooled[0, 7], 1, atol=1e-5)


@settings(deadline=None)
@given(independent, ANY_TEMPERATURE)
def test_multi_label_temperature_keeps_every_answer_on_its_side_of_one_half(
    probabilities, temperature
):
    cooled = decide(probabilities, multi(temperature=temperature)).probabilities
    assert ((cooled >= 0) & (cooled <= 1)).all()
    assert (cooled[probabilities > 0.5] >= 0.5 - 1e-6).all()
    assert (cooled[probabilities < 0.5] <= 0.5 + 1e-6).all()


@settings(deadline=None)
@given(distributions())
def test_a_single_label_answer_chooses_the_best_class_alone(probabilities):
    chosen = decide(probabilities, single()).chosen
    assert (chosen.sum(axis=1) == 1).all()
    assert (chosen.argmax(axis=1) == probabilities.argmax(axis=1)).all()


def test_of_two_equal_classes_the_first_is_chosen():
    assert decide(np.array([[0.5, 0.5]]), single()).chosen.tolist() == [[True, False]]


def test_a_multi_label_answer_chooses_every_class_that_reaches_one_half():
    chosen = decide(np.array([[0.5, 0.49, 0.9], [0.1, 0.2, 0.3]]), multi()).chosen
    assert chosen.tolist() == [[True, False, True], [False, False, False]]


def test_every_class_may_have_a_threshold_of_its_own():
    chosen = decide(np.array([[0.5, 0.5, 0.5]]), multi(thresholds=(0.6, 0.5, 0.1))).chosen
    assert chosen.tolist() == [[False, True, True]]


@pytest.mark.parametrize("rule", [single(abstain_below=0.7), multi(abstain_below=0.7)])
def test_below_its_limit_an_answer_abstains_and_chooses_nothing(rule):
    decided = decide(np.array([[0.69, 0.31], [0.7, 0.3]], np.float32), rule)
    assert decided.abstained.tolist() == [True, False]
    assert decided.chosen.tolist() == [[False, False], [True, False]]


def test_abstaining_looks_at_the_probabilities_after_temperature():
    rule = single(temperature=4.0, abstain_below=0.7)
    assert decide(np.array([[0.8, 0.2]]), rule).abstained.tolist() == [True]


@settings(deadline=None)
@given(distributions(), st.floats(0, 1))
def test_an_answer_chooses_or_abstains(probabilities, limit):
    decided = decide(probabilities, single(abstain_below=limit))
    np.testing.assert_array_equal(decided.chosen.any(axis=1), ~decided.abstained)


def test_without_a_limit_nothing_abstains():
    assert not decide(np.array([[0.5, 0.5]]), single()).abstained.any()


def test_a_batch_of_no_images_gives_no_answers():
    decided = decide(np.zeros((0, 3), np.float32), single(temperature=2.0))
    assert decided.chosen.shape == (0, 3)
    assert decided.abstained.shape == (0,)


@pytest.mark.parametrize(
    ("field", "rule", "value"),
    [
        ("temperature", {"temperature": 0.0}, "0.0"),
        ("temperature", {"temperature": -1.5}, "-1.5"),
        ("temperature", {"temperature": math.nan}, "nan"),
        ("temperature", {"temperature": math.inf}, "inf"),
        ("thresholds[1]", {"thresholds": (0.5, 1.01)}, "1.01"),
        ("thresholds[0]", {"thresholds": (-0.01, 0.5)}, "-0.01"),
        ("thresholds[0]", {"thresholds": (math.nan,)}, "nan"),
        ("abstain_below", {"abstain_below": 90.0}, "90.0"),
        ("abstain_below", {"abstain_below": -0.1}, "-0.1"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_by_its_field_and_value(field, rule, value):
    with pytest.raises(RecipeError) as refused:
        multi(**rule)
    assert f"decision.{field} = {value}" in refused.value.problem


def test_control_the_ends_of_every_range_are_taken_and_come_back():
    rule = multi(temperature=1e-9, thresholds=(0.0, 1.0), abstain_below=1.0)
    assert from_json(to_json(rule), Decision, where="decision.json") == rule
