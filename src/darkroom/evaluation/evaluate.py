"""`evaluate`: a Run and a part of its Dataset become an Evaluation."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from darkroom.backend import keras
from darkroom.data.dataset import Dataset
from darkroom.data.leaks import find_leaks
from darkroom.data.pixels import Images, load_images
from darkroom.decision import Decision, decide
from darkroom.disk import write_file
from darkroom.errors import ArtifactError, DataError, nearest
from darkroom.evaluation.evaluation import (
    WITHOUT_LEAKS,
    Evaluation,
    EvaluationRecord,
    open_evaluation,
)
from darkroom.evaluation.metrics import Metrics, measure
from darkroom.evaluation.predict import predict_part
from darkroom.evaluation.report import write_report
from darkroom.intervals import Rate, wilson
from darkroom.problem import Problem, Promise, judge
from darkroom.records import to_json
from darkroom.training.record import goodness
from darkroom.training.run import Run, open_run
from darkroom.workspace import Workspace

if TYPE_CHECKING:
    from jaxtyping import Float


PARTS = ("test", "valid", "train")


def evaluate(
    run: Run | str | Path,
    *,
    part: str = "test",
    problem: Problem | None = None,
    workspace: Workspace | None = None,
) -> Evaluation:
    """Measure a run on a part of its dataset, with error bars.

    A look at the test part is counted in the ledger before anything is computed. When images of
    the part stand in a part that training has seen, as copies or near-duplicates, everything is
    measured twice: as it is, and without them; promises are held against the latter.

    Args:
        run: A run, its path or its name.
        part: `test`, `valid` or `train`.
        problem: The numbers to reach; they are held against the intervals.
        workspace: Where runs are found by name.

    Returns:
        Metrics with 95 % intervals, a table of predictions and an HTML report; everything is
        computed in float32, whatever precision trained.

    Raises:
        ArtifactError: The run is open, damaged, or has no weights.
        DataError: The part is missing or unlabelled, the run predicts numbers, or the source is
            gone or changed.
        RecipeError: The problem names a class that does not exist.
    """
    run = run if isinstance(run, Run) else open_run(run, workspace=workspace)
    dataset, problem = run.dataset, problem or Problem()
    # Whatever can be refused is refused here, before a look is counted.
    run.require_weights()
    if run.record.task == "regression":
        raise DataError(
            f"{run.name} predicts a number, and only classes can be evaluated so far: "
            f"its mean absolute error on the validation part is {goodness(run.best)}",
            hint="open_run(NAME).history has the error of every epoch",
        )
    problem.check_classes(run.record.classes)
    if part not in PARTS:
        raise DataError(
            f"the part {part!r} has no labels to measure against",
            hint=f"--part {nearest(part, PARTS).strip('`')}",
        )
    dataset.verify_source()
    images = load_images(dataset, part, run.record.preprocess)
    leaks = find_leaks(dataset, part)
    fingerprint = dataset.fingerprint(part)
    looks = _count_look(run, fingerprint) if part == "test" else 0
    probabilities = predict_part(run, part, images)
    decision = Decision(task=run.record.task)
    metrics = measure(probabilities, images.targets, run.record.classes, decision)
    leaked = dataset.part(part).select(pl.col("image").is_in(list(leaks.images)).alias("leaked"))
    fresh, honest = ~leaked["leaked"].to_numpy(), None
    if leaks.images and fresh.any():
        honest = measure(probabilities[fresh], images.targets[fresh], run.record.classes, decision)
    record = EvaluationRecord(
        run=run.name,
        dataset=dataset.name,
        part=part,
        part_fingerprint=fingerprint,
        looks=looks,
        copies=len(leaks.copies),
        near_duplicates=len(leaks.near),
        task=run.record.task,
        classes=run.record.classes,
        decision=decision,
        problem=problem,
        promises=judge_problem(problem, honest if leaks.images else metrics),
        backend=keras.backend.backend(),
    )
    table = _predictions(dataset, images, probabilities, record).hstack(leaked)
    return _store(run, record, (metrics, honest), table)


def judge_problem(problem: Problem, metrics: Metrics | None) -> tuple[Promise, ...]:
    """Hold every number of the Problem against what was measured.

    Args:
        problem: Its classes are checked already.
        metrics: A rate that is not defined leaves its promise undecided; None: nothing is.
    """
    measured: dict[str, Rate] = {}
    if metrics is not None:
        measured = {f"recall of {each.name}": each.recall for each in metrics.classes}
        measured |= {
            "accuracy": metrics.accuracy,
            "balanced-accuracy": metrics.balanced_accuracy,
            "macro-f1": metrics.macro_f1,
        }
    wanted = {f"recall of {name}": floor for name, floor in problem.floors.items()}
    if problem.goal is not None:
        wanted = {problem.metric: problem.goal} | wanted
    rates = [(name, floor, measured.get(name, wilson(0, 0))) for name, floor in wanted.items()]
    return tuple(
        judge(
            name,
            wanted=wanted,
            measured=rate.value or 0.0,
            low=rate.low or 0.0,
            high=1.0 if rate.high is None else rate.high,
        )
        for name, wanted, rate in rates
    )


def _count_look(run: Run, fingerprint: str) -> int:
    run.workspace.record_event("look", subject=fingerprint, by=run.name)
    return len(run.workspace.events("look", subject=fingerprint))


def _predictions(
    dataset: Dataset,
    images: Images,
    probabilities: Float[np.ndarray, "images classes"],
    record: EvaluationRecord,
) -> pl.DataFrame:
    decided = decide(probabilities, record.decision)
    names = np.array(record.classes, dtype=object)
    truth = images.targets > 0.5
    return pl.DataFrame(
        {
            "image": dataset.part(record.part)["image"],
            "labels": [names[row].tolist() for row in truth],
            "predicted": [names[row].tolist() for row in decided.chosen],
            "correct": (truth == decided.chosen).all(axis=1),
            "confidence": decided.probabilities.max(axis=1),
            "probabilities": decided.probabilities.tolist(),
        },
        schema_overrides={
            "labels": pl.List(pl.String),
            "predicted": pl.List(pl.String),
            "confidence": pl.Float32,
            "probabilities": pl.List(pl.Float32),
        },
    )


def _store(
    run: Run,
    record: EvaluationRecord,
    measured: tuple[Metrics, Metrics | None],
    predictions: pl.DataFrame,
) -> Evaluation:
    """Keep an evaluation: measured on all images, and without the leaked ones if there are any."""
    workspace, (metrics, honest) = run.workspace, measured
    parents = (run.manifest.as_parent(), run.dataset.as_parent())
    parquet = io.BytesIO()
    predictions.write_parquet(parquet)
    while True:
        name = workspace.next_name("evaluation", f"{run.name}-{record.part}")
        target = workspace.folder("evaluation") / name
        try:
            with workspace.stage(
                "evaluation", name, made_by="evaluate", parents=parents
            ) as staging:
                write_file(staging / "evaluation.json", to_json(record))
                write_file(staging / "metrics.json", to_json(metrics))
                if honest is not None:
                    write_file(staging / WITHOUT_LEAKS, to_json(honest))
                write_file(staging / "predictions.parquet", parquet.getvalue())
                write_report(staging / "report.html", name, run, record, measured, predictions)
        except ArtifactError:
            if target.exists():
                continue  # another process took the number in between
            raise
        return open_evaluation(target)
