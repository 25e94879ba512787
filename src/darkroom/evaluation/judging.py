"""From answers to what they are worth: a Decision is fitted on `valid`, all else is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import msgspec
import numpy as np
import polars as pl

from darkroom.data.pixels import Images, load_images
from darkroom.decision import Decided, Decision, decide
from darkroom.evaluation.baselines import run_baselines
from darkroom.evaluation.calibration import measure_calibration
from darkroom.evaluation.columns import usual_columns
from darkroom.evaluation.coverage import trace_coverage
from darkroom.evaluation.curves import trace_curves
from darkroom.evaluation.deciding import DecisionFit, fit_decision
from darkroom.evaluation.details import Details, Judged
from darkroom.evaluation.metrics import Metrics, measure
from darkroom.evaluation.outliers import draw_outliers
from darkroom.evaluation.predict import Answerer
from darkroom.evaluation.regression import RegressionMetrics, measure_regression
from darkroom.evaluation.slices import Column, slice_metrics
from darkroom.evaluation.thresholds import measure_costs
from darkroom.evaluation.unknown import Unknown, measure_unknown
from darkroom.problem import Problem
from darkroom.training.run import Run
from darkroom.wording import percent

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

    Answers = Float[np.ndarray, "images classes"]

Measured = TypeVar("Measured", Metrics, RegressionMetrics)

_OUTLIERS = 256  # drawn of each kind
_FALSE_ALARMS = 0.05  # the share at which strangers are measured when the Problem names none
_ON_VALID = (
    "temperature, thresholds and weights were chosen on these very images, so they look better "
    "than on new ones: darkroom evaluate --part test"
)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be judged, and what for."""

    run: Run
    part: str
    images: Images  # of the part
    leaked: Bool[np.ndarray, "images"]  # training has seen them, or nearly so
    problem: Problem
    columns: Mapping[str, Column]  # by which to slice, on top of the usual ones
    strangers: Mapping[str, Images]  # images of no known class, by the name of their dataset


class _Validation(msgspec.Struct, frozen=True, kw_only=True):
    """What a Decision is fitted to."""

    answers: Answers
    targets: Float[np.ndarray, "images classes"]
    outliers: dict[str, Answers]  # to what is drawn and of no class, by kind; empty: not asked


def judge_classes(asked: Asked, answerer: Answerer) -> tuple[Decision, Judged]:
    """Judge answers that are classes.

    Args:
        asked: Of the task `single-label` or `multi-label`.
        answerer: Of its run.

    Raises:
        DataError: An answer is not a number.
    """
    run, classes, targets = asked.run, asked.run.record.classes, asked.images.targets
    answers = answerer(asked.part, asked.images)
    validation = _ask_validation(asked, answerer, answers)
    decision, fit = _fit(asked, validation, asked.problem)
    metrics, without_leaks = _with_and_without_leaks(
        asked.leaked, lambda rows: measure(answers[rows], targets[rows], classes, decision)
    )
    decided = decide(answers, decision)
    predictions = _predictions(asked, decided)
    correct = predictions["correct"].to_numpy()
    unknown, notes = _meet_strangers(asked, answerer, validation, answers, decision)
    details = Details(
        fit=fit,
        curves=trace_curves(decided.probabilities, targets, classes),
        calibration=measure_calibration(answers, targets, decision),
        coverage=trace_coverage(answers, targets, decision, classes=classes, problem=asked.problem),
        costs=measure_costs(answers, targets, classes, decision, asked.problem),
        unknown=unknown,
        slices=slice_metrics(correct, _columns(asked)),
        baselines=run_baselines(run.dataset, asked.part, correct),
        notes=notes,
    )
    return decision, Judged(
        metrics=metrics, without_leaks=without_leaks, details=details, predictions=predictions
    )


def judge_numbers(asked: Asked, answerer: Answerer) -> Judged:
    """Judge answers that are numbers.

    Raises:
        DataError: An answer is not a number, or no image has a target.
    """
    values = answerer(asked.part, asked.images)[:, 0].astype(np.float64)
    targets = asked.images.targets[:, 0].astype(np.float64)
    usual = asked.run.record.architecture.target_mean
    metrics, without_leaks = _with_and_without_leaks(
        asked.leaked, lambda rows: measure_regression(values[rows], targets[rows], usual=usual)
    )
    predictions = pl.DataFrame(
        {
            "image": asked.run.dataset.part(asked.part)["image"],
            "target": targets,
            "value": values.astype(np.float32),
            "error": (values - targets).astype(np.float32),
            "leaked": asked.leaked,
        }
    )
    return Judged(
        metrics=metrics, without_leaks=without_leaks, details=Details(), predictions=predictions
    )


