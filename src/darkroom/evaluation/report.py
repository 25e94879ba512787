"""The report: one self-contained HTML page that opens offline."""

from __future__ import annotations

from pathlib import Path

import msgspec
import polars as pl

from darkroom.data.thumbnails import thumbnails
from darkroom.disk import write_file
from darkroom.evaluation.evaluation import EvaluationRecord
from darkroom.evaluation.metrics import Metrics
from darkroom.pages import fill_template
from darkroom.plots import Figure, confusion_matrix, learning_curves, rate_curve
from darkroom.training.run import Run

_SHOWN = 12
_THUMBNAIL_PX = 160


class WrongImage(msgspec.Struct, frozen=True, kw_only=True):
    """One image the run got wrong, to look at."""

    name: str
    labels: str  # what it is
    predicted: str  # what it was taken for
    confidence: float  # 0..1
    picture: str  # a data URI


def write_report(
    path: Path,
    name: str,
    run: Run,
    record: EvaluationRecord,
    measured: tuple[Metrics, Metrics | None],
    predictions: pl.DataFrame,
) -> None:
    """Write the page of an evaluation.

    Args:
        path: Where to write it.
        name: Of the evaluation.
        run: That was evaluated.
        record: What was evaluated and how.
        measured: What came out, of all images and without those that leaked.
        predictions: One row per image.

    Raises:
        DataError: An image to show changed since the dataset was opened.
        ArtifactError: The disk is full.
    """
    metrics, honest = measured
    matrix = confusion_matrix(metrics.confusion, record.classes) if metrics.confusion else None
    page = fill_template(
        "report.html.j2",
        name=name,
        run=run,
        record=record,
        metrics=metrics,
        honest=honest,
        confused=metrics.most_confused(),
        curves=_curves(run),
        matrix=matrix,
        wrong=most_confident_mistakes(run, predictions, _SHOWN),
        wrong_count=metrics.images - (metrics.accuracy.hits or 0),
        lineage=run.workspace.lineage(run.path),
    )
    write_file(path, page.encode())


def _curves(run: Run) -> list[Figure]:
    """Draw how the training went: loss, accuracy and learning rate."""
    epochs, best = run.history, run.best.number
    losses = learning_curves(
        [epoch.loss for epoch in epochs],
        [epoch.valid_loss for epoch in epochs],
        what="loss",
        best=best,
    )
    accuracies = learning_curves(
        [epoch.accuracy or 0.0 for epoch in epochs],
        [epoch.valid_accuracy or 0.0 for epoch in epochs],
        what="accuracy",
        best=best,
    )
    if not run.record.images:
        return [losses, accuracies]
    return [losses, accuracies, rate_curve(run.rates().tolist(), epochs=len(epochs))]


def most_confident_mistakes(run: Run, predictions: pl.DataFrame, count: int) -> list[WrongImage]:
    """Pick the wrong images the run was surest of, with their pictures.

    Raises:
        DataError: One of them changed since the dataset was opened.
    """
    wrong = predictions.filter(~pl.col("correct")).sort("confidence", descending=True).head(count)
    pictures = thumbnails(run.dataset, wrong["image"], longest_px=_THUMBNAIL_PX)
    return [
        WrongImage(
            name=row["image"],
            labels=", ".join(row["labels"]) or "nothing",
            predicted=", ".join(row["predicted"]) or "nothing",
            confidence=row["confidence"],
            picture=pictures[row["image"]],
        )
        for row in wrong.iter_rows(named=True)
    ]
