"""Columns about images that slices are cut by: what is known anyway, and what a table says."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.measures import measure_images
from darkroom.data.sources.tables import read_table
from darkroom.errors import DataError
from darkroom.evaluation.slices import Column
from darkroom.wording import counted

_MEASURES = ("brightness", "contrast", "saturation", "sharpness")


def usual_columns(dataset: Dataset, table: pl.DataFrame) -> dict[str, Column]:
    """Give what is known of images without asking anybody.

    Args:
        dataset: Where they are from.
        table: With a column `image` of their names, in any order.

    Returns:
        One value per row of the table: `class`, `camera`, `format`, `group`, `folder` below the
        class, `pixels` of the short side, `brightness`, `contrast`, `saturation` and `sharpness`.

    Raises:
        DataError: As `measure_images`.
    """
    places = {name: row for row, name in enumerate(dataset.index["image"])}
    rows = [places[name] for name in table["image"]]
    index = dataset.index[rows]
    measures = measure_images(dataset)[rows]
    names = [
        ", ".join(dataset.classes[label] for label in labels) if labels else None
        for labels in index["labels"].to_list()
    ]
    folders = [
        _folder_below(image, label or "")
        for image, label in zip(index["image"], names, strict=True)
    ]
    return {
        "class": names,
        **{name: index[name].to_list() for name in ("camera", "format", "group")},
        "folder": folders,
        "pixels": index.select(pl.min_horizontal("height", "width")).to_series().to_numpy(),
        **{name: measures[name].cast(pl.Float64).to_numpy() for name in _MEASURES},
    }


def read_columns(path: Path, images: Sequence[str]) -> dict[str, Column]:
    """Read columns about images from a table.

    Args:
        path: CSV, TSV, JSON Lines or Parquet, with a column `image` of names and any others.
        images: What the values are wanted for; names that the table lacks are not known.

    Returns:
        One value per image for each other column. Text of which every value is a number is
        numbers; a number that begins with a 0, as `007`, is a name.

    Raises:
        DataError: The table cannot be read, has no column `image` or no other, names an image
            twice, or none of these images.
    """
    table = read_table(path, where=str(path))
    others = [name for name in table.names if name != "image"]
    if "image" not in table.names or not others:
        raise DataError(
            f"{path} has the columns {', '.join(table.names)}; it needs `image` and another one",
            hint=f"rename the column that names the images in {path} to image",
        )
    named = [str(name) for name in table.load("image")]
    places = {name: row for row, name in enumerate(named)}
    if len(places) < len(named):
        twice = next(name for name, count in Counter(named).items() if count > 1)
        raise DataError(f"{path} names {twice} twice", hint="keep one row for each image")
    if places.keys().isdisjoint(images):
        raise DataError(
            f"{path} names none of the {counted(len(images), 'image', 'images')} that were "
            f"evaluated; its first is {named[0]}",
            hint=f"write the names as the dataset does: {next(iter(images), 'folder/1.jpg')}",
        )
    rows = [places.get(name) for name in images]
    return {name: _chosen(table.load(name), rows) for name in others}


def _folder_below(image: str, label: str) -> str | None:
    """Give the folders of a file's name below that of its class, or all when it has none."""
    folders = image.split("/")[:-1]
    if label in folders:
        folders = folders[folders.index(label) + 1 :]
    return "/".join(folders) or None


def _chosen(column: Sequence[Any], rows: Sequence[int | None]) -> list[Any]:
    """Pick values by row; text that holds numbers alone becomes numbers."""
    values = [None if value == "" else value for value in column]
    texts = [value for value in values if value is not None]
    if texts and all(isinstance(value, str) and _is_number(value) for value in texts):
        values = [None if value is None else float(value) for value in values]
    return [None if row is None else values[row] for row in rows]


def _is_number(text: str) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    whole = text.strip().lstrip("+-").partition(".")[0]
    return math.isfinite(value) and (len(whole) < 2 or not whole.startswith("0"))
