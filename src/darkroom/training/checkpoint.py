"""A checkpoint: everything that a training goes on from, in one folder with one manifest.

It holds the weights, the state of the optimizer and of the metrics, the position, the history,
the best weights so far and the state of the user's callbacks. A new one is written whole beside
the last one, which goes only then; so there is always one that can be read.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import numpy as np
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from darkroom.disk import disk_errors, remove_folder
from darkroom.errors import ArtifactError
from darkroom.records import from_json, to_json
from darkroom.storage import new_manifest, staged, verified
from darkroom.training.record import Epoch, Pace
from darkroom.training.resident import without_pixels
from darkroom.training.run import CHECKPOINTS

if TYPE_CHECKING:
    from darkroom.backend import keras

    Tensors = dict[str, np.ndarray]

_STATE, _BEST = "state.safetensors", "best.safetensors"


class Position(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a training stands, and what it came to on the way."""

    SCHEMA: ClassVar[int] = 1

    stage: int = 0  # from 0
    step: int = 0  # steps of the stage that are done
    before: int = 0  # epochs of the stages before it
    epochs: tuple[Epoch, ...] = ()  # finished, of all stages
    paces: tuple[Pace, ...] = ()
    best: int | None = None  # the number of the epoch whose weights are the best
    stopped: bool = False  # by a callback, before its last epoch
    callbacks: dict[str, Any] = {}  # what each of the user's callbacks gave, by place and class


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What was read."""

    position: Position
    tensors: dict[str, Any]  # of the model, the optimizer and the metrics
    best: bytes | None  # the best weights, as safetensors


def write_checkpoint(run: Path, position: Position, tensors: Tensors, best: bytes | None) -> Path:
    """Write a checkpoint of a run, then remove the ones before it.

    Raises:
        ArtifactError: The disk is full or refuses; the last checkpoint still stands.
    """
    # A number and not the step: one step may be saved twice, and the first must outlive the write.
    before = _written(run)
    name = f"{int(before[-1].name) + 1 if before else 1:06d}"
    files = {"position.json": to_json(position), _STATE: save_tensors(tensors)}
    if best is not None:
        files[_BEST] = best
    target = run / CHECKPOINTS / name
    with staged(target, new_manifest("checkpoint", name, "train", ())) as staging:
        for file, data in files.items():
            with disk_errors(target / file, len(data)):
                (staging / file).write_bytes(data)  # flushed when the manifest is written
    for old in before:
        remove_folder(old)
    return target


def read_checkpoint(run: Path) -> tuple[Checkpoint | None, list[str]]:
    """Read the last checkpoint of a run that is whole.

    Returns:
        The checkpoint, or None when there is none yet; and what was wrong with later ones.

    Raises:
        ArtifactError: There are checkpoints, and every one is damaged.
    """
    wrong = []
    for path in reversed(_written(run)):
        try:
            verified(path, "checkpoint")
            text = (path / "position.json").read_bytes()
            best = path / _BEST
            checkpoint = Checkpoint(
                position=from_json(text, Position, where=str(path / "position.json")),
                tensors=load_tensors((path / _STATE).read_bytes()),
                best=best.read_bytes() if best.exists() else None,
            )
        except ArtifactError as damaged:
            wrong.append(damaged.problem)
        else:
            return checkpoint, wrong
    if wrong:
        raise ArtifactError(
            f"no checkpoint of {run} can be read: {wrong[0]}",
            hint=f"restore it from a copy, or remove it and train anew: rm -r {quote(str(run))}",
        )
    return None, []


def has_checkpoint(run: Path) -> bool:
    """Tell whether a run was ever saved."""
    return bool(_written(run))


def remove_checkpoints(run: Path) -> None:
    """Remove all checkpoints of a run, which is over.

    Raises:
        ArtifactError: The disk refuses.
    """
    folder = run / CHECKPOINTS
    with disk_errors(folder):
        if folder.exists():
            shutil.rmtree(folder)


def gather_state(model: keras.Model) -> Tensors:
    """Copy every number that a training under way consists of, by its place."""
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()
    kept = {"model": without_pixels(model.variables), "optimizer": model.optimizer.variables}
    return gather_metrics(model) | {
        f"{group}.{place:04d}": _copied(variable)
        for group, variables in kept.items()
        for place, variable in enumerate(variables)
    }


def gather_metrics(model: keras.Model) -> Tensors:
    """Copy what the metrics of an epoch have counted so far."""
    return {
        f"metrics.{place:04d}": _copied(variable)
        for place, variable in enumerate(model.metrics_variables)
    }


def _copied(variable: keras.Variable) -> np.ndarray:
    from darkroom.backend import to_numpy

    return to_numpy(variable.value)


def restore_state(model: keras.Model, tensors: Tensors) -> Tensors:
    """Give a compiled model and its optimizer their numbers back.

    Returns:
        The state of the metrics, which Keras resets when an epoch begins: for `restore_metrics`.

    Raises:
        ArtifactError: They belong to another network.
    """
    kept = {"model": without_pixels(model.variables), "optimizer": model.optimizer.variables}
    for group, variables in kept.items():
        given = sorted(name for name in tensors if name.startswith(f"{group}."))
        shapes = [tuple(variable.shape) for variable in variables]
        if [tensors[name].shape for name in given] != shapes:
            raise ArtifactError(
                f"the checkpoint does not fit the {group}: it was written for another network",
                hint="remove the folder of the run, and train anew",
            )
        _assign(variables, [tensors[name] for name in given])
    return {name: tensor for name, tensor in tensors.items() if name.startswith("metrics.")}


def restore_metrics(model: keras.Model, tensors: Tensors) -> None:
    """Give the metrics of a half-done epoch their numbers back."""
    _assign(model.metrics_variables, [tensors[name] for name in sorted(tensors)])


def _assign(variables: Sequence[keras.Variable], tensors: Sequence[np.ndarray]) -> None:
    for variable, tensor in zip(variables, tensors, strict=True):
        variable.assign(tensor)


def _written(run: Path) -> list[Path]:
    found = (path for path in (run / CHECKPOINTS).glob("[0-9]*") if path.name.isdecimal())
    return sorted(found, key=lambda path: int(path.name))
