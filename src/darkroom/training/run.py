"""The Run artifact: a recipe, the history of its training, and the best weights.

It is open while it trains and closed afterwards, whether it finished or was interrupted.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from darkroom.backend import keras, to_numpy
from darkroom.data.dataset import Dataset
from darkroom.data.kept import parent_dataset
from darkroom.errors import ArtifactError
from darkroom.models.catalog import build_model
from darkroom.models.head import build_head
from darkroom.records import from_json
from darkroom.storage import Manifest, read_manifest, verified
from darkroom.training.course import planned_rates, stage_epochs
from darkroom.training.record import Epoch, History, Pace, Paces, RunRecord, goodness
from darkroom.workspace import Workspace

if TYPE_CHECKING:
    from jaxtyping import Float

BEST_WEIGHTS = "weights/best.safetensors"
CHECKPOINTS = "checkpoints"

_COUNTED = re.compile(r"(?<=^variable)_\d+$")  # ConvNeXt's layer scales have no name of their own


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

    @cached_property
    def pace(self) -> tuple[Pace, ...]:
        """How long each epoch took; empty for a run of an older darkroom."""
        path = self.path / "pace.json"
        if not path.exists():
            return ()
        return from_json(path.read_bytes(), Paces, where=str(path)).epochs

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
        self.require_weights()
        return self.history[(self.record.best_epoch or 1) - 1]

    def require_weights(self) -> None:
        """Refuse a run that has none.

        Raises:
            ArtifactError: The run was interrupted before the first epoch was over.
        """
        if self.record.best_epoch is None:
            raise ArtifactError(
                f"{self.path} has no weights: it was {self.record.outcome} in its first epoch",
                hint="train again: darkroom train",
            )

    @cached_property
    def dataset(self) -> Dataset:
        """The dataset it was trained on.

        Raises:
            ArtifactError: It is no longer in the workspace.
        """
        return parent_dataset(self.workspace, self.manifest.parents)

    def rates(self) -> Float[np.ndarray, "steps"]:
        """Give the learning rate of every step that was made."""
        planned = planned_rates(self.record)
        return planned[: len(planned) * len(self.history) // sum(stage_epochs(self.record))]

    def weights(self) -> dict[str, np.ndarray]:
        """Read the best weights, by the place and name of each.

        Raises:
            ArtifactError: There are none.
        """
        self.require_weights()
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

    def head(self, features: int) -> keras.Model:
        """Build what stands behind a pretrained trunk alone, with the best weights.

        Args:
            features: Numbers that the trunk gives for each image.

        Raises:
            ArtifactError: There are none, or no such head stands at the end of the network.
        """
        head = build_head(self.record.architecture, features)
        last = [tensor for _, tensor in sorted(self.weights().items())][-len(head.weights) :]
        assign_weights(head, dict(zip(_named(head), last, strict=True)))
        return head

    def __repr__(self) -> str:
        return f"Run({self.name}: {self.summary()})"

    def summary(self) -> str:
        """Say in one line what it is and how far it got."""
        record = self.record
        done = f"{len(self.history)} of {record.recipe.epochs} epochs"
        best = "no weights"
        if record.best_epoch:
            best = f"valid {goodness(self.best)}"
        return f"{record.architecture.name} · {done}, {record.outcome} · {best}"

    def _repr_html_(self) -> str:
        paces = {pace.number: f"{pace.images_per_s:,.0f}" for pace in self.pace}
        rows = "".join(
            f"<tr><td>{epoch.number}{' *' if epoch.number == self.record.best_epoch else ''}</td>"
            f"<td>{epoch.loss:.3f}</td><td>{goodness(epoch, 'train')}</td>"
            f"<td>{epoch.valid_loss:.3f}</td><td>{goodness(epoch)}</td>"
            f"<td>{paces.get(epoch.number, '')}</td></tr>"
            for epoch in self.history
        )
        what = "error" if self.record.task == "regression" else "accuracy"
        return (
            f"<p><b>{html.escape(self.name)}</b> · {html.escape(self.summary())} · "
            f"{html.escape(str(self.record.device))}</p>"
            f"<table><tr><th>epoch</th><th>loss</th><th>{what}</th><th>valid loss</th>"
            f"<th>valid {what}</th><th>images/s</th></tr>{rows}</table>"
        )


def open_run(run: str | Path, *, workspace: Workspace | None = None) -> Run:
    """Open a run by its path, its name or the beginning of either.

    Raises:
        ArtifactError: There is none, it was never closed, or it is damaged.
    """
    path = (workspace or Workspace()).find(run, "run")
    if (path / CHECKPOINTS).is_dir() and read_manifest(path).state == "open":
        raise ArtifactError(
            f"{path} is not finished",
            hint=f"darkroom resume {quote(str(path))}",
        )
    return Run(path, verified(path, "run"))


def dump_weights(model: keras.Model) -> bytes:
    """Write the weights of a model, also those that are not trained, as safetensors."""
    return weights_dumper(model, model)()


def weights_dumper(model: keras.Model, fitted: keras.Model) -> Callable[[], bytes]:
    """Make what writes the weights of a model again and again while a part of it is fitted.

    Args:
        model: The whole.
        fitted: What changes in between; of all else one copy is enough.

    Returns:
        A function that writes all weights of the model, as they are by then, as safetensors.
    """
    moving = {id(weight) for weight in fitted.weights}
    named = _named(model)
    resting = {n: to_numpy(w.value) for n, w in named.items() if id(w) not in moving}

    def dump() -> bytes:
        moved = {n: to_numpy(w.value) for n, w in named.items() if n not in resting}
        return bytes(save_tensors({**resting, **moved}))

    return dump


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
    return {
        f"{place:03d}.{_COUNTED.sub('', weight.name)}": weight
        for place, weight in enumerate(model.weights)
    }
