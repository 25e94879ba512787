"""The figures of a report: which there are, and how a page holds each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from darkroom.evaluation.regression import RegressionMetrics
from darkroom.plots import (
    Figure,
    cost_trade_off,
    coverage_curve,
    learning_curves,
    precision_recall_curves,
    rate_curve,
    rate_intervals,
    reliability_diagram,
    residuals,
    roc_curves,
    unknown_trade_off,
)
from darkroom.wording import visible

if TYPE_CHECKING:
    import polars as pl

    from darkroom.decision import Decision
    from darkroom.evaluation.calibration import ReliabilityBin
    from darkroom.evaluation.details import Details, Judged
    from darkroom.evaluation.metrics import Metrics
    from darkroom.intervals import Rate
    from darkroom.training.run import Run

_SLICES = 15  # drawn; the table has more


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """A figure as a page holds it."""

    number: int  # its place among the page's specifications
    still: str  # a data URI
    alternative: str  # for readers who cannot see it
    spec: dict[str, Any]


def make_figures(run: Run, decision: Decision, judged: Judged) -> dict[str, Figure]:
    """Make every figure that there is something to draw for.

    Args:
        run: That was evaluated; its training is drawn.
        decision: How its answers become labels.
        judged: What was measured.

    Returns:
        Figures by name, in the order of the page.
    """
    if isinstance(judged.metrics, RegressionMetrics):
        figures = _of_numbers(judged.predictions)
    else:
        figures = {
            **_of_sureness(judged.details, decision),
            **_of_classes(judged.metrics, judged.details),
        }
    return figures | _of_training(run)


def as_drawn(figures: Mapping[str, Figure], stills: Iterable[str]) -> dict[str, Drawn]:
    """Put figures and their still pictures together.

    Args:
        figures: By name.
        stills: A data URI for each, in the same order.
    """
    return {
        name: Drawn(number=number, still=still, alternative=figure.alternative, spec=figure.spec)
        for number, ((name, figure), still) in enumerate(zip(figures.items(), stills, strict=True))
    }


def _of_numbers(predictions: pl.DataFrame) -> dict[str, Figure]:
    targets, values = (
        predictions[name].to_numpy().astype(np.float64) for name in ("target", "value")
    )
    known = np.isfinite(targets) & np.isfinite(values)
    return {"residuals": residuals(targets[known], values[known])} if known.any() else {}


def _of_sureness(details: Details, decision: Decision) -> dict[str, Figure]:
    figures = {}
    if details.calibration is not None:
        before = details.calibration.bins_before if decision.temperature != 1.0 else ()
        figures["reliability"] = reliability_diagram(_bins(details.calibration.bins), _bins(before))
    points = [
        (point.threshold, point.answered, point.accuracy)
        for point in details.coverage
        if point.accuracy is not None
    ]
    if len(points) > 1:
        chosen = decision.abstain_below or None
        figures["coverage"] = coverage_curve(points, chosen=chosen)
    if details.costs is not None and details.costs.curves:
        curves = details.costs.curves
        figures["costs"] = cost_trade_off(
            {
                visible(each.name): [
                    (at.threshold, at.false_positive_rate, at.false_negative_rate, at.cost)
                    for at in each.points
                ]
                for each in curves
            },
            {visible(each.name): each.chosen for each in curves},
        )
    if details.unknown is not None and details.unknown.points:
        figures["unknown"] = _unknown(details)
    return figures


def _bins(bins: tuple[ReliabilityBin, ...]) -> list[tuple[float, Rate]]:
    return [(each.confidence, each.accuracy) for each in bins if each.images]


def _unknown(details: Details) -> Figure:
    unknown = details.unknown
    points = unknown.points if unknown else ()
    alarms = unknown.false_alarms.value if unknown else None
    chosen = None
    if alarms is not None:
        nearest = min(points, key=lambda point: abs(point[0] - alarms))
        chosen = (alarms, nearest[1])
    return unknown_trade_off(points, chosen=chosen)


def _of_classes(metrics: Metrics, details: Details) -> dict[str, Figure]:
    figures = {}
    if len(metrics.classes) > 1:
        rates = {
            "recall": {visible(each.name): each.recall for each in metrics.classes},
            "precision": {visible(each.name): each.precision for each in metrics.classes},
        }
        figures["classes"] = rate_intervals(rates, what="share")
    for name, draw, area in (
        ("roc", roc_curves, "roc_area"),
        ("precision-recall", precision_recall_curves, "average_precision"),
    ):
        areas = {visible(each.name): getattr(each, area).value for each in metrics.classes}
        curves = {
            visible(each.name): each.roc if name == "roc" else each.precision_recall
            for each in details.curves
        }
        if any(areas.get(of) is not None and points for of, points in curves.items()):
            figures[name] = draw({of: points for of, points in curves.items() if points}, areas)
    return figures | _of_comparisons(metrics, details)


def _of_comparisons(metrics: Metrics, details: Details) -> dict[str, Figure]:
    figures = {}
    if details.slices is not None and details.slices.rows:
        words: Mapping[bool, dict[str, Rate]] = {True: {}, False: {}}
        for each in details.slices.rows[:_SLICES]:
            words[each.is_worse][visible(f"{each.column}: {each.value}")] = each.accuracy
        series = {"not told apart": words[False], "worse than the others": words[True]}
        drawn = {word: rates for word, rates in series.items() if rates}
        figures["slices"] = rate_intervals(drawn, what="accuracy", reference=metrics.accuracy.value)
    ran = {each.name: each.accuracy for each in details.baselines if not each.why_not}
    if ran:
        series = {"this run": {"this run": metrics.accuracy}, "simple rules": ran}
        figures["baselines"] = rate_intervals(
            series, what="accuracy", reference=metrics.accuracy.value
        )
    return figures


def _of_training(run: Run) -> dict[str, Figure]:
    epochs, best = run.history, run.best.number
    figures = {
        "loss": learning_curves(
            [epoch.loss for epoch in epochs],
            [epoch.valid_loss for epoch in epochs],
            what="loss",
            best=best,
        )
    }
    what, of = (
        ("mean absolute error", "error")
        if run.record.task == "regression"
        else (
            "accuracy",
            "accuracy",
        )
    )
    train, valid = ([getattr(epoch, name) for epoch in epochs] for name in (of, f"valid_{of}"))
    if None not in (*train, *valid):
        figures[of] = learning_curves(train, valid, what=what, best=best)
    if run.record.images:
        figures["rate"] = rate_curve(run.rates().tolist(), epochs=len(epochs))
    return figures
