"""`train`: a Recipe and a Dataset become a Run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from darkroom.backend import keras
from darkroom.data.checks import refuse_errors
from darkroom.data.dataset import Dataset
from darkroom.data.opening import open_dataset
from darkroom.data.split import split_dataset
from darkroom.disk import claimed
from darkroom.models.catalog import network_named
from darkroom.training.loop import Announce, Growing, build_network, grow
from darkroom.training.plan import plan
from darkroom.training.recipe import Recipe, given_recipe
from darkroom.training.resume import find_interrupted, go_on
from darkroom.training.run import Run, open_run
from darkroom.workspace import Workspace


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

    A run of the same recipe on the same dataset that was interrupted is resumed; one that is
    finished is left alone, and a new one begins.

    Args:
        dataset: A Dataset, or what `open_dataset` opens; split by default shares when it is not.
        recipe: Every setting; what it leaves open is settled by the images and the network.
        despite: Names of error findings to go on with; they are recorded in the run.
        callbacks: Your own Keras callbacks; they are called after darkroom's. One that has
            `get_state`, which gives what JSON can hold, and `set_state` is resumed too.
        workspace: Where a dataset is opened; a run always lies in that of its dataset.
        announce: Called with the run's record and folder before the first step; with it,
            progress is shown on standard error.

    Returns:
        The run, closed: history, best weights by validation, and what it was made of.

    Raises:
        DataError: A check found an error, or an image changed since it was opened.
        RecipeError: The settings are wrong, clash with the images, or the training diverged.
        ArtifactError: The disk is full; what was saved before can be resumed.
        KeyboardInterrupt: Ctrl-C; the run is saved, and `resume` goes on with it.
        SystemExit: SIGTERM; likewise.
    """
    recipe = given_recipe(recipe)
    if recipe.model is not None:
        network_named(recipe.model)
    if not isinstance(dataset, Dataset):
        dataset = open_dataset(dataset, workspace=workspace)
    if not dataset.record.split:
        dataset = split_dataset(dataset)
    despite = tuple(despite)
    findings = refuse_errors(dataset, despite)
    dataset.verify_source()
    record = plan(dataset, recipe, findings, despite)
    if (begun := find_interrupted(dataset, record)) is not None:
        return go_on(begun, dataset, callbacks=callbacks, announce=announce)
    network = build_network(record)
    path = dataset.workspace.begin(
        "run", dataset.record.name, made_by="train", parents=(dataset.as_parent(),)
    )
    record = msgspec.structs.replace(record, parameters=network.count_params())
    with claimed(path):
        grow(
            Growing(path=path, dataset=dataset, record=record, network=network),
            callbacks,
            announce,
        )
    return open_run(path)
