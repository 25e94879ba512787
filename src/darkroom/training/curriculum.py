"""How difficult each training image is: by a column of a table, a run's loss, or a measure."""

from __future__ import annotations

import contextlib
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from darkroom.data.dataset import Dataset
from darkroom.data.measures import MEASURES, measure_images
from darkroom.data.pixels import load_images
from darkroom.data.sources import Columns
from darkroom.data.sources.columns import find_columns
from darkroom.data.sources.tables import TABLE_ENDINGS, Table, read_table
from darkroom.data.sources.values import number_of
from darkroom.disk import write_file
from darkroom.errors import ArtifactError, DataError, RecipeError, nearest
from darkroom.training.answers import predict_images
from darkroom.training.recipe import Curriculum
from darkroom.training.run import Run, open_run

if TYPE_CHECKING:
    from jaxtyping import Float

RANKS = "difficulty.safetensors"  # in the folder of a run
_LOSS = "loss:"
_TINY = 1e-7  # probabilities are kept this far from 0 and 1


def difficulty(dataset: Dataset, curriculum: Curriculum) -> Float[np.ndarray, "images"]:
    """Rank the images of the training part by how difficult they are.

    Args:
        dataset: Split.
        curriculum: Says what difficulty is. `FILE:COLUMN`: a column of numbers in a CSV, TSV,
            JSON Lines or Parquet table, beside a column with the images' names in the dataset.
            `loss:RUN`: the loss of a run on each image; a run that was trained on these images
            has seen them, and finds those easy that it learned by heart. A name out of
            `measure_images`, as `edges`: low values first, and high ones with `-edges`.

    Returns:
        For each image the share of images that are easier, 0 to below 1, in the order of the
        index; equally difficult ones share a rank. With `hardest_first`, of those more difficult.

    Raises:
        RecipeError: `difficulty` names nothing of the kind.
        DataError: The table cannot be read, or an image has no finite number; the first is named.
        ArtifactError: The run is not there, or has no weights.

    Source: by the loss of another network, Hacohen and Weinshall 2019, arXiv:1904.03626.
    """
    named = curriculum.difficulty
    names = dataset.part("train")["image"].to_list()
    if named.startswith(_LOSS):
        run = open_run(named.removeprefix(_LOSS), workspace=dataset.workspace)
        values = run_losses(run, dataset)
    elif named.removeprefix("-") in MEASURES:
        values = _measured(dataset, named)
    else:
        values = _from_table(named, names)
    _refuse_no_order(values, names, named)
    values = -values if curriculum.hardest_first else values
    ranks: Float[np.ndarray, "images"] = np.searchsorted(np.sort(values), values) / len(values)
    return ranks


def kept_ranks(run: Path, dataset: Dataset, curriculum: Curriculum) -> Float[np.ndarray, "images"]:
    """Rank the images when a run begins, and give the same ranks whenever it goes on.

    What they were ranked by, a table or another run, may change meanwhile.

    Args:
        run: Folder of an open run.
        dataset: Its own.
        curriculum: Its own.

    Returns:
        What `difficulty` gives.

    Raises:
        ArtifactError: The kept ranks are damaged.
    """
    kept, count = run / RANKS, dataset.counts["train"]
    if not kept.exists():
        write_file(kept, save_tensors({"ranks": difficulty(dataset, curriculum)}))
    ranks: Float[np.ndarray, "images"] = np.empty(0)
    with contextlib.suppress(SafetensorError, KeyError):
        ranks = load_tensors(kept.read_bytes())["ranks"]
    if ranks.shape != (count,):
        raise ArtifactError(
            f"{kept} does not hold the ranks of {count:,} training images",
            hint=f"restore it from a copy, or remove it and train anew: rm -r {quote(str(run))}",
        )
    return ranks


