"""What a run says of itself: recipe, device, history and outcome, without a training framework."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from darkroom.data.preprocess import Preprocess
from darkroom.decision import Task
from darkroom.disk import is_claimed
from darkroom.errors import DarkroomError
from darkroom.findings import Finding
from darkroom.models.architecture import Architecture
from darkroom.models.weights import Pretrained
from darkroom.records import Upgrade, from_json
from darkroom.training.recipe import Recipe
from darkroom.wording import percent
from darkroom.workspace import Workspace

Outcome = Literal["training", "finished", "stopped early", "interrupted", "failed"]


class Device(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run was trained on."""

    kind: Literal["cpu", "gpu", "tpu"]
    name: str  # for example `AMD EPYC, 2 cores`
    backend: str  # tensorflow, jax or torch
    precision: Literal["float32", "bfloat16"]
    devices: int = 1  # that share every batch
    threads: int = 0  # of one operation; 0: not known

    def __str__(self) -> str:
        return f"{self.precision} on {self.kind.upper()} ({self.name}) · {self.backend}"


class Epoch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one epoch came to; nothing in it depends on the clock."""

    number: int  # from 1
    stage: str = "train"  # train, head or fine-tune
    loss: float  # of the training part, as the optimizer saw it
    accuracy: float | None = None  # 0..1; None: a regression
    error: float | None = None  # regression only: mean absolute, in the target's unit
    valid_loss: float
    valid_accuracy: float | None = None  # 0..1
    valid_error: float | None = None
    learning_rate: float  # at its last step


def goodness(epoch: Epoch, part: Literal["train", "valid"] = "valid") -> str:
    """Say how right an epoch was: its accuracy, or for a regression its mean absolute error."""
    accuracy = epoch.accuracy if part == "train" else epoch.valid_accuracy
    error = epoch.error if part == "train" else epoch.valid_error
    return f"{error:.4g}" if error is not None else percent(accuracy or 0.0)


class Pace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long one epoch took."""

    number: int  # of the epoch
    seconds: float  # training and validation
    images_per_s: float  # training alone


class Resumption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One time that a run was taken up again."""

    at: str  # ISO 8601, UTC
    epochs: int  # that were finished by then
    differs: tuple[str, ...] = ()  # from what it began on; empty: the same bytes as uninterrupted
    damaged: tuple[str, ...] = ()  # later checkpoints that could not be read, and why


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
    images: int = 0  # in the training part; 0: a run of an older darkroom
    versions: dict[str, str]  # package -> version
    findings: tuple[Finding, ...]  # of the dataset when training began
    despite: tuple[str, ...]  # findings the user went on with
    pretrained: Pretrained | None = None  # what the trunk was trained on before
    why: str = ""  # why this model was taken, when the recipe named none
    resumed: tuple[Resumption, ...] = ()
    troubles: tuple[Finding, ...] = ()  # of the training itself
    outcome: Outcome
    best_epoch: int | None = None  # None: no epoch was finished


def _without_pace(document: dict[str, Any]) -> dict[str, Any]:
    """Until schema 2 an epoch also said how long it took."""
    kept = [
        {key: value for key, value in epoch.items() if key not in ("seconds", "images_per_s")}
        for epoch in document.get("epochs", ())
    ]
    return {**document, "epochs": kept}


class History(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every epoch that was finished."""

    SCHEMA: ClassVar[int] = 2
    UPGRADES: ClassVar[dict[int, Upgrade]] = {1: _without_pace}

    epochs: tuple[Epoch, ...] = ()


class Paces(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long every finished epoch took."""

    SCHEMA: ClassVar[int] = 1

    epochs: tuple[Pace, ...] = ()


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One line in a list of runs."""

    name: str
    made_at: str  # ISO 8601, UTC
    model: str
    outcome: str  # `training` for one that a process works on now, `interrupted` when none does
    can_be_resumed: bool  # it is open, and no process works on it
    epochs: int  # finished
    valid_accuracy: float | None  # of the best epoch, 0..1; of labels where there are several
    path: str
    valid_error: float | None = None  # regression only: mean absolute, in the target's unit


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
        outcome: str = record.outcome
        if manifest.state == "open":
            outcome = "training" if is_claimed(path) else "interrupted"
        summaries.append(
            RunSummary(
                name=manifest.name,
                made_at=manifest.made_at,
                model=record.recipe.model or record.architecture.name,
                outcome=outcome,
                can_be_resumed=manifest.state == "open" and outcome == "interrupted",
                epochs=len(history.epochs),
                valid_accuracy=best.valid_accuracy if best else None,
                valid_error=best.valid_error if best else None,
                path=str(path),
            )
        )
    return summaries
