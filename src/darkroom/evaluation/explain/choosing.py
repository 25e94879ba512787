"""Which images are explained when nobody names any, and how named files become pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.prepared import pixel_rows
from darkroom.data.preprocess import Preprocess, prepare_image
from darkroom.data.showing import spread_evenly
from darkroom.data.sources.gather import gather_images
from darkroom.errors import DataError
from darkroom.evaluation.looks import Look, pick

if TYPE_CHECKING:
    from jaxtyping import UInt8

    from darkroom.training.run import Run

MOST = 100  # images on one page
_LOOKS: tuple[Look, ...] = ("confident wrong", "most uncertain", "confident right")
_OF_A_LOOK = 4


class Picked(msgspec.Struct, frozen=True, kw_only=True):
    """An image to explain."""

    name: str
    pixels: UInt8[np.ndarray, "height width channels"]  # prepared
    labels: tuple[str, ...] | None  # what it is; None: nobody knows
    why: str  # it was picked


def pick_telling(run: Run, predictions: pl.DataFrame, *, count: int = _OF_A_LOOK) -> list[Picked]:
    """Take the images of an evaluation that tell most: surely wrong, uncertain, surely right.

    Args:
        run: That was evaluated.
        predictions: A row per image, as an evaluation keeps them.
        count: Of each kind, at most.
    """
    why: dict[str, str] = {}
    for look in _LOOKS:
        for image in pick(predictions, look, count=count)["image"]:
            why.setdefault(image, look)
    labels = dict(predictions.select("image", "labels").iter_rows())
    return _prepared(run.dataset, list(why), run.record.preprocess, labels, why)


def pick_from_validation(run: Run) -> list[Picked]:
    """Take images of a run's validation part, at even distances."""
    dataset = run.dataset
    rows = spread_evenly(dataset.part("valid"), _OF_A_LOOK * len(_LOOKS))
    names = [[dataset.classes[label] for label in labels] for labels in rows["labels"].to_list()]
    labels = dict(zip(rows["image"], names, strict=True))
    why = dict.fromkeys(labels, "validation")
    return _prepared(dataset, list(labels), run.record.preprocess, labels, why)


def pick_files(
    images: Sequence[str | Path], preprocess: Preprocess
) -> tuple[list[Picked], list[str]]:
    """Read the images that files, folders and patterns name.

    Returns:
        Those that can be read, and of each other one why it cannot.

    Raises:
        DataError: None of them is a readable image, or there are too many.
    """
    paths = gather_images(images).images
    if len(paths) > MOST:
        raise DataError(
            f"{len(paths):,} images are too many to look at one by one",
            hint=f"name at most {MOST}",
        )
    picked: list[Picked] = []
    unreadable: list[DataError] = []
    for path in paths:
        try:
            picked.append(read_picked(path, preprocess))
        except DataError as refused:
            unreadable.append(refused)
    if unreadable and not picked:
        raise unreadable[0]
    return picked, [refused.problem for refused in unreadable]


def read_picked(
    path: Path,
    preprocess: Preprocess,
    *,
    labels: tuple[str, ...] | None = None,
    why: str = "named",
) -> Picked:
    """Read one image file.

    Raises:
        DataError: It is no readable image.
    """
    try:
        pixels = prepare_image(path.read_bytes(), preprocess)
    except OSError as refused:
        raise DataError(
            f"{path} cannot be read: {refused.strerror}", hint=f"ls -l {path}"
        ) from refused
    except DataError as refused:
        raise DataError(f"{path} {refused.problem}", hint=refused.hint) from refused
    return Picked(name=str(path), pixels=pixels, labels=labels, why=why)


def _prepared(
    dataset: Dataset,
    names: list[str],
    preprocess: Preprocess,
    labels: dict[str, list[str]],
    why: dict[str, str],
) -> list[Picked]:
    wanted = pl.DataFrame({"image": names})
    table = wanted.join(dataset.index, on="image", how="left", maintain_order="left")
    pixels, rows = pixel_rows(dataset, table, preprocess)
    return [
        Picked(
            name=name,
            pixels=np.asarray(pixels[row]),
            labels=tuple(labels[name]),
            why=why[name],
        )
        for name, row in zip(names, rows.tolist(), strict=True)
    ]
