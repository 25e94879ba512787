"""Gates: every number of a Problem held against what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from darkroom.errors import GateError, RecipeError
from darkroom.evaluation.metrics import Metrics
from darkroom.evaluation.regression import RegressionMetrics
from darkroom.intervals import Rate, wilson
from darkroom.problem import ERRORS, Problem, Promise, judge
from darkroom.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from darkroom.decision import Task
    from darkroom.intervals import Estimate

_OF_NUMBERS = ("r2", *ERRORS)


def check_metric(problem: Problem, task: Task) -> None:
    """Refuse a goal that cannot be measured on such answers.

    Raises:
        RecipeError: The metric is one of classes and numbers are predicted, or the other way round.
    """
    if problem.goal is None or (problem.metric in _OF_NUMBERS) == (task == "regression"):
        return
    fitting = "r2, mae or rmse" if task == "regression" else "accuracy"
    raise RecipeError(
        f"problem.metric = {problem.metric} cannot be measured: the task is {task}",
        hint=f"--set problem.metric={fitting.partition(',')[0]}   (of this task: {fitting})",
    )


def judge_problem(
    problem: Problem, metrics: Metrics | RegressionMetrics | None
) -> tuple[Promise, ...]:
    """Hold every number of the Problem against what was measured.

    Args:
        problem: Its classes and its metric are checked already.
        metrics: A rate that is not defined leaves its promise undecided; None: nothing is.
    """
    wanted = {f"recall of {name}": floor for name, floor in problem.floors.items()}
    if problem.goal is not None:
        wanted = {problem.metric: problem.goal} | wanted
    measured = _measured(metrics)
    return tuple(
        judge(
            name,
            wanted=number,
            measured=measured.get(name, wilson(0, 0)),
            images=0 if metrics is None else metrics.images,
            less_is_better=name in ERRORS,
        )
        for name, number in wanted.items()
    )


def _measured(metrics: Metrics | RegressionMetrics | None) -> dict[str, Rate | Estimate]:
    if metrics is None:
        return {}
    if isinstance(metrics, RegressionMetrics):
        return {name: getattr(metrics, name) for name in _OF_NUMBERS}
    recalls = {f"recall of {each.name}": each.recall for each in metrics.classes}
    return {
        **recalls,
        "accuracy": metrics.accuracy,
        "balanced-accuracy": metrics.balanced_accuracy,
        "macro-f1": metrics.macro_f1,
    }


def require_promises(promises: Sequence[Promise], *, part: str) -> None:
    """Refuse to go on unless every promise is met.

    Args:
        promises: Of an evaluation.
        part: On which they were measured.

    Raises:
        RecipeError: There is none.
        GateError: One is missed or undecided; each is named, with how many more images of the part
            would settle it.
    """
    if not promises:
        raise RecipeError(
            "there is no number to reach, so there is no gate",
            hint="--set problem.goal=0.9, or write it into darkroom.toml: darkroom init",
        )
    open_ones = [promise for promise in promises if promise.verdict != "met"]
    if not open_ones:
        return
    raise GateError(
        "; ".join(f"{promise.verdict}: {promise}" for promise in open_ones),
        hint=_next_step(open_ones, part),
    )


def _next_step(promises: Sequence[Promise], part: str) -> str:
    undecided = [promise for promise in promises if promise.verdict == "undecided"]
    if len(undecided) < len(promises):
        return "look at what is wrong in the report, and train again with what its findings say"
    more = [promise.more_images for promise in undecided]
    known = [count for count in more if count is not None]
    if len(known) < len(more):
        return f"label more {part} images: how many would settle it cannot be said"
    images = counted(max(known), f"more {part} image", f"more {part} images")
    return f"label about {images}; so many would settle it if the share stays"
