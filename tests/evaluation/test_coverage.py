"""When to answer: the cheapest threshold against every other, and the curve it stands on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.decision import Decision, decide, sureness
from darkroom.errors import DataError
from darkroom.evaluation.coverage import fit_abstain, trace_coverage
from darkroom.evaluation.thresholds import measure_costs
from darkroom.problem import ErrorCost, Problem
from tests.evaluation.simulated import answers, label_answers

CLASSES = ("cat", "dog", "owl")
SINGLE = Decision(task="single-label")
MULTI = Decision(task="multi-label")


def cost_at(limit, rows, decision, problem):
    rule = Decision(task=decision.task, abstain_by=decision.abstain_by, abstain_below=float(limit))
    return measure_costs(*rows, CLASSES, rule, problem).chosen.value


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 1.2), st.sampled_from(["confidence", "certainty"]))
def test_no_other_threshold_is_cheaper_and_none_as_cheap_answers_more(seed, abstain_cost, by):
    shares, targets = answers(seed, 60, apart=1.0)
    decision = Decision(task="single-label", abstain_by=by)
    problem = Problem(abstain_cost=abstain_cost)
    sure = sureness(shares, by)
    wrong = shares.argmax(axis=1) != targets.argmax(axis=1)

    def outcome(limit):
        answered = sure >= np.float32(limit)
        return np.where(answered, wrong, abstain_cost).mean(), -answered.sum()

    cost, answered = outcome(fit_abstain(shares, targets, CLASSES, decision, problem))
    for other in [*np.linspace(0, 1, 101), *sure]:
        other_cost, other_answered = outcome(other)
        assert cost <= other_cost + 1e-9
        assert answered <= other_answered or other_cost > cost + 1e-12


def test_by_hand_the_unsure_wrong_one_is_not_answered():
    rows = np.array([[0.5, 0.3, 0.2], [0.7, 0.2, 0.1], [0.9, 0.1, 0.0]]), np.eye(3)[[1, 0, 0]]
    assert fit_abstain(*rows, CLASSES, SINGLE, Problem(abstain_cost=0.2)) == pytest.approx(0.6)


def test_of_equally_cheap_thresholds_the_one_that_answers_most_is_taken():
    # One right answer below the wrong one: leaving out both costs as much as answering both.
    rows = np.array([[0.4, 0.3, 0.3], [0.5, 0.3, 0.2], [0.9, 0.1, 0.0]]), np.eye(3)[[0, 1, 0]]
    assert fit_abstain(*rows, CLASSES, SINGLE, Problem(abstain_cost=0.5)) == 0.0


def test_where_nothing_is_wrong_or_no_answer_is_dear_everything_is_answered():
    rows = answers(0, 200)
    right = rows[0], np.eye(3)[rows[0].argmax(axis=1)]
    assert fit_abstain(*right, CLASSES, SINGLE, Problem(abstain_cost=0.1)) == 0.0
    assert fit_abstain(*rows, CLASSES, SINGLE, Problem(abstain_cost=1.0)) == 0.0
    assert fit_abstain(*rows, CLASSES, SINGLE, Problem()) == 0.0


def test_where_everything_is_wrong_nothing_is_answered():
    rows = answers(0, 200, apart=0.5)
    wrong = rows[0], np.eye(3)[rows[0].argmin(axis=1)]
    limit = fit_abstain(*wrong, CLASSES, SINGLE, Problem(abstain_cost=0.1))
    assert decide(rows[0], Decision(task="single-label", abstain_below=limit)).abstained.all()


def test_images_that_are_equally_sure_stay_together():
    rows = np.full((4, 3), [0.6, 0.3, 0.1]), np.eye(3)[[0, 1, 1, 1]]
    assert fit_abstain(*rows, CLASSES, SINGLE, Problem(abstain_cost=0.1)) == pytest.approx(0.8)
    # To leave out the wrong one alone would be cheapest, and cannot be had.
    mostly = rows[0], np.eye(3)[[1, 0, 0, 0]]
    assert fit_abstain(*mostly, CLASSES, SINGLE, Problem(abstain_cost=0.5)) == 0.0


def test_neighbours_in_float32_are_still_parted():
    near = np.float32(0.5)
    next_one = np.nextafter(near, np.float32(1))
    rows = np.array([[near, 0.3, 0.2], [next_one, 0.3, 0.2]], np.float32), np.eye(3)[[1, 0]]
    limit = fit_abstain(*rows, CLASSES, SINGLE, Problem(abstain_cost=0.1))
    rule = Decision(task="single-label", abstain_below=limit)
    assert decide(rows[0], rule).abstained.tolist() == [True, False]


@pytest.mark.parametrize("abstain_cost", [0.1, 0.3])
def test_honest_confidence_is_cut_near_one_less_the_cost_of_no_answer(abstain_cost):
    limit = fit_abstain(*answers(0, 5000), CLASSES, SINGLE, Problem(abstain_cost=abstain_cost))
    assert limit == pytest.approx(1 - abstain_cost, abs=0.1)


def test_abstaining_that_was_fitted_saves_on_new_images():
    problem = Problem(abstain_cost=0.2)
    limit = fit_abstain(*answers(0, 500), CLASSES, SINGLE, problem)
    fresh = answers(1, 5000)
    assert cost_at(limit, fresh, SINGLE, problem) < 0.75 * cost_at(0, fresh, SINGLE, problem)


def test_several_labels_abstain_where_their_errors_add_up_to_more():
    problem, rows = Problem(abstain_cost=0.5), label_answers(0, 2000)
    limit = fit_abstain(*rows, CLASSES, MULTI, problem)
    assert limit > 0
    assert cost_at(limit, rows, MULTI, problem) < cost_at(0, rows, MULTI, problem)


def test_the_curve_goes_from_all_answered_to_none_and_through_the_limit_in_force():
    rows = answers(2, 500)
    decision = Decision(task="single-label", abstain_below=0.7)
    points = trace_coverage(*rows, decision)
    assert points[0].answered == 1
    assert points[-1].answered <= 0.02
    assert [each.answered for each in points] == sorted((e.answered for e in points), reverse=True)
    (here,) = [each for each in points if each.threshold == pytest.approx(0.7)]
    decided = decide(rows[0], decision)
    right = (decided.chosen == (rows[1] > 0.5)).all(axis=1)[~decided.abstained]
    assert here.answered == pytest.approx(1 - decided.abstained.mean())
    assert here.accuracy == pytest.approx(right.mean())
    assert here.cost is None
    assert len(points) <= 60


def test_of_honest_answers_the_surer_ones_are_right_more_often():
    points = trace_coverage(*answers(2, 5000), SINGLE)
    half = min(points, key=lambda point: abs(point.answered - 0.5))
    assert half.accuracy > points[0].accuracy + 0.05


def test_control_of_answers_without_sense_they_are_not():
    shares, targets = answers(2, 5000)
    points = trace_coverage(shares, np.random.default_rng(0).permutation(targets), SINGLE)
    half = min(points, key=lambda point: abs(point.answered - 0.5))
    assert abs(half.accuracy - points[0].accuracy) < 0.05


def test_where_none_is_answered_accuracy_is_not_defined():
    unsure = np.full((4, 3), 1 / 3), np.eye(3)[[0, 1, 2, 0]]
    last = trace_coverage(*unsure, SINGLE)[-1]
    assert (last.threshold, last.answered, last.accuracy) == (1.0, 0.0, None)


def test_costs_along_the_curve_are_those_of_its_thresholds():
    costs = (ErrorCost(true="cat", cost=5.0),)
    problem, rows = Problem(costs=costs, abstain_cost=0.2), answers(3, 300)
    points = trace_coverage(*rows, SINGLE, classes=CLASSES, problem=problem)
    for point in points[::7]:
        expected = cost_at(point.threshold, rows, SINGLE, problem)
        assert point.cost == pytest.approx(expected, abs=0.01)
    assert points[0].cost == pytest.approx(cost_at(0, rows, SINGLE, problem))


def test_numbers_and_no_images_have_no_curve():
    none = np.zeros((0, 3))
    assert trace_coverage(none, none, SINGLE) == ()
    assert trace_coverage(np.ones((2, 1)), np.ones((2, 1)), Decision(task="regression")) == ()
    assert fit_abstain(none, none, CLASSES, SINGLE, Problem(abstain_cost=0.1)) == 0.0


def test_probabilities_that_are_no_numbers_are_refused():
    shares, targets = answers(0, 20)
    shares[3, 0] = np.nan
    with pytest.raises(DataError):
        trace_coverage(shares, targets, SINGLE)
    with pytest.raises(DataError):
        fit_abstain(shares, targets, CLASSES, SINGLE, Problem(abstain_cost=0.1))
