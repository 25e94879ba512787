"""The Evaluation artifact: a table of predictions, its metrics, and a report."""

from __future__ import annotations

import html
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import msgspec
import polars as pl

from darkroom.decision import Decision, Task
from darkroom.errors import DataError, nearest
from darkroom.evaluation.details import DETAILS, DIAGNOSIS, EXPLANATIONS, WITHOUT_LEAKS, Details
from darkroom.evaluation.diagnosis.diagnosis import Diagnosis
from darkroom.evaluation.explain.explanations import Explanations
from darkroom.evaluation.looks import Look, pick
from darkroom.evaluation.metrics import Metrics
from darkroom.evaluation.regression import RegressionMetrics
from darkroom.problem import Problem, Promise
from darkroom.records import from_json
from darkroom.storage import Manifest, verified
from darkroom.training.run import Run
from darkroom.workspace import Workspace


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
        self._measured_as: type[Metrics] | type[RegressionMetrics] = (
            RegressionMetrics if self.record.task == "regression" else Metrics
        )
        self.measured = self._read("metrics.json")

    def _read(self, file: str) -> Metrics | RegressionMetrics:
        where = self.path / file
        return from_json(where.read_bytes(), self._measured_as, where=str(where))

    @property
    def metrics(self) -> Metrics:
        """Every rate, of an evaluation of classes.

        Raises:
            DataError: Numbers were predicted: see `errors`.
        """
        if isinstance(self.measured, Metrics):
            return self.measured
        raise DataError(f"{self.name} measured numbers, not classes", hint="evaluation.errors")

    @property
    def errors(self) -> RegressionMetrics:
        """Every error, of an evaluation of numbers.

        Raises:
            DataError: Classes were predicted: see `metrics`.
        """
        if isinstance(self.measured, RegressionMetrics):
            return self.measured
        raise DataError(f"{self.name} measured classes, not numbers", hint="evaluation.metrics")

    @cached_property
    def measured_without_leaks(self) -> Metrics | RegressionMetrics | None:
        """The same without the images that training has seen.

        None when there are no such images, or no others.
        """
        return self._read(WITHOUT_LEAKS) if (self.path / WITHOUT_LEAKS).exists() else None

    @cached_property
    def explanations(self) -> Explanations | None:
        """What some of its answers rest on; None when that was not asked for."""
        where = self.path / EXPLANATIONS
        return Explanations(where) if where.exists() else None

    @property
    def metrics_without_leaks(self) -> Metrics | None:
        """The metrics without the images that training has seen; None as there."""
        fresh = self.measured_without_leaks
        return fresh if isinstance(fresh, Metrics) else None

    @cached_property
    def details(self) -> Details:
        """Curves, calibration, costs, slices, baselines; empty in one of an older darkroom."""
        where = self.path / DETAILS
        if not where.exists():
            return Details()
        return from_json(where.read_bytes(), Details, where=str(where))

    @cached_property
    def diagnosis(self) -> Diagnosis:
        """What ails the run; empty in one of an older darkroom."""
        where = self.path / DIAGNOSIS
        if not where.exists():
            return Diagnosis()
        return from_json(where.read_bytes(), Diagnosis, where=str(where))

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

        Columns: `image`, `labels`, `predicted` (empty where no answer was given), `correct`,
        `confidence` and `probabilities` in the order of the classes (both after temperature),
        `abstained`, and `leaked`: whether training has seen the image or nearly it. Where numbers
        are predicted: `image`, `target`, `value`, `error` (value less target), `leaked`.
        """
        return pl.read_parquet(self.path / "predictions.parquet")

    def looks(
        self,
        look: Look = "confident wrong",
        *,
        count: int = 12,
        true: str | None = None,
        predicted: str | None = None,
    ) -> pl.DataFrame:
        """Pick images to look at: rows of `predictions`.

        Args:
            look: `random right`, `random wrong`, `confident right`, `confident wrong` or
                `most uncertain`.
            count: At most.
            true: Only images of this class.
            predicted: Only images taken for this class.

        Raises:
            DataError: There is no such class or look, or numbers were predicted.
        """
        for name in filter(None, (true, predicted)):
            if name not in self.record.classes:
                raise DataError(
                    f"{self.name} knows no class `{name}`",
                    hint=f"did you mean {nearest(name, self.record.classes)}?",
                )
        return pick(self.predictions, look, count=count, true=true, predicted=predicted)

    def export_failures(self, target: Path | str) -> Path:
        """Write every wrong image to a new folder, with a table and a gallery.

        Args:
            target: A folder that does not exist yet.

        Returns:
            The folder: `TRUE/taken-for-PREDICTED/` with the files, `failures.csv`, `index.html`.

        Raises:
            DataError: An image changed since the dataset was opened, or numbers were predicted.
            ArtifactError: The target exists already, or the disk is full or refuses.
        """
        from darkroom.evaluation.failures import export_failures  # which reads with this class

        return export_failures(self, target)

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
        fresh, honest = self.measured_without_leaks, ""
        if fresh:
            honest = f" · without leaks {fresh.headline()}"
        elif self.record.copies + self.record.near_duplicates:
            honest = " · all of them were seen before"
        return (
            f"{self.record.part} {self.measured.headline()} · {self.measured.images:,} images"
            f"{honest}{looks}"
        )

    def __repr__(self) -> str:
        return f"Evaluation({self.name}: {self.summary()})"

    def _repr_html_(self) -> str:
        title = (
            f"<p><b>{html.escape(self.name)}</b> · {html.escape(self.summary())} · "
            "95 % intervals</p>"
        )
        if isinstance(self.measured, RegressionMetrics):
            return title
        rows = "".join(
            f"<tr><td>{html.escape(each.name)}</td><td>{each.images:,}</td>"
            f"<td>{each.recall}</td><td>{each.precision}</td></tr>"
            for each in self.measured.classes
        )
        return (
            f"{title}<table><tr><th>class</th><th>images</th><th>recall</th>"
            f"<th>precision</th></tr>{rows}</table>"
        )


def open_evaluation(evaluation: str | Path, *, workspace: Workspace | None = None) -> Evaluation:
    """Open an evaluation by its path, its name or the beginning of either.

    Raises:
        ArtifactError: There is none, or it is damaged.
    """
    path = (workspace or Workspace()).find(evaluation, "evaluation")
    return Evaluation(path, verified(path, "evaluation"))
