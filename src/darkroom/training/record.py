"""What a run says of itself: recipe, device, history and outcome, without a training framework."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from darkroom.data.preprocess import Preprocess
from darkroom.decision import Task
from darkroom.errors import DarkroomError
from darkroom.findings import Finding
from darkroom.models.architecture import Architecture
from darkroom.records import from_json
from darkroom.training.recipe import Recipe
from darkroom.workspace import Workspace

Outcome = Literal["training", "finished", "stopped early", "interrupted", "failed"]


class Device(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run was trained on."""

    kind: Literal["cpu", "gpu", "tpu"]
    name: str  # for example `AMD EPYC, 2 cores`
    backend: str  # tensorflow, jax or torch
    precision: Literal["float32", "bfloat16"]

    def __str__(self) -> str:
        return f"{self.precision} on {self.kind.upper()} ({self.name}) · {self.backend}"


class Epoch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one epoch came to."""

    number: int  # from 1
    loss: float  # of the training part, as the optimizer saw it
    accuracy: float  # 0..1
    valid_loss: float
    valid_accuracy: float  # 0..1
    learning_rate: float  # at its last step
    seconds: float  # training and validation
    images_per_s: float  # training alone


class RunRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a training was asked for, what it ran on, and how it ended."""

    SCHEMA: ClassVar[int] = 1

    recipe: Recipe
    architecture: Architecture
    preprocess: Preprocess
    task: Task
    classes: tuple[str, ...]
    device: Device
    parameters: int
    versions: dict[str, str]  # package -> version
    findings: tuple[Finding, ...]  # of the dataset when training began
    despite: tuple[str, ...]  # findings the user went on with
    outcome: Outcome
    best_epoch: int | None = None  # None: no epoch was finished


class History(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every epoch that was finished."""

    SCHEMA: ClassVar[int] = 1

    epochs: tuple[Epoch, ...] = ()


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One line in a list of runs."""

    name: str
    made_at: str  # ISO 8601, UTC
    model: str
    outcome: str  # `open` for one that is training now, or was killed
    epochs: int  # finished
    valid_accuracy: float | None  # of the best epoch, 0..1
    path: str


def list_runs(workspace: Workspace | None = None) -> list[RunSummary]:
    """List the runs of the workspace, the newest first.

    Args:
        workspace: Default is the current one.
    """
    summaries = []
    for path, manifest in (workspace or Workspace()).artifacts("run"):
        try:
            record = from_json((path / "run.json").read_bytes(), RunRecord, where=str(path))
            history = from_json((path / "history.json").read_bytes(), History, where=str(path))
        except (OSError, DarkroomError):
            continue  # killed in the moment it began: there is nothing to tell
        best = next((one for one in history.epochs if one.number == record.best_epoch), None)
        summaries.append(
            RunSummary(
                name=manifest.name,
                made_at=manifest.made_at,
                model=record.recipe.model,
                outcome=record.outcome if manifest.state == "closed" else "open",
                epochs=len(history.epochs),
                valid_accuracy=best.valid_accuracy if best else None,
                path=str(path),
            )
        )
    return summaries
