"""The report: one self-contained HTML page that opens offline."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import jinja2
import msgspec
import polars as pl
from PIL import Image

from darkroom.data.decode import decode_image
from darkroom.disk import write_file
from darkroom.evaluation.evaluation import EvaluationRecord
from darkroom.evaluation.metrics import Metrics
from darkroom.plots import Figure, confusion_matrix, learning_curves
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
    (metrics, honest), epochs = measured, run.history
    best = run.best.number
    curves = [
        learning_curves(
            [epoch.loss for epoch in epochs],
            [epoch.valid_loss for epoch in epochs],
            what="loss",
            best=best,
        ),
        learning_curves(
            [epoch.accuracy for epoch in epochs],
            [epoch.valid_accuracy for epoch in epochs],
            what="accuracy",
            best=best,
        ),
    ]
    matrix = confusion_matrix(metrics.confusion, record.classes) if metrics.confusion else None
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("darkroom"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.j2").render(
        name=name,
        run=run,
        record=record,
        metrics=metrics,
        honest=honest,
        confused=metrics.most_confused(),
        curves=[_embedded(figure) for figure in curves],
        matrix=_embedded(matrix) if matrix else None,
        wrong=most_confident_mistakes(run, predictions, _SHOWN),
        wrong_count=metrics.images - (metrics.accuracy.hits or 0),
        lineage=run.workspace.lineage(run.path),
    )
    write_file(path, page.encode())


def most_confident_mistakes(run: Run, predictions: pl.DataFrame, count: int) -> list[WrongImage]:
    """Pick the wrong images the run was surest of, with their pictures.

    Raises:
        DataError: One of them changed since the dataset was opened.
    """
    wrong = predictions.filter(~pl.col("correct")).sort("confidence", descending=True).head(count)
    index = run.dataset.index.select("image", "sha256")
    rows = wrong.join(index, on="image", how="left", maintain_order="left")
    pictures = run.dataset.read(rows)
    return [
        WrongImage(
            name=row["image"],
            labels=", ".join(row["labels"]) or "nothing",
            predicted=", ".join(row["predicted"]) or "nothing",
            confidence=row["confidence"],
            picture=_thumbnail(picture),
        )
        for row, picture in zip(rows.iter_rows(named=True), pictures, strict=True)
    ]


def _thumbnail(data: bytes) -> str:
    pixels = decode_image(data)
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    small = max(image.size) <= 64
    # Small images are enlarged in whole pixels by the page; large ones are made small here.
    if not small:
        image.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
    buffer = io.BytesIO()
    image.save(buffer, "PNG" if small else "JPEG")
    kind = "png" if small else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _embedded(figure: Figure) -> dict[str, Any]:
    picture = base64.b64encode(figure.svg().encode()).decode()
    return {"uri": f"data:image/svg+xml;base64,{picture}", "alternative": figure.alternative}
