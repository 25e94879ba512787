"""Costs and thresholds: tables by hand, Bayes' thresholds, and a search that chance cannot move."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.decision import Decision, decide
from darkroom.errors import DataError
from darkroom.evaluation import threshold_search
from darkroom.evaluation.costs import choice_costs, cost_table, image_costs, label_costs, mean_cost
from darkroom.evaluation.threshold_search import bayes_thresholds
from darkroom.evaluation.thresholds import Costs, fit_thresholds, measure_costs
from darkroom.problem import ErrorCost, Problem
from darkroom.records import from_json, to_json
from tests.evaluation.simulated import answers, label_answers

CLASSES = ("cat", "dog", "owl")
TWO = ("well", "ill")
MISS_10 = Problem(costs=(ErrorCost(true="ill", predicted="well", cost=10.0),))


def costs(*rows: tuple[str, str, float], **rest) -> Problem:
    entries = tuple(ErrorCost(true=true, predicted=taken, cost=cost) for true, taken, cost in rows)
    return Problem(costs=entries, **rest)


def mean_of(problem, classes, probabilities, targets, **rule) -> float:
    decision = Decision(task="single-label", **rule)
    return measure_costs(probabilities, targets, classes, decision, problem).chosen.value


def test_without_costs_an_error_costs_1_and_being_right_nothing():
    np.testing.assert_array_equal(cost_table(CLASSES, Problem()), 1 - np.eye(3))


def test_an_empty_name_stands_for_any_class_and_a_name_goes_before_it():
    problem = costs(("cat", "dog", 7.0), ("cat", "", 5.0), ("", "owl", 3.0))
    np.testing.assert_array_equal(cost_table(CLASSES, problem), [[0, 7, 5], [1, 0, 3], [1, 1, 0]])


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_entries_that_say_as_much_the_dearer_holds_in_any_order(turned):
    rows = [("cat", "", 2.0), ("", "owl", 9.0), ("dog", "cat", 1.0), ("dog", "cat", 4.0)]
    table = cost_table(CLASSES, costs(*(rows[::-1] if turned else rows)))
    assert table[0].tolist() == [0, 2, 9]
    assert table[1, 0] == 4


def test_with_several_labels_a_miss_and_a_false_alarm_have_their_own_cost():
    problem = costs(("cat", "", 5.0), ("", "owl", 0.5), ("dog", "owl", 99.0))
    miss, false_alarm = label_costs(CLASSES, problem)
    assert (miss.tolist(), false_alarm.tolist()) == ([5, 1, 1], [1, 1, 0.5])


def test_what_an_answer_costs_is_read_off_the_table():
    problem = costs(("cat", "dog", 7.0), abstain_cost=0.25)
    decision = Decision(task="single-label", abstain_below=0.5)
    rows = np.array([[0.1, 0.9, 0.0], [0.1, 0.9, 0.0], [0.4, 0.3, 0.3]])
    truth = np.eye(3)[[0, 1, 2]]
    charged = choice_costs(truth, CLASSES, problem, "single-label")
    assert image_costs(decide(rows, decision), charged, problem).tolist() == [7, 0, 0.25]


def test_what_several_labels_cost_adds_up():
    problem = costs(("cat", "", 5.0), ("", "owl", 0.5))
    truth, rows = np.array([[1.0, 0.0, 0.0]]), np.array([[0.1, 0.2, 0.9]])
    charged = choice_costs(truth, CLASSES, problem, "multi-label")
    decided = decide(rows, Decision(task="multi-label"))
    assert image_costs(decided, charged, problem).tolist() == [5.5]


@settings(deadline=None)
@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_two_classes_have_the_threshold_that_their_costs_imply(false_alarm, miss):
    problem = costs(("well", "ill", false_alarm), ("ill", "well", miss))
    levels = bayes_thresholds(TWO, problem, "single-label")
    assert levels[1] / levels.sum() == pytest.approx(false_alarm / (false_alarm + miss), rel=1e-9)
    several = bayes_thresholds(
        TWO, costs(("", "ill", false_alarm), ("ill", "", miss)), "multi-label"
    )
    assert several.tolist() == pytest.approx([0.5, false_alarm / (false_alarm + miss)])


def test_a_class_that_is_dear_to_miss_has_the_threshold_of_its_inverse_cost():
    levels = bayes_thresholds(CLASSES, costs(("cat", "", 10.0), ("dog", "", 2.0)), "single-label")
    np.testing.assert_allclose(levels / levels[2], [0.1, 0.5, 1.0])


def test_a_class_that_is_dear_to_claim_has_the_threshold_of_its_cost():
    levels = bayes_thresholds(CLASSES, costs(("", "cat", 20.0)), "single-label")
    np.testing.assert_allclose(levels / levels[2], [20.0, 1.0, 1.0])


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_an_error_that_costs_nothing_divides_nothing_by_0(task):
    pair = ("well", "ill", 0.0) if task == "single-label" else ("", "ill", 0.0)
    levels = bayes_thresholds(TWO, costs(pair), task)
    assert np.isfinite(levels).all()
    assert 0 < levels[1] < 0.001


def test_honest_probabilities_keep_the_thresholds_that_costs_imply():
    moved = 0
    for seed in range(20):
        probabilities, targets = answers(seed, 400, classes=2)
        fitted = fit_thresholds(probabilities, targets, TWO, MISS_10, "single-label")
        moved += not np.allclose(fitted, [10 / 11, 1 / 11])
    assert moved <= 2


@pytest.mark.parametrize("classes", [2, 5])
def test_probabilities_that_know_nothing_move_nothing(classes):
    names = tuple(f"class {number}" for number in range(classes))
    problem, moved = costs((names[0], names[1], 1.0)), 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        shares = rng.dirichlet(np.full(classes, 50.0), 300)
        targets = np.eye(classes)[rng.integers(0, classes, 300)]
        fitted = fit_thresholds(shares, targets, names, problem, "single-label")
        moved += not np.allclose(fitted, 1 / classes)
    assert moved <= 1


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_control_with_one_standard_error_for_a_guard_chance_moves_thresholds(task, monkeypatch):
    monkeypatch.setattr(threshold_search, "_BY_CHANCE", 0.16 * 4 * len(CLASSES))
    monkeypatch.setattr(threshold_search, "_SURPRISE", -100.0)
    draw, moved = (answers if task == "single-label" else label_answers), 0
    problem = costs(("cat", "", 10.0))
    for seed in range(10):
        fitted = fit_thresholds(*draw(seed, 300), CLASSES, problem, task)
        moved += not np.allclose(fitted, bayes_thresholds(CLASSES, problem, task))
    assert moved >= 5


def test_honest_labels_keep_the_thresholds_that_costs_imply():
    problem, moved = costs(("cat", "", 10.0)), 0
    for seed in range(20):
        fitted = fit_thresholds(*label_answers(seed, 400), CLASSES, problem, "multi-label")
        moved += not np.allclose(fitted, [1 / 11, 0.5, 0.5])
    assert moved <= 3


def test_where_a_class_is_always_too_probable_its_threshold_rises_and_new_images_cost_less():
    problem, shift = costs(("cat", "", 3.0)), (1.5, 0.0, 0.0)
    start = tuple(bayes_thresholds(CLASSES, problem, "single-label").tolist())
    valid, fresh = (answers(seed, 3000, shift=shift) for seed in (0, 1))
    fitted = fit_thresholds(*valid, CLASSES, problem, "single-label")
    assert fitted[0] / fitted[1] > 2 * start[0] / start[1]
    before, after = (mean_of(problem, CLASSES, *fresh, thresholds=each) for each in (start, fitted))
    assert after < 0.97 * before


def test_labels_that_are_always_too_probable_get_a_higher_threshold():
    shares, targets = label_answers(0, 3000)
    odds = 6 * shares / (1 - shares)
    problem = costs(("cat", "", 1.0))
    fitted = fit_thresholds(odds / (1 + odds), targets, CLASSES, problem, "multi-label")
    assert min(fitted) > 0.7


def test_where_one_pair_is_free_the_probabilities_say_what_one_threshold_a_class_can_do():
    # Least squares alone would spread the free pair over the other classes too.
    names = ("a", "b", "c", "d", "e")
    problem = costs(("a", "b", 0.0), ("c", "", 3.0))
    fresh = answers(1, 20_000, classes=5)
    start = tuple(bayes_thresholds(names, problem, "single-label").tolist())
    fitted = fit_thresholds(*answers(0, 1000, classes=5), names, problem, "single-label")
    plain, before, after = (
        mean_of(problem, names, *fresh, thresholds=each) for each in ((), start, fitted)
    )
    assert after < plain < before


@pytest.mark.parametrize(
    ("problem", "task", "classes"),
    [
        (Problem(), "single-label", 3),
        (Problem(metric="macro-f1"), "single-label", 3),
        (Problem(), "multi-label", 3),
        (costs(("cat", "", 2.0)), "single-label", 1),
    ],
)
def test_where_nothing_asks_for_thresholds_there_are_none(problem, task, classes):
    probabilities, targets = answers(0, 100)
    found = fit_thresholds(
        probabilities[:, :classes], targets[:, :classes], CLASSES[:classes], problem, task
    )
    assert found == ()


def test_numbers_have_no_thresholds():
    problem = Problem(metric="macro-f1")
    assert fit_thresholds(np.ones((3, 1)), np.ones((3, 1)), ("age",), problem, "regression") == ()


def f1(own, truth, threshold):
    chosen = own >= np.float32(threshold)
    return 2 * (chosen & truth).sum() / (chosen.sum() + truth.sum())


def test_macro_f1_of_several_labels_asks_for_the_best_threshold_of_each():
    shares, targets = label_answers(4, 300)
    found = fit_thresholds(shares, targets, CLASSES, Problem(metric="macro-f1"), "multi-label")
    for column, threshold in enumerate(found):
        own, truth = shares[:, column], targets[:, column] > 0.5
        best = max(f1(own, truth, each) for each in np.unique(own))
        assert f1(own, truth, threshold) == pytest.approx(best)
        assert threshold not in own  # half way between two, so that the last digit decides nothing


def test_a_label_of_fewer_than_ten_images_keeps_one_half():
    shares, targets = label_answers(5, 200)
    targets[:, 1] = 0
    targets[:9, 1] = 1
    problem = Problem(metric="macro-f1")
    assert fit_thresholds(shares, targets, CLASSES, problem, "multi-label")[1] == 0.5
    targets[9, 1] = 1
    assert fit_thresholds(shares, targets, CLASSES, problem, "multi-label")[1] != 0.5


def test_a_label_that_is_never_given_any_probability_keeps_one_half():
    targets = label_answers(5, 200)[1]
    problem = Problem(metric="macro-f1")
    assert (
        fit_thresholds(np.zeros((200, 3)), targets, CLASSES, problem, "multi-label") == (0.5,) * 3
    )


def test_a_class_that_does_not_occur_keeps_what_its_costs_imply():
    probabilities, targets = answers(0, 500, classes=2)
    probabilities, targets = (np.pad(each, ((0, 0), (0, 1))) for each in (probabilities, targets))
    fitted = fit_thresholds(
        probabilities, targets, CLASSES, costs(("owl", "", 8.0)), "single-label"
    )
    np.testing.assert_allclose(np.array(fitted) / fitted[0], [1, 1, 1 / 8])


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_without_images_costs_alone_decide(task):
    none, problem = np.zeros((0, 3)), costs(("cat", "", 4.0))
    fitted = fit_thresholds(none, none, CLASSES, problem, task)
    np.testing.assert_allclose(fitted, bayes_thresholds(CLASSES, problem, task))


@pytest.mark.parametrize("asked", ["fit", "measure"])
def test_probabilities_that_are_no_numbers_are_refused(asked):
    probabilities, targets = answers(0, 20)
    probabilities[3, 0] = np.nan
    decision, problem = Decision(task="single-label"), costs(("cat", "", 2.0))
    ask = {
        "fit": lambda: fit_thresholds(probabilities, targets, CLASSES, problem, "single-label"),
        "measure": lambda: measure_costs(probabilities, targets, CLASSES, decision, problem),
    }[asked]
    with pytest.raises(DataError, match="1 probabilities"):
        ask()


def test_costs_with_and_without_the_decision_and_their_difference_by_hand():
    probabilities = np.array([[0.8, 0.2], [0.8, 0.2], [0.95, 0.05], [0.1, 0.9]])
    targets = np.eye(2)[[0, 1, 0, 1]]
    decision = Decision(task="single-label", thresholds=(10 / 11, 1 / 11))
    found = measure_costs(probabilities, targets, TWO, decision, MISS_10)
    assert found.images == 4
    assert found.plain.value == pytest.approx(10 / 4)
    assert found.chosen.value == pytest.approx(1 / 4)
    assert found.difference.value == pytest.approx(-9 / 4)
    assert found.difference.low < -9 / 4 < found.difference.high
    assert from_json(to_json(found), Costs, where="x") == found


def test_an_image_without_an_answer_costs_what_the_problem_says_or_an_ordinary_error():
    probabilities, targets = answers(0, 50)
    never = Decision(task="single-label", abstain_below=1.0)
    cheap = measure_costs(probabilities, targets, CLASSES, never, Problem(abstain_cost=0.3))
    plain = measure_costs(probabilities, targets, CLASSES, never, costs(("cat", "", 2.0)))
    assert (cheap.chosen.value, plain.chosen.value) == (pytest.approx(0.3), 1.0)


def test_where_no_answer_differs_there_is_no_difference_and_no_interval_of_it():
    found = measure_costs(*answers(0, 50), CLASSES, Decision(task="single-label"), MISS_10_OWL)
    assert (found.difference.value, found.difference.low) == (0.0, None)
    assert found.plain == found.chosen
    assert found.curves == ()


MISS_10_OWL = costs(("owl", "", 10.0))


def test_without_costs_or_for_numbers_there_is_nothing_to_measure():
    rows = answers(0, 50)
    assert measure_costs(*rows, CLASSES, Decision(task="single-label"), Problem()) is None
    regression = Decision(task="regression")
    assert measure_costs(np.ones((3, 1)), np.ones((3, 1)), ("age",), regression, MISS_10) is None


def test_costs_of_no_images_are_refused():
    none = np.zeros((0, 2))
    with pytest.raises(DataError):
        measure_costs(none, none, TWO, Decision(task="single-label"), MISS_10)


def held(levels, shares, images, interval) -> float:
    levels, shares, hits = np.array(levels), np.array(shares), 0
    for seed in range(300):
        drawn = np.random.default_rng(seed).choice(levels, images, p=shares)
        low, high = interval(drawn, np.unique(levels))
        hits += low <= (levels * shares).sum() <= high
    return hits / 300


def ours(drawn, possible):
    found = mean_cost(drawn, possible)
    return found.low, found.high


def students(drawn, _possible):
    reach = 1.96 * drawn.std(ddof=1) / np.sqrt(len(drawn))
    return drawn.mean() - reach, drawn.mean() + reach


RARE = ([0.0, 1.0, 10.0], [0.98, 0.015, 0.005])


@pytest.mark.parametrize("images", [30, 300])
@pytest.mark.parametrize(
    ("levels", "shares"),
    [RARE, ([-10.0, 0.0, 1.0], [0.01, 0.94, 0.05])],
    ids=["cost", "difference"],
)
def test_the_interval_of_a_mean_cost_holds_the_truth(levels, shares, images):
    assert held(levels, shares, images, ours) >= 0.9


def test_control_an_interval_that_ignores_what_was_not_seen_misses_it():
    assert held(*RARE, 100, students) < 0.6


def test_a_mean_of_nothing_is_not_defined():
    assert mean_cost(np.zeros(0), np.array([1.0])).value is None


def test_two_classes_have_one_curve_that_passes_through_the_threshold_in_force():
    probabilities, targets = answers(3, 500, classes=2)
    decision = Decision(task="single-label", thresholds=(10 / 11, 1 / 11))
    found = measure_costs(probabilities, targets, TWO, decision, MISS_10)
    (curve,) = found.curves
    assert (curve.name, curve.chosen) == ("ill", pytest.approx(1 / 11))
    here = min(curve.points, key=lambda point: abs(point.threshold - curve.chosen))
    assert here.cost == pytest.approx(found.chosen.value, abs=1e-6)
    half = min(curve.points, key=lambda point: abs(point.threshold - 0.5))
    assert half.cost == pytest.approx(found.plain.value, abs=0.1)
    misses = [point.false_negative_rate for point in curve.points]
    alarms = [point.false_positive_rate for point in curve.points]
    assert misses == sorted(misses)
    assert alarms == sorted(alarms, reverse=True)
    assert (misses[0], alarms[0], alarms[-1]) == (0, 1, 0)
    assert len(curve.points) <= 101


def test_several_labels_have_a_curve_each_whose_rates_are_those_of_its_threshold():
    shares, targets = label_answers(6, 300)
    targets[:, 2] = 0
    problem = costs(("cat", "", 4.0))
    decision = Decision(task="multi-label", thresholds=(0.2, 0.5, 0.5))
    found = measure_costs(shares, targets, CLASSES, decision, problem)
    assert [curve.name for curve in found.curves] == list(CLASSES)
    (here,) = [each for each in found.curves[0].points if each.threshold == pytest.approx(0.2)]
    missed = (shares[:, 0] < np.float32(0.2)) & (targets[:, 0] > 0.5)
    assert here.false_negative_rate == pytest.approx(missed.sum() / targets[:, 0].sum(), abs=1e-4)
    assert all(point.false_negative_rate is None for point in found.curves[2].points)
    # With the thresholds in force, the curves' costs add up to the mean cost of an image.
    total = sum(
        point.cost
        for curve in found.curves
        for point in curve.points
        if point.threshold == pytest.approx(curve.chosen)
    )
    assert total == pytest.approx(found.chosen.value, abs=1e-5)
