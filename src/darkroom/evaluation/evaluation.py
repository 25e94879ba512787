"""The Evaluation artifact: a table of predictions, its metrics, and a report."""

from __future__ import annotations

import html
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import msgspec
import polars as pl

from darkroom.decision import Decision, Task
from darkroom.evaluation.metrics import Metrics
from darkroom.problem import Problem, Promise
from darkroom.records import from_json
from darkroom.storage import Manifest, verified
from darkroom.training.run import Run
from darkroom.workspace import Workspace

WITHOUT_LEAKS = "metrics_without_leaks.json"


class EvaluationRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was evaluated, how, and against which promises."""

    SCHEMA: ClassVar[int] = 1

    run: str  # its name
    dataset: str  # its name
    part: str
    part_fingerprint: str  # 64 hex digits
    looks: int  # how often this test part has been looked at, this time included; 0 for others
    copies: int = 0  # images of the part that stand byte for byte in a part seen before
    near_duplicates: int = 0  # images that stand there nearly the same
    task: Task
    classes: tuple[str, ...]
    decision: Decision
    problem: Problem
    promises: tuple[Promise, ...]
    backend: str  # that computed the predictions, in float32


class Evaluation:
    """Predictions of a run for a part, and what they are worth.

    Args:
        path: The artifact's folder.
        manifest: Its verified manifest.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self.workspace = Workspace(path.parent.parent)
        where = path / "evaluation.json"
        self.record = from_json(where.read_bytes(), EvaluationRecord, where=str(where))
        measured = path / "metrics.json"
        self.metrics = from_json(measured.read_bytes(), Metrics, where=str(measured))

    @cached_property
    def metrics_without_leaks(self) -> Metrics | None:
        """The same metrics without the images that training has seen.

        None when there are no such images, or no others.
        """
        measured = self.path / WITHOUT_LEAKS
        if not measured.exists():
            return None
        return from_json(measured.read_bytes(), Metrics, where=str(measured))

    @property
    def name(self) -> str:
        """The short name that commands take."""
        return self.manifest.name

    @property
    def report(self) -> Path:
        """The HTML page; it opens offline."""
        return self.path / "report.html"

    @cached_property
    def predictions(self) -> pl.DataFrame:
        """One row per image.

        Columns: `image`, `labels`, `predicted`, `correct`, `confidence`, `probabilities` in the
        order of the classes, and `leaked`: whether training has seen the image or nearly it
        (missing in evaluations from before leaks were looked for).
        """
        return pl.read_parquet(self.path / "predictions.parquet")

    @cached_property
    def run(self) -> Run:
        """The run that was evaluated.

        Raises:
            ArtifactError: It is no longer in the workspace.
        """
        parent = next(parent for parent in self.manifest.parents if parent.kind == "run")
        path = self.workspace.find_parent(parent)
        return Run(path, verified(path, "run"))

    def summary(self) -> str:
        """Say in one line how good the run is on this part."""
        looks = f" · look {self.record.looks} at this part" if self.record.looks else ""
        corrected, honest = self.metrics_without_leaks, ""
        if corrected:
            honest = f" · without leaks {corrected.accuracy}"
        elif self.record.copies + self.record.near_duplicates:
            honest = " · all of them were seen before"
        return (
            f"{self.record.part} {self.metrics.accuracy} · {self.metrics.images:,} images"
            f"{honest}{looks}"
        )

    def __repr__(self) -> str:
        return f"Evaluation({self.name}: {self.summary()})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(each.name)}</td><td>{each.images:,}</td>"
            f"<td>{each.recall}</td><td>{each.precision}</td></tr>"
            for each in self.metrics.classes
        )
        return (
            f"<p><b>{html.escape(self.name)}</b> · {html.escape(self.summary())} · "
            f"95 % intervals</p><table><tr><th>class</th><th>images</th><th>recall</th>"
            f"<th>precision</th></tr>{rows}</table>"
        )


def open_evaluation(evaluation: str | Path, *, workspace: Workspace | None = None) -> Evaluation:
    """Open an evaluation by its path, its name or the beginning of either.

    Raises:
        ArtifactError: There is none, or it is damaged.
    """
    path = (workspace or Workspace()).find(evaluation, "evaluation")
    return Evaluation(path, verified(path, "evaluation"))
