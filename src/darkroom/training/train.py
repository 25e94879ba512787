"""`train`: a Recipe and a Dataset become a Run."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from darkroom.backend import keras
from darkroom.data.checks import refuse_errors
from darkroom.data.dataset import Dataset
from darkroom.data.opening import open_dataset
from darkroom.data.pixels import channel_statistics, load_images
from darkroom.data.preprocess import Preprocess
from darkroom.data.split import split_dataset
from darkroom.disk import write_file
from darkroom.errors import ArtifactError, DataError
from darkroom.findings import Finding
from darkroom.models.architecture import Architecture, Network
from darkroom.models.catalog import build_model, network_named
from darkroom.records import to_json
from darkroom.storage import read_manifest, write_closed_manifest
from darkroom.training.batches import TrainingBatches
from darkroom.training.devices import choose_device
from darkroom.training.fit import Watch, compile_model, fit_model, steps_per_call
from darkroom.training.recipe import Recipe
from darkroom.training.record import Epoch, History, Outcome, RunRecord
from darkroom.training.run import BEST_WEIGHTS, Run, dump_weights, open_run
from darkroom.training.schedules import rate_table
from darkroom.training.show import Quiet, Terminal
from darkroom.workspace import Workspace

Announce = Callable[[RunRecord, Path], None]


def train(
    dataset: Dataset | str | Path,
    recipe: Recipe | None = None,
    *,
    despite: Iterable[str] = (),
    callbacks: Sequence[keras.callbacks.Callback] = (),
    workspace: Workspace | None = None,
    announce: Announce | None = None,
) -> Run:
    """Train a network on a dataset and keep its best weights.

    Args:
        dataset: A Dataset, or what `open_dataset` opens; split by default shares when it is not.
        recipe: Every setting; the defaults suit small images.
        despite: Names of error findings to go on with; they are recorded in the run.
        callbacks: Your own Keras callbacks; they are called after darkroom's.
        workspace: Where a dataset is opened; a run always lies in that of its dataset.
        announce: Called with the run's record and folder before the first step; with it,
            progress is shown on standard error.

    Returns:
        The run, closed: history, best weights by validation, and what it was made of.

    Raises:
        DataError: A check found an error, or an image changed since it was opened.
        RecipeError: The settings are wrong, or clash with the images.
        ArtifactError: The disk is full.
        KeyboardInterrupt: Ctrl-C; the run is closed as interrupted and keeps its best weights.
    """
    recipe = recipe or Recipe()
    network_named(recipe.model)
    if not isinstance(dataset, Dataset):
        dataset = open_dataset(dataset, workspace=workspace)
    _refuse_numbers(dataset)
    if not dataset.record.split:
        dataset = split_dataset(dataset)
    despite = tuple(despite)
    findings = refuse_errors(dataset, despite)
    dataset.verify_source()
    record = plan(dataset, recipe, findings, despite)
    keras.utils.set_random_seed(recipe.seed)
    model = build_model(record.architecture, precision=record.device.precision)
    record = msgspec.structs.replace(record, parameters=model.count_params())
    images = load_images(dataset, "train", record.preprocess)
    valid = load_images(dataset, "valid", record.preprocess)
    batches = TrainingBatches(images, record.preprocess, recipe)
    compile_model(model, record, batches.num_batches, steps_per_call(batches, images))
    path = dataset.workspace.begin(
        "run", dataset.record.name, made_by="train", parents=(dataset.as_parent(),)
    )

    def keep(epochs: tuple[Epoch, ...], is_best: bool) -> None:  # noqa: FBT001
        keep_epoch(path, model, epochs, is_best)

    if announce:
        announce(record, path)
    rates = rate_table(batches.num_batches, recipe.optimizer)
    with Terminal(record, len(images)) if announce else Quiet() as show:
        watch = Watch(record, len(images), rates, keep, show)
        with _growing(path, record, watch):
            fit_model(model, batches, valid, record, watch, callbacks)
    return open_run(path)


def _refuse_numbers(dataset: Dataset) -> None:
    if dataset.task == "regression":
        raise DataError(
            f"{dataset.name} has a number to predict for each image, and no network here does that",
            hint="name a column of classes: --label COLUMN",
        )


@contextlib.contextmanager
def _growing(path: Path, record: RunRecord, watch: Watch) -> Iterator[None]:
    """Keep a run open while the block trains it, and close it however the block ends."""
    try:
        write_file(path / "run.json", to_json(record))
        write_file(path / "history.json", to_json(History()))
        yield
    except KeyboardInterrupt:
        _close(path, record, watch, "interrupted")
        raise
    except BaseException:
        with contextlib.suppress(ArtifactError):  # the disk that failed may fail again
            _close(path, record, watch, "failed")
        if watch.best is None:
            shutil.rmtree(path, ignore_errors=True)  # there is nothing in it to keep
        raise
    whole = len(watch.epochs) == record.recipe.epochs
    _close(path, record, watch, "finished" if whole else "stopped early")


def plan(
    dataset: Dataset, recipe: Recipe, findings: tuple[Finding, ...], despite: tuple[str, ...]
) -> RunRecord:
    """Settle everything that follows from the recipe, the images and the machine."""
    network = network_named(recipe.model)
    preprocess = _plan_preprocess(dataset, recipe, network)
    architecture = Architecture(
        name=network.name,
        version=network.version,
        height=preprocess.height,
        width=preprocess.width,
        channels=preprocess.channels,
        classes=len(dataset.classes),
        task=dataset.task,
        width_factor=recipe.width,
        dropout=recipe.dropout,
        l2=recipe.l2,
    )
    packages = ("darkroom-vision", "keras", "numpy", keras.backend.backend())
    return RunRecord(
        recipe=recipe,
        architecture=architecture,
        preprocess=preprocess,
        task=dataset.task,
        classes=dataset.classes,
        device=choose_device(recipe.precision),
        parameters=0,
        versions={"python": platform.python_version(), **{p: _version(p) for p in packages}},
        findings=tuple(
            msgspec.structs.replace(found, where=found.where[:20]) for found in findings
        ),
        despite=despite,
        outcome="training",
    )


def _plan_preprocess(dataset: Dataset, recipe: Recipe, network: Network) -> Preprocess:
    usual = dataset.default_preprocess()
    scaling = recipe.scaling or network.scaling
    preprocess = Preprocess(
        height=recipe.image_size or usual.height,
        width=recipe.image_size or usual.width,
        channels=usual.channels,
        decode=usual.decode,
        background=recipe.background,
        resize=recipe.resize,
        scaling="bytes" if scaling == "standard" else scaling,
    )
    if scaling != "standard":
        return preprocess
    # The training part alone: what is told of the others would be known before they are seen.
    mean, std = channel_statistics(load_images(dataset, "train", preprocess))
    return msgspec.structs.replace(preprocess, scaling="standard", mean=mean, std=std)


def _version(package: str) -> str:
    for name in (package, f"{package}-cpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"


def keep_epoch(
    path: Path,
    model: keras.Model,
    epochs: tuple[Epoch, ...],
    is_best: bool,  # noqa: FBT001
) -> None:
    """Write an epoch's history, and its weights when they are the best so far."""
    if is_best:
        write_file(path / BEST_WEIGHTS, dump_weights(model))
    write_file(path / "history.json", to_json(History(epochs=epochs)))


def _close(path: Path, record: RunRecord, watch: Watch, outcome: Outcome) -> None:
    best = watch.best.number if watch.best else None
    closed = msgspec.structs.replace(record, outcome=outcome, best_epoch=best)
    write_file(path / "run.json", to_json(closed))
    write_closed_manifest(path, read_manifest(path))
