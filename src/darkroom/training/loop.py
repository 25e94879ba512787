"""An open run grows: stage after stage from wherever it stands, saved on the way, then closed."""

from __future__ import annotations

import contextlib
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.backend import keras
from darkroom.data.dataset import Dataset
from darkroom.disk import BESIDE, disk_errors, write_file
from darkroom.errors import ArtifactError, DivergenceError, RecipeError
from darkroom.findings import Finding
from darkroom.models.catalog import build_model
from darkroom.models.transfer import load_trunk_weights
from darkroom.records import to_json
from darkroom.storage import read_manifest, write_closed_manifest
from darkroom.training.checkpoint import (
    Checkpoint,
    Position,
    has_checkpoint,
    read_checkpoint,
    remove_checkpoints,
    restore_state,
    write_checkpoint,
)
from darkroom.training.course import stage_epochs
from darkroom.training.curriculum import kept_ranks
from darkroom.training.devices import distribute
from darkroom.training.fit import fit_stage
from darkroom.training.memory import memory_errors, refuse_out_of_memory, trial_step
from darkroom.training.record import History, Outcome, Paces, RunRecord
from darkroom.training.run import BEST_WEIGHTS
from darkroom.training.show import Quiet, Terminal
from darkroom.training.stages import Stage, find_pretrained, make_stage
from darkroom.training.stopping import Asked, asked_to_stop
from darkroom.training.watch import Keeper, Watch, give_states_back

if TYPE_CHECKING:
    from darkroom.training.checkpoint import Tensors
    from darkroom.training.stages import Ranks

Announce = Callable[[RunRecord, Path], None]


class Growing(msgspec.Struct, frozen=True, kw_only=True):
    """An open run, and what it needs to go on."""

    path: Path
    dataset: Dataset
    record: RunRecord
    network: keras.Model
    last: Checkpoint | None = None  # None: at its beginning


def build_network(record: RunRecord) -> keras.Model:
    """Build the whole network with the weights it begins with, the same in every process.

    Raises:
        ArtifactError: The pretrained weights do not fit, or are no longer those of the record.
    """
    _seed(record.recipe.seed)
    with distribute(record.device.devices):
        network = build_model(record.architecture, precision=record.device.precision)
    if record.pretrained is not None:
        load_trunk_weights(network, find_pretrained(record))
    return network


def _seed(seed: int) -> None:
    if keras.backend.backend() == "tensorflow":
        keras.utils.set_random_seed(seed)
        return
    # Under another backend that imports TensorFlow too, which takes seconds.
    random.seed(seed)
    np.random.seed(seed)  # Keras draws from the global state


def grow(
    run: Growing, callbacks: Sequence[keras.callbacks.Callback], announce: Announce | None
) -> None:
    """Train an open run to its end, and close it.

    Args:
        run: Claimed by this process.
        callbacks: The user's; each is called after ours.
        announce: Called before the first step; with it, progress is shown on standard error.

    Raises:
        RecipeError: The loss is no number any more; the run is closed as failed.
        ArtifactError: The disk is full; the run can be resumed.
        KeyboardInterrupt: Ctrl-C; the run is saved and can be resumed.
        SystemExit: SIGTERM; the run is saved and can be resumed.
    """
    with _closing(run):
        write_file(run.path / "run.json", to_json(run.record))
        _write_history(run.path, run.last.position if run.last else Position())
        if announce:
            announce(run.record, run.path)
        position, best, trouble = _stages(run, callbacks, show_it=announce is not None)
    record = msgspec.structs.replace(run.record, troubles=(trouble,) if trouble else ())
    whole = len(position.epochs) == sum(stage_epochs(record))
    close_run(run.path, record, position, best, "finished" if whole else "stopped early")


