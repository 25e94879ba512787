"""The Run artifact: a recipe, the history of its training, and the best weights.

It is open while it trains and closed afterwards, whether it finished or was interrupted.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from darkroom.backend import keras
from darkroom.data.dataset import Dataset
from darkroom.data.kept import parent_dataset
from darkroom.data.preprocess import Preprocess
from darkroom.decision import Task
from darkroom.errors import ArtifactError
from darkroom.findings import Finding
from darkroom.models.architecture import Architecture
from darkroom.models.catalog import build_model
from darkroom.records import from_json
from darkroom.storage import Manifest, verified
from darkroom.training.devices import Device
from darkroom.training.recipe import Recipe
from darkroom.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np

BEST_WEIGHTS = "weights/best.safetensors"
Outcome = Literal["training", "finished", "stopped early", "interrupted", "failed"]


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


class Run:
    """A training that is over.

    Args:
        path: The artifact's folder.
        manifest: Its verified manifest.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self.workspace = Workspace(path.parent.parent)
        self.record = from_json((path / "run.json").read_bytes(), RunRecord, where=str(path))
        history = path / "history.json"
        self.history = from_json(history.read_bytes(), History, where=str(history)).epochs

    @property
    def name(self) -> str:
        """The short name that commands take."""
        return self.manifest.name

    @property
    def best(self) -> Epoch:
        """The epoch whose weights were kept.

        Raises:
            ArtifactError: The run was interrupted before the first epoch was over.
        """
        if self.record.best_epoch is None:
            raise ArtifactError(
                f"{self.path} has no weights: it was {self.record.outcome} in its first epoch",
                hint="train again: darkroom train",
            )
        return self.history[self.record.best_epoch - 1]

    @cached_property
    def dataset(self) -> Dataset:
        """The dataset it was trained on.

        Raises:
            ArtifactError: It is no longer in the workspace.
        """
        return parent_dataset(self.workspace, self.manifest.parents)

    def weights(self) -> dict[str, np.ndarray]:
        """Read the best weights, by the place and name of each.

        Raises:
            ArtifactError: There are none.
        """
        self.best  # noqa: B018 - raises when there are none
        weights: dict[str, np.ndarray] = load_tensors((self.path / BEST_WEIGHTS).read_bytes())
        return weights

    def model(self) -> keras.Model:
        """Build the network in float32 with the best weights.

        Raises:
            ArtifactError: There are none.
        """
        model = build_model(self.record.architecture)
        assign_weights(model, self.weights())
        return model

    def __repr__(self) -> str:
        return f"Run({self.name}: {self.summary()})"

    def summary(self) -> str:
        """Say in one line what it is and how far it got."""
        record = self.record
        done = f"{len(self.history)} of {record.recipe.epochs} epochs"
        best = f"valid {self.best.valid_accuracy:.1%}" if record.best_epoch else "no weights"
        return f"{record.recipe.model} · {done}, {record.outcome} · {best}"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{epoch.number}{' *' if epoch.number == self.record.best_epoch else ''}</td>"
            f"<td>{epoch.loss:.3f}</td><td>{epoch.accuracy:.1%}</td>"
            f"<td>{epoch.valid_loss:.3f}</td><td>{epoch.valid_accuracy:.1%}</td>"
            f"<td>{epoch.images_per_s:,.0f}</td></tr>"
            for epoch in self.history
        )
        return (
            f"<p><b>{html.escape(self.name)}</b> · {html.escape(self.summary())} · "
            f"{html.escape(str(self.record.device))}</p>"
            "<table><tr><th>epoch</th><th>loss</th><th>accuracy</th><th>valid loss</th>"
            f"<th>valid accuracy</th><th>images/s</th></tr>{rows}</table>"
        )


def open_run(run: str | Path, *, workspace: Workspace | None = None) -> Run:
    """Open a run by its path, its name or the beginning of either.

    Raises:
        ArtifactError: There is none, it was never closed, or it is damaged.
    """
    path = (workspace or Workspace()).find(run, "run")
    return Run(path, verified(path, "run"))


def dump_weights(model: keras.Model) -> bytes:
    """Write the weights of a model, also those that are not trained, as safetensors."""
    named = {name: weight.numpy() for name, weight in _named(model).items()}
    return bytes(save_tensors(named))


def assign_weights(model: keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    """Give a model its weights back.

    Raises:
        ArtifactError: They belong to another network.
    """
    wanted = _named(model)
    shapes = {name: tuple(weight.shape) for name, weight in wanted.items()}
    given = {name: tensor.shape for name, tensor in weights.items()}
    if shapes != given:
        odd = min(name for name in shapes.keys() | given if shapes.get(name) != given.get(name))
        raise ArtifactError(
            f"the weights do not fit the network at {odd}: it needs {shapes.get(odd)}, "
            f"got {given.get(odd)}",
            hint="pack or train again",
        )
    for name, weight in wanted.items():
        weight.assign(weights[name])


def _named(model: keras.Model) -> dict[str, keras.Variable]:
    """Name weights by their place: Keras' own names count up within a process."""
    return {f"{place:03d}.{weight.name}": weight for place, weight in enumerate(model.weights)}


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
        except (OSError, ArtifactError):
            continue  # killed in the moment it began: there is nothing to tell
        best = history.epochs[record.best_epoch - 1] if record.best_epoch else None
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