def _with_and_without_leaks(
    leaked: Bool[np.ndarray, "images"], measured: Callable[[Bool[np.ndarray, "images"]], Measured]
) -> tuple[Measured, Measured | None]:
    """Measure all images, and again those that did not leak if there are any of both."""
    whole = measured(np.ones(len(leaked), np.bool_))
    return whole, measured(~leaked) if leaked.any() and not leaked.all() else None


def _ask_validation(asked: Asked, answerer: Answerer, answers: Answers) -> _Validation:
    """Ask for the answers that a Decision is fitted to."""
    run, valid = asked.run, asked.images
    if asked.part != "valid":
        valid = load_images(run.dataset, "valid", run.record.preprocess)
        answers = answerer("valid", valid)
    outliers: dict[str, Answers] = {}
    is_wanted = asked.problem.false_alarms is not None or asked.strangers
    if is_wanted and run.record.task == "single-label":
        drawn = draw_outliers(valid.take(slice(None, 4 * _OUTLIERS)), count=_OUTLIERS)
        outliers = {kind: answerer.pixels(pixels) for kind, pixels in drawn.items()}
    return _Validation(answers=answers, targets=valid.targets, outliers=outliers)


def _fit(asked: Asked, validation: _Validation, problem: Problem) -> tuple[Decision, DecisionFit]:
    record = asked.run.record
    return fit_decision(
        validation.answers,
        validation.targets,
        record.classes,
        record.task,
        problem,
        outliers=validation.outliers or None,
    )


def _meet_strangers(
    asked: Asked,
    answerer: Answerer,
    validation: _Validation,
    answers: Answers,
    decision: Decision,
) -> tuple[Unknown | None, tuple[str, ...]]:
    """Measure how strangers fare, where somebody wants to know, and say what stands in the way."""
    notes = [_ON_VALID] if asked.part == "valid" else []
    if asked.strangers and asked.run.record.task != "single-label":
        notes.append("strangers can be told from known images only where images have one label")
    if not validation.outliers:
        return None, tuple(notes)
    share = asked.problem.false_alarms
    if share is None:  # they are measured by the rule that would be
        share = _FALSE_ALARMS
        would_be = msgspec.structs.replace(asked.problem, false_alarms=share)
        decision, fit = _fit(asked, validation, would_be)
        notes.append(
            f"strangers are measured by the rule that {percent(share)} of false alarms would give; "
            f"it is in force only with --set problem.false_alarms={share:g}"
            if decision.abstain_below
            else "; ".join(note for note in fit.notes if "false_alarms" in note)
        )
    strangers = {name: answerer.pixels(images) for name, images in asked.strangers.items()}
    unknown = measure_unknown(
        answers, validation.outliers | strangers, decision, false_alarms_wanted=share
    )
    return unknown, tuple(notes)


def _columns(asked: Asked) -> dict[str, Column]:
    dataset = asked.run.dataset
    return {**usual_columns(dataset, dataset.part(asked.part)), **asked.columns}


def _predictions(asked: Asked, decided: Decided) -> pl.DataFrame:
    names = np.array(asked.run.record.classes, dtype=object)
    truth = asked.images.targets > 0.5
    return pl.DataFrame(
        {
            "image": asked.run.dataset.part(asked.part)["image"],
            "labels": [names[row].tolist() for row in truth],
            "predicted": [names[row].tolist() for row in decided.chosen],
            "correct": (truth == decided.chosen).all(axis=1) & ~decided.abstained,
            "confidence": decided.probabilities.max(axis=1),
            "probabilities": decided.probabilities.tolist(),
            "abstained": decided.abstained,
            "leaked": asked.leaked,
        },
        schema_overrides={
            "labels": pl.List(pl.String),
            "predicted": pl.List(pl.String),
            "confidence": pl.Float32,
            "probabilities": pl.List(pl.Float32),
        },
    )
