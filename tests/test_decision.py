"""From probabilities to labels: temperature, thresholds and abstaining."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from darkroom.decision import Decision, check_answers, decide, log_odds, sureness
from darkroom.errors import DataError, RecipeError
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


def test_with_thresholds_the_largest_multiple_of_its_own_is_chosen():
    answers = np.array([[0.70, 0.20, 0.10], [0.90, 0.06, 0.04]])
    chosen = decide(answers, single(thresholds=(0.6, 0.1, 0.3))).chosen
    assert chosen.tolist() == [[False, True, False], [True, False, False]]


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.5, 0.9])
def test_of_two_classes_the_second_is_chosen_above_its_threshold(threshold):
    second = np.linspace(0.01, 0.99, 50)
    second = second[np.abs(second - threshold) > 1e-6]
    rule = single(thresholds=(1 - threshold, threshold))
    chosen = decide(np.stack([1 - second, second], axis=1), rule).chosen
    np.testing.assert_array_equal(chosen[:, 1], second > threshold)


@settings(deadline=None)
@given(distributions())
def test_equal_thresholds_are_none(probabilities):
    equal = (0.25,) * probabilities.shape[1]
    np.testing.assert_array_equal(
        decide(probabilities, single(thresholds=equal)).chosen,
        decide(probabilities, single()).chosen,
    )


def test_a_threshold_of_0_divides_nothing_by_0():
    chosen = decide(np.array([[0.9, 0.1], [1.0, 0.0]]), single(thresholds=(0.5, 0.0))).chosen
    assert chosen.tolist() == [[False, True], [True, False]]


@pytest.mark.parametrize("rule", [single, multi])
@pytest.mark.parametrize("thresholds", [(0.5,), (0.5, 0.5), (0.5,) * 4])
def test_thresholds_for_another_number_of_classes_are_refused(rule, thresholds):
    with pytest.raises(RecipeError) as refused:
        decide(np.full((2, 3), 1 / 3), rule(thresholds=thresholds))
    assert str(len(thresholds)) in refused.value.problem
    assert "3 classes" in refused.value.problem


def test_confidence_is_the_best_probability_and_certainty_what_entropy_leaves():
    rows = np.array([[0.25, 0.25, 0.25, 0.25], [1.0, 0.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0]])
    np.testing.assert_allclose(sureness(rows, "confidence"), [0.25, 1.0, 0.5])
    np.testing.assert_allclose(sureness(rows, "certainty"), [0.0, 1.0, 0.5], atol=1e-6)
    assert sureness(rows, "certainty").dtype == sureness(rows, "confidence").dtype == np.float32


def test_with_one_class_an_answer_is_certain():
    assert sureness(np.array([[1.0], [0.3]]), "certainty").tolist() == [1.0, 1.0]


def test_abstaining_may_look_at_certainty_where_confidence_says_otherwise():
    rows = np.array([[0.6, 0.4, 0.0, 0.0], [0.62, 0.13, 0.13, 0.12]], np.float32)
    by_confidence = decide(rows, single(abstain_below=0.61))
    by_certainty = decide(rows, single(abstain_below=0.4, abstain_by="certainty"))
    assert by_confidence.abstained.tolist() == [True, False]
    assert by_certainty.abstained.tolist() == [False, True]


@settings(deadline=None)
@given(distributions(), ANY_TEMPERATURE)
def test_the_float32_of_a_probability_is_decided_as_the_probability(probabilities, temperature):
    rule = single(temperature=temperature, abstain_below=0.5)
    one, other = decide(probabilities, rule), decide(probabilities.astype(np.float64), rule)
    np.testing.assert_array_equal(one.probabilities, other.probabilities)
    np.testing.assert_array_equal(one.chosen, other.chosen)
    np.testing.assert_array_equal(one.abstained, other.abstained)


@settings(deadline=None)
@given(distributions(), st.floats(0.2, 5))
def test_answers_are_those_of_exact_arithmetic_rounded_once(probabilities, temperature):
    exact = np.clip(probabilities.astype(np.longdouble), 1e-12, 1) ** (
        1 / np.longdouble(temperature)
    )
    exact /= exact.sum(axis=1, keepdims=True)
    cooled = decide(probabilities, single(temperature=temperature)).probabilities
    # The last place only, and only where the exact value lies between two of float32.
    np.testing.assert_allclose(cooled, exact.astype(np.float32), rtol=1.3e-7)


def test_control_float32_arithmetic_would_miss_that_mark():
    shares = np.random.default_rng(0).dirichlet(np.ones(20) * 0.2, 200).astype(np.float32)
    logs = np.log(np.clip(shares, np.float32(1e-12), 1)) / np.float32(0.3)
    sloppy = np.exp(logs - logs.max(axis=1, keepdims=True))
    sloppy /= sloppy.sum(axis=1, keepdims=True)
    exact = np.clip(shares.astype(np.longdouble), 1e-12, 1) ** (1 / np.longdouble(0.3))
    exact /= exact.sum(axis=1, keepdims=True)
    assert not np.allclose(sloppy, exact.astype(np.float32), rtol=1.3e-7, atol=0)


@pytest.mark.parametrize("temperature", [1e-6, 0.01, 100.0])
def test_saturated_labels_neither_overflow_nor_become_something_else(temperature):
    cooled = decide(np.array([[0.0, 1.0, 0.5]]), multi(temperature=temperature)).probabilities
    assert cooled[0, 0] < 0.5 < cooled[0, 1]
    assert cooled[0, 2] == 0.5


def test_what_a_temperature_divides_is_the_last_layer_up_to_a_constant():
    layer = np.array([[2.0, -1.0, 0.5]])
    shares = np.exp(layer) / np.exp(layer).sum()
    found = log_odds(shares, "single-label")
    np.testing.assert_allclose(found - found[0, 0], layer - layer[0, 0])
    np.testing.assert_allclose(log_odds(1 / (1 + np.exp(-layer)), "multi-label"), layer)


@pytest.mark.parametrize(
    ("probabilities", "targets", "said"),
    [
        (np.array([[0.5, np.nan]]), np.ones((1, 2)), "1 probabilities"),
        (np.array([[0.5, np.inf]]), np.ones((1, 2)), "1 probabilities"),
        (np.ones((2, 2)), np.ones((3, 2)), "(3, 2)"),
        (np.ones(2), np.ones(2), "(2,)"),
        (np.array([[-3.0, 4.5]]), np.ones((1, 2)), "4.5"),
    ],
)
def test_answers_that_cannot_be_are_refused(probabilities, targets, said):
    with pytest.raises(DataError) as refused:
        check_answers(probabilities, targets)
    assert said in refused.value.problem
    assert refused.value.hint


def test_control_answers_that_can_be_pass_even_none_at_all():
    check_answers(np.array([[0.0, 1.0 + 1e-6]], np.float32), np.ones((1, 2)))
    check_answers(np.zeros((0, 3)), np.zeros((0, 3)))
