"""What stands in the smaller places of a report: figures at a glance, origin, commands."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from darkroom.data.wording import what_opens
from darkroom.evaluation.regression import RegressionMetrics
from darkroom.problem import Problem
from darkroom.wording import counted, percent

if TYPE_CHECKING:
    from darkroom.evaluation.coverage import CoveragePoint
    from darkroom.evaluation.evaluation import EvaluationRecord
    from darkroom.evaluation.metrics import Metrics
    from darkroom.intervals import Estimate, Rate
    from darkroom.training.run import Run

_CHANCES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)  # bars for the confidence that a table names

Fact = tuple[str, str]  # a number in words, and its interval


def at_a_glance(metrics: Metrics | RegressionMetrics) -> dict[str, Fact]:
    """Put the numbers that describe all images side by side."""
    if isinstance(metrics, RegressionMetrics):
        return {
            "Mean absolute error": _number(metrics.mae),
            "Root mean squared error": _number(metrics.rmse),
            "Mean squared error": _number(metrics.mse),
            "R²": _number(metrics.r2),
            "Mean error": _number(metrics.bias),
            "Error of always the mean": _number(metrics.always_mean),
        }
    facts = {
        "Accuracy": _share(metrics.accuracy),
        "Balanced accuracy": _share(metrics.balanced_accuracy),
        "Macro F1": _share(metrics.macro_f1),
        "Weighted F1": _share(metrics.weighted_f1),
        **{f"Among its first {each.k}": _share(each.rate) for each in metrics.top_k},
        "Mean ROC area": _share(metrics.roc_area),
        "Cross-entropy": _number(metrics.loss),
        "Brier score": _number(metrics.brier),
    }
    if metrics.answered.value is not None and metrics.answered.value < 1:
        facts["Answered"] = _share(metrics.answered)
        facts["Right of these"] = _share(metrics.accuracy_of_answered)
    return facts


def _share(rate: Rate) -> Fact:
    if rate.value is None:
        return "not defined", ""
    if rate.low is None or rate.high is None:
        return percent(rate.value), ""
    return percent(rate.value), f"{100 * rate.low:.1f} .. {100 * rate.high:.1f}"


def _number(estimate: Estimate) -> Fact:
    if estimate.value is None:
        return "not defined", ""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.4g}", ""
    return f"{estimate.value:.4g}", f"{estimate.low:.4g} .. {estimate.high:.4g}"


def of_the_training(run: Run) -> dict[str, str]:
    """Say what was trained, on what and how."""
    record, optimizer = run.record, run.record.recipe.optimizer
    preprocess = record.preprocess
    colour = "grey" if preprocess.channels == 1 else "colour"
    facts = {
        "Model": f"{record.architecture.name}, {record.parameters:,} parameters",
        "Input": f"{preprocess.width} × {preprocess.height} px, {colour}",
    }
    if record.images:
        facts["Training part"] = counted(record.images, "image", "images")
    if record.recipe.batch_size:
        facts["Batch"] = counted(record.recipe.batch_size, "image", "images")
    if optimizer.name and optimizer.peak_lr:
        facts["Optimizer"] = f"{optimizer.name}, {optimizer.schedule} up to {optimizer.peak_lr:g}"
    facts["Device"] = str(record.device)
    seconds = sum(pace.seconds for pace in run.pace)
    if seconds:
        facts["Time"] = f"{seconds:,.0f} s"
    return facts


def of_the_data(run: Run) -> str:
    """Say which images these were and how they were cut into parts."""
    record, counts = run.dataset.record, run.dataset.counts
    parts = " · ".join(f"{count:,} {part}" for part, count in counts.items())
    images = counted(record.used, "image", "images")
    how = record.split or "parts as the source brings them"
    return f"{run.dataset.name}: {images} from {record.location} · {parts} · {how}"


def coverage_steps(points: Sequence[CoveragePoint]) -> list[CoveragePoint]:
    """Choose a few points of the coverage that people ask for, and nearest to these."""
    if not points:
        return []
    chosen = [min(points, key=lambda point: abs(point.threshold - bar)) for bar in _CHANCES]
    return list(dict.fromkeys(chosen))


def commands(name: str, run: Run, record: EvaluationRecord) -> tuple[list[str], list[str]]:
    """Give what to type to get the page again, and the run itself, each as lines.

    Args:
        name: Of the evaluation.
        run: That was evaluated.
        record: What was evaluated.

    Returns:
        Commands for a shell, and lines of Python that repeat the evaluation to the letter.
    """
    shell = [
        shlex.join(["darkroom", "explore", what_opens(run.dataset)]),
        shlex.join(["darkroom", "evaluate", record.run, "--part", record.part]),
        shlex.join(["darkroom", "lineage", name]),
    ]
    asked = ", problem=made.record.problem" if record.problem != Problem() else ""
    python = [
        "import darkroom",
        f"made = darkroom.open_evaluation({name!r})",
        "again = darkroom.train(made.run.dataset, made.run.record.recipe)",
        f"darkroom.evaluate(again, part={record.part!r}{asked})",
    ]
    return shell, python


def goal_to_try(metrics: Metrics | RegressionMetrics) -> str:
    """Give the settings that would set a goal, as an instance to change."""
    if isinstance(metrics, RegressionMetrics):
        reached = metrics.mae.value or 1.0
        return f"--set problem.metric=mae --set problem.goal={reached:.2g}"
    return "--set problem.goal=0.9"