def run_losses(run: Run, dataset: Dataset) -> Float[np.ndarray, "images"]:
    """Give the loss of a run's best weights on each image of a dataset's training part.

    Args:
        run: Of the same task and classes.
        dataset: Split.

    Returns:
        Cross-entropy of the labels, or the squared error of a number.

    Raises:
        DataError: Run and dataset have other classes, or an image changed.
        ArtifactError: The run has no weights.
    """
    record = run.record
    if (record.task, record.classes) != (dataset.task, dataset.classes):
        raise DataError(
            f"{run.name} was trained for other classes than those of {dataset.name}: "
            f"{', '.join(record.classes[:5]) or record.task}",
            hint=f"darkroom train {dataset.name}",
        )
    images = load_images(dataset, "train", record.preprocess)
    return _losses(predict_images(run, images), images.targets, dataset.task)


def _losses(
    answers: Float[np.ndarray, "images outputs"],
    targets: Float[np.ndarray, "images outputs"],
    task: str,
) -> Float[np.ndarray, "images"]:
    if task == "regression":
        return np.asarray(np.square(answers - targets).sum(axis=1))
    sure = np.clip(answers.astype(np.float64), _TINY, 1 - _TINY)
    against = (1 - targets) * np.log(1 - sure) if task == "multi-label" else 0.0
    return np.asarray(-(targets * np.log(sure) + against).sum(axis=1))


def _measured(dataset: Dataset, named: str) -> Float[np.ndarray, "images"]:
    table = measure_images(dataset).join(dataset.part("train"), on="image", how="semi")
    values = table[named.removeprefix("-")].cast(float).fill_null(np.nan).to_numpy()
    return -values if named.startswith("-") else values


def _from_table(named: str, names: list[str]) -> Float[np.ndarray, "images"]:
    """Look up each image's number in a table; NaN where it has none."""
    where, _, column = named.rpartition(":")
    if named.lower().endswith(TABLE_ENDINGS):
        columns = ", ".join(read_table(Path(named), where=named).names)
        raise RecipeError(
            f"curriculum.difficulty = {named} names no column; the table has {columns}",
            hint=f"--set curriculum.difficulty={named}:COLUMN",
        )
    if not where.lower().endswith(TABLE_ENDINGS):
        raise RecipeError(
            f"curriculum.difficulty = {named} is no table's FILE:COLUMN, no loss:RUN and no "
            "measure of images",
            hint=f"did you mean {nearest(named, MEASURES)}?",
        )
    table = read_table(Path(where), where=where)
    if column not in table.names:
        raise DataError(
            f"{where} has no column `{column}`; its columns are {', '.join(table.names)}",
            hint=f"did you mean {nearest(column, table.names)}?",
        )
    images, values = table.load(_image_column(table, column)), table.load(column)
    known: dict[str, Any] = {}
    for image, value in zip(map(str, images), values, strict=True):
        if known.setdefault(image, value) != value:
            raise DataError(
                f"{where} gives {image} two values of {column}: {known[image]} and {value}",
                hint=f"keep one row for each image in {where}",
            )
    numbers = [number_of(known.get(name)) for name in names]
    return np.array([np.nan if number is None else number for number in numbers])


def _image_column(table: Table, column: str) -> str:
    image = find_columns(table, Columns(label=column)).image
    if image is None:
        raise DataError(
            f"no column of {table.where} has a usual name for the names of images; they are "
            f"{', '.join(table.names)}",
            hint="call the column with the images' names `image`",
        )
    return image


def _refuse_no_order(values: Float[np.ndarray, "images"], names: list[str], named: str) -> None:
    gaps = np.flatnonzero(~np.isfinite(values))
    if len(gaps):
        raise DataError(
            f"{len(gaps):,} of {len(names):,} training images have no number in {named}; the "
            f"first is {names[gaps[0]]}",
            hint="give each a number, or take another: --set curriculum.difficulty=edges",
        )
    if values.min() == values.max():
        raise DataError(
            f"{named} gives all of {len(names):,} training images the same difficulty, "
            f"{values[0]:g}: no order follows from it",
            hint="take another: --set curriculum.difficulty=edges",
        )