def _stages(
    run: Growing, callbacks: Sequence[keras.callbacks.Callback], *, show_it: bool
) -> tuple[Position, bytes | None, Finding | None]:
    last, recipe, epochs = run.last, run.record.recipe, stage_epochs(run.record)
    position, best = (last.position, last.best) if last else (Position(), None)
    trouble: Finding | None = None
    give_states_back(callbacks, position.callbacks)

    def save(position: Position, tensors: Tensors, best: bytes | None) -> None:
        write_checkpoint(run.path, position, tensors, best)
        _write_history(run.path, position)

    curriculum = recipe.curriculum
    ranks = None if curriculum is None else kept_ranks(run.path, run.dataset, curriculum)
    images = run.dataset.counts["train"]
    of_labels = run.record.task == "multi-label"
    show = Terminal(images, sum(epochs), of_labels=of_labels) if show_it else Quiet()
    with show:
        for number in range(position.stage, len(epochs)):
            with contextlib.ExitStack() as stack:
                stack.enter_context(distribute(run.record.device.devices))
                asked = stack.enter_context(asked_to_stop())
                stack.enter_context(_fitting_memory(run, number, ranks, asked))
                show.prepare()
                with asked.at_once():
                    stage = make_stage(run.dataset, run.record, run.network, number, ranks=ranks)
                watch = Watch(stage, recipe, position, best, asked=asked, show=show)
                if last is not None and number == last.position.stage:
                    watch.go_on(restore_state(stage.model, last.tensors))
                keeper = Keeper(watch, callbacks, save, asked)
                whole = not position.stopped and fit_stage(stage, watch, callbacks, keeper)
                position, best, trouble = watch.position, watch.best_weights, watch.trouble
                if asked.signal is not None and number + 1 < len(epochs):
                    raise asked.error()  # after the stage was saved, and before the next begins
            if not whole and not watch.had_enough:
                break
            position = msgspec.structs.replace(
                position, stage=number + 1, step=0, before=len(position.epochs), stopped=False
            )
    return position, best, trouble


@contextlib.contextmanager
def _fitting_memory(run: Growing, number: int, ranks: Ranks | None, asked: Asked) -> Iterator[None]:
    """Turn too little memory into the batch size that fits."""
    try:
        yield
    except memory_errors() as error:

        def anew() -> Stage:
            network = build_network(run.record)
            return make_stage(run.dataset, run.record, network, number, ranks=ranks)

        with asked.at_once():
            refuse_out_of_memory(
                error,
                trial_step(anew),
                run.record.recipe.batch_size or 1,
                devices=run.record.device.devices,
            )


@contextlib.contextmanager
def _closing(run: Growing) -> Iterator[None]:
    """Close a run whose loss is no number any more; leave one that can go on as it is."""
    try:
        yield
    except DivergenceError as diverged:
        problem = diverged.problem
        with contextlib.suppress(ArtifactError):  # the disk that failed may fail again
            if close_as_it_stands(run.path, run.record, "failed"):
                problem += f"; what came before is kept in {run.path}"
            else:
                shutil.rmtree(run.path, ignore_errors=True)
        raise RecipeError(problem, hint=diverged.hint) from diverged
    except BaseException:
        if not has_checkpoint(run.path):
            shutil.rmtree(run.path, ignore_errors=True)  # there is nothing in it to keep
        raise


def close_as_it_stands(path: Path, record: RunRecord, outcome: Outcome) -> bool:
    """Close an open run with the epochs of its last checkpoint.

    Returns:
        Whether it has one that was finished; else it is left as it is.

    Raises:
        ArtifactError: No checkpoint can be read, or the disk refuses.
    """
    last, _ = read_checkpoint(path)
    if last is None or last.best is None:
        return False
    close_run(path, record, last.position, last.best, outcome)
    return True


def close_run(
    path: Path, record: RunRecord, position: Position, best: bytes | None, outcome: Outcome
) -> None:
    """Write what a run came to, and close it."""
    if best is not None:
        write_file(path / BEST_WEIGHTS, best)
    _write_history(path, position)
    closed = msgspec.structs.replace(record, outcome=outcome, best_epoch=position.best)
    write_file(path / "run.json", to_json(closed))
    remove_checkpoints(path)
    write_closed_manifest(path, read_manifest(path))


def _write_history(path: Path, position: Position) -> None:
    """Write the epochs where they are looked for; flushed when the run is closed.

    Until then the checkpoint holds them too, and a flush each would cost as much as its own.
    """
    for name, record in (
        ("history.json", History(epochs=position.epochs)),
        ("pace.json", Paces(epochs=position.paces)),
    ):
        data, beside = to_json(record), path / f".{name}{BESIDE}"
        with disk_errors(path / name, len(data)):
            beside.write_bytes(data)
            beside.replace(path / name)
