"""fit_decision: each piece is fitted, or a note says why not and what to do."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from darkroom.decision import Decision, decide
from darkroom.errors import DataError
from darkroom.evaluation.deciding import DecisionFit, fit_decision
from darkroom.problem import ErrorCost, Problem
from darkroom.records import from_json, to_json
from tests.evaluation.simulated import answers, label_answers

CLASSES = ("cat", "dog", "owl")
CAT_5 = (ErrorCost(true="cat", cost=5.0),)


PLAIN = Problem()


def fitted(problem=PLAIN, rows=None, task="single-label", classes=CLASSES, outliers=None):
    rows = answers(0, 1000, sharpness=2.0) if rows is None else rows
    return fit_decision(*rows, classes, task, problem, outliers=outliers)


def unsure(images=200):
    return {"noise": np.random.default_rng(0).dirichlet(np.full(3, 20.0), images)}


def only_note(fit: DecisionFit) -> str:
    (note,) = fit.notes
    return note


def test_the_temperature_is_always_fitted_and_nothing_else_unasked():
    decision, fit = fitted()
    assert decision == Decision(task="single-label", temperature=decision.temperature)
    assert decision.temperature == pytest.approx(2.0, rel=0.15)
    assert fit == DecisionFit(images=1000, notes=())
    assert from_json(to_json(fit), DecisionFit, where="x") == fit


def test_several_labels_have_a_temperature_too():
    rows = label_answers(0, 1000, sharpness=2.0)
    assert fitted(rows=rows, task="multi-label")[0].temperature == pytest.approx(2.0, rel=0.15)


def test_thresholds_are_fitted_to_the_probabilities_after_temperature():
    decision, fit = fitted(Problem(costs=CAT_5))
    assert np.array(decision.thresholds) / decision.thresholds[2] == pytest.approx([0.2, 1, 1])
    assert fit.notes == ()


def test_macro_f1_is_the_best_there_is_by_what_the_decision_chooses():
    shares, targets = label_answers(0, 500, sharpness=2.0)
    decision, _ = fitted(Problem(metric="macro-f1"), (shares, targets), "multi-label")
    decided = decide(shares, decision)
    for column in range(3):
        truth, own = targets[:, column] > 0.5, decided.probabilities[:, column]
        best = max(f1_score(truth, own >= limit) for limit in np.unique(own)[::5])
        assert f1_score(truth, decided.chosen[:, column]) >= best


def test_a_cost_of_no_answer_sets_how_sure_an_answer_has_to_be():
    decision, fit = fitted(Problem(abstain_cost=0.2))
    assert 0.6 < decision.abstain_below < 0.95
    assert decision.abstain_by == "confidence"
    assert fit.notes == ()


def test_a_share_of_false_alarms_sets_it_too():
    decision, fit = fitted(Problem(false_alarms=0.05), outliers=unsure())
    assert 0.02 < decide(answers(0, 1000, sharpness=2.0)[0], decision).abstained.mean() <= 0.05
    assert fit.notes == ()


@pytest.mark.parametrize("abstain_cost", [0.05, 0.9])
def test_of_both_the_one_that_answers_less_decides(abstain_cost):
    outliers = unsure()
    alarms, _ = fitted(Problem(false_alarms=0.05), outliers=outliers)
    both, _ = fitted(Problem(false_alarms=0.05, abstain_cost=abstain_cost), outliers=outliers)
    assert both.abstain_by == alarms.abstain_by
    if abstain_cost == 0.9:
        assert both.abstain_below == alarms.abstain_below
    else:
        assert both.abstain_below > alarms.abstain_below


def test_a_small_validation_part_fits_nothing_and_says_so():
    problem = Problem(abstain_cost=0.1, false_alarms=0.05)
    decision, fit = fitted(problem, answers(0, 30), outliers=unsure())
    assert decision == Decision(task="single-label")
    assert fit.images == 30
    temperature, unknown, abstain = fit.notes
    assert "30 images" in temperature
    assert "400 images" in unknown
    assert "abstain_cost" in abstain
    assert all("data.valid" in note for note in fit.notes)


def test_without_images_nothing_is_fitted():
    none = np.zeros((0, 3))
    decision, fit = fitted(Problem(false_alarms=0.05), (none, none))
    assert decision == Decision(task="single-label")
    assert "0 images" in fit.notes[0]


def test_without_outliers_unknown_images_are_told_by_confidence_and_a_note_says_so():
    decision, fit = fitted(Problem(false_alarms=0.05))
    assert decision.abstain_by == "confidence"
    assert decision.abstain_below > 0
    assert "outliers" in only_note(fit)


@pytest.mark.parametrize(
    ("share", "rows", "classes", "said"),
    [
        (0.0, None, CLASSES, "0.01"),
        (0.01, None, CLASSES, "2,000 images"),
        (0.05, (np.ones((500, 1)), np.ones((500, 1))), ("cat",), "one class"),
    ],
)
def test_where_no_false_alarms_can_be_promised_there_is_no_rule(share, rows, classes, said):
    decision, fit = fitted(Problem(false_alarms=share), rows, classes=classes)
    assert decision.abstain_below == 0
    assert said in fit.notes[-1]


def test_several_labels_have_no_rule_for_unknown_images():
    problem = Problem(false_alarms=0.05)
    decision, fit = fitted(problem, label_answers(0, 1000), "multi-label", outliers=unsure())
    assert decision.abstain_below == 0
    assert "several labels" in only_note(fit)


def test_a_class_that_does_not_occur_is_named():
    shares, targets = answers(0, 300, classes=2)
    rows = np.pad(shares, ((0, 0), (0, 1))), np.pad(targets, ((0, 0), (0, 1)))
    decision, fit = fitted(Problem(costs=CAT_5), rows)
    assert decision.temperature != 1
    assert "owl" in only_note(fit)
    assert "cat" not in only_note(fit)


def test_one_class_only_leaves_the_temperature_at_1():
    shares, _ = answers(0, 300)
    decision, fit = fitted(rows=(shares, np.eye(3)[np.zeros(300, int)]))
    assert decision.temperature == 1
    assert any("one class only" in note for note in fit.notes)


def test_labels_that_are_all_absent_leave_the_temperature_at_1():
    shares, targets = label_answers(0, 300)
    decision, fit = fitted(rows=(shares, np.zeros_like(targets)), task="multi-label")
    assert decision.temperature == 1
    assert any("present or absent" in note for note in fit.notes)


def test_macro_f1_names_the_labels_that_keep_one_half():
    shares, targets = label_answers(0, 300)
    targets[5:, 1] = 0
    problem = Problem(metric="macro-f1")
    decision, fit = fitted(problem, (shares, targets), "multi-label")
    assert decision.thresholds[1] == 0.5
    assert decision.thresholds[0] != 0.5
    assert "dog" in only_note(fit)
    assert "10" in only_note(fit)


def test_costs_of_pairs_have_no_meaning_where_labels_do_not_compete():
    problem = Problem(costs=(ErrorCost(true="cat", predicted="owl", cost=9.0),))
    decision, fit = fitted(problem, label_answers(0, 300), "multi-label")
    assert decision.thresholds == pytest.approx((0.5, 0.5, 0.5))
    assert "cat for owl" in only_note(fit)


def test_costs_of_a_miss_set_the_threshold_of_a_label():
    decision, fit = fitted(Problem(costs=CAT_5), label_answers(0, 300), "multi-label")
    assert decision.thresholds == pytest.approx((1 / 6, 0.5, 0.5))
    assert fit.notes == ()


def test_a_cost_of_being_right_is_left_out_and_named():
    problem = Problem(costs=(ErrorCost(true="dog", predicted="dog", cost=9.0),))
    decision, fit = fitted(problem)
    assert decision.thresholds == pytest.approx((1 / 3,) * 3)
    assert "dog" in only_note(fit)


def test_numbers_have_nothing_to_decide():
    rows = np.ones((5, 1)) * 70, np.ones((5, 1)) * 72
    assert fitted(rows=rows, task="regression") == (
        Decision(task="regression"), DecisionFit(images=5),
    )  # fmt: skip
    _, fit = fitted(Problem(abstain_cost=0.2), rows, "regression")
    assert "abstain_cost" in only_note(fit)


def test_control_probabilities_that_are_no_numbers_are_refused_and_others_are_not():
    shares, targets = answers(0, 100)
    fitted(rows=(shares, targets))
    shares[3, 0] = np.nan
    with pytest.raises(DataError):
        fitted(rows=(shares, targets))


def test_tables_that_do_not_belong_together_are_refused():
    with pytest.raises(DataError):
        fitted(rows=(answers(0, 100)[0], answers(0, 90)[1]))
