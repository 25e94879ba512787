"""What every form of an export shares: the images in order, their answers, whole files.

Each form is one file beside this one with one function, a `Writer`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from pathlib import Path

import msgspec
import polars as pl

from darkroom.data.dataset import PARTS, Dataset
from darkroom.data.decode import ENDINGS
from darkroom.disk import disk_errors
from darkroom.errors import DataError
from darkroom.progress import track_sized

Writer = Callable[[Dataset, pl.DataFrame, Path], None]

Images = Generator["tuple[Exported, bytes]", None, None]

UNSPLIT = "images"  # begins the name of a file whose images belong to no part yet
_ENDINGS = {
    "JPEG": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tif",
}


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """One image on its way out."""

    name: str
    part: str | None  # None: not split
    labels: tuple[str, ...] | None  # names of classes; None: unlabelled, or a regression
    value: float | None  # the target of a regression
    group: str | None
    ending: str  # of its format, without a dot
    size_bytes: int
    sha256: str


def exported_rows(dataset: Dataset, rows: pl.DataFrame) -> list[Exported]:
    """List what is to be written, part by part and by name."""
    order = {part: number for number, part in enumerate(PARTS)}
    listed = [
        Exported(
            name=row["image"],
            part=row["part"],
            labels=_names(dataset, row["labels"]),
            value=row["target"],
            group=row["group"],
            ending=_ending(row["image"], row["format"]),
            size_bytes=row["size_bytes"],
            sha256=row["sha256"],
        )
        for row in rows.iter_rows(named=True)
    ]
    return sorted(listed, key=lambda image: (order.get(image.part or "", -1), image.name))


def _names(dataset: Dataset, labels: list[int] | None) -> tuple[str, ...] | None:
    if labels is None or dataset.task == "regression":
        return None
    return tuple(dataset.classes[label] for label in labels)


def refuse_ambiguous(dataset: Dataset, *, hint: str) -> None:
    """Refuse a class that a column of names cannot say: `a|b` is two there, blanks are trimmed.

    Raises:
        DataError: There is one; it is named.
    """
    for name in dataset.classes:
        if name != name.strip() or not name or (dataset.task == "single-label" and "|" in name):
            raise DataError(
                f"the class {name!r} of {dataset.name} would be misread in a table", hint=hint
            )


def _ending(name: str, of_format: str | None) -> str:
    if of_format in _ENDINGS:
        return _ENDINGS[of_format]
    written = name.rpartition(".")[2].lower()  # of an index that an older darkroom made
    return written if f".{written}" in ENDINGS else "jpg"


def read_images(dataset: Dataset, images: list[Exported]) -> Images:
    """Read the files of images one after the other, and show how far it is.

    Raises:
        DataError: One is gone or changed since the dataset was opened; it is named.
    """
    source = dataset.source()
    sized = ((image, image.size_bytes / 1e6) for image in images)
    total = sum(image.size_bytes for image in images) / 1e6
    for image, _ in track_sized(sized, "exporting, MB", round(total)):
        yield image, dataset.checked(image.name, source.read(image.name), image.sha256)


def in_shards(images: list[Exported], most_bytes: int) -> dict[str, list[list[Exported]]]:
    """Cut each part's images into shards of about as many bytes, in their order.

    Args:
        images: From `exported_rows`.
        most_bytes: Of the images of one shard; only a single larger image exceeds it.

    Returns:
        The shards of each part, under the word their files begin with.
    """
    shards: dict[str, list[list[Exported]]] = {}
    filled = 0
    for image in images:
        of_part = shards.setdefault(image.part or UNSPLIT, [])
        if not of_part or filled + image.size_bytes > most_bytes:
            of_part.append([])
            filled = 0
        of_part[-1].append(image)
        filled += image.size_bytes
    return shards


def put_file(path: Path, data: bytes | memoryview) -> None:
    """Write a file that is not there yet, and flush it.

    Raises:
        ArtifactError: The disk is full or refuses.
    """
    with disk_errors(path, len(data)), path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
