"""Gates: promises held against what was measured, and what a refusal says."""

from __future__ import annotations

import numpy as np
import pytest

from darkroom.decision import Decision
from darkroom.errors import GateError, RecipeError
from darkroom.evaluation.gates import check_metric, judge_problem, require_promises
from darkroom.evaluation.metrics import measure
from darkroom.evaluation.regression import measure_regression
from darkroom.problem import Problem

CLASSES = ("cat", "dog", "owl")


@pytest.fixture(scope="module")
def metrics():
    """Give 90 of 100 right; no owl occurs."""
    truth = np.eye(3, dtype=np.float32)[[0, 1] * 50]
    answers = truth.copy()
    answers[:10] = answers[:10, [1, 0, 2]]
    return measure(answers * 0.97 + 0.01, truth, CLASSES, Decision(task="single-label"))


@pytest.fixture(scope="module")
def errors():
    rng = np.random.default_rng(0)
    targets = rng.normal(50, 10, 200)
    return measure_regression(targets + rng.normal(0, 2, 200), targets, usual=50.0)


@pytest.mark.parametrize(
    ("goal", "verdict"), [(0.8, "met"), (0.89, "undecided"), (0.92, "undecided"), (0.98, "missed")]
)
def test_a_goal_is_held_against_the_whole_interval(metrics, goal, verdict):
    (promise,) = judge_problem(Problem(goal=goal), metrics)
    assert promise.verdict == verdict


def test_a_floor_of_a_class_that_does_not_occur_is_undecided_and_not_zero(metrics):
    (promise,) = judge_problem(Problem(floors={"owl": 0.5}), metrics)
    assert (promise.verdict, promise.measured) == ("undecided", None)


@pytest.mark.parametrize(
    ("metric", "goal", "verdict"),
    [("r2", 0.8, "met"), ("mae", 2.5, "met"), ("rmse", 1.0, "missed"), ("mae", 1.6, "undecided")],
)
def test_goals_of_numbers_are_judged_by_their_errors(errors, metric, goal, verdict):
    (promise,) = judge_problem(Problem(metric=metric, goal=goal), errors)
    assert promise.verdict == verdict


@pytest.mark.parametrize(
    ("metric", "task"),
    [("accuracy", "regression"), ("macro-f1", "regression"), ("mae", "single-label"),
     ("r2", "multi-label")],
)  # fmt: skip
def test_a_metric_of_another_task_is_refused(metric, task):
    with pytest.raises(RecipeError, match=metric) as refused:
        check_metric(Problem(metric=metric, goal=0.5), task)
    assert "--set problem.metric=" in refused.value.hint
    check_metric(Problem(metric=metric), task)  # the control: without a goal nothing is measured


def test_met_promises_pass_the_gate(metrics):
    require_promises(judge_problem(Problem(goal=0.8), metrics), part="test")


def test_a_gate_without_a_number_is_refused():
    with pytest.raises(RecipeError, match="no number to reach") as refused:
        require_promises((), part="test")
    assert "problem.goal" in refused.value.hint


def test_a_missed_promise_is_named_with_its_interval(metrics):
    promises = judge_problem(Problem(goal=0.98, floors={"cat": 0.5}), metrics)
    with pytest.raises(GateError) as refused:
        require_promises(promises, part="test")
    assert "missed: accuracy of 98.0 % wanted, 90.0 % measured" in refused.value.problem
    assert "recall of cat" not in refused.value.problem  # it is met


def test_an_undecided_promise_says_how_many_more_images_would_settle_it(metrics):
    promises = judge_problem(Problem(goal=0.92), metrics)
    with pytest.raises(GateError) as refused:
        require_promises(promises, part="valid")
    assert f"{promises[0].more_images:,} more valid images" in refused.value.hint


def test_where_no_number_of_images_would_settle_it_that_is_said(metrics):
    promises = judge_problem(Problem(goal=0.92, floors={"owl": 0.5}), metrics)
    with pytest.raises(GateError) as refused:
        require_promises(promises, part="test")
    assert "cannot be said" in refused.value.hint
