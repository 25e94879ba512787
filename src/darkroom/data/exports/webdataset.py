"""An export as WebDataset: tar shards in which an image and what is said of it share a key."""

from __future__ import annotations

import io
import itertools
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.exports import Exported, Images, exported_rows, in_shards, read_images
from darkroom.disk import disk_errors
from darkroom.errors import DataError

_SHARD_BYTES = 256 * 1024 * 1024  # of images in one shard
_CLASSES = "__classes__"  # without an ending, so that other readers pass it over


def write_webdataset(dataset: Dataset, rows: pl.DataFrame, folder: Path) -> None:
    """Write each part as `train-00000.tar` and so on: the same bytes every time.

    Beside an image `00000007.jpg` stand `00000007.cls` with its class number (single-label only)
    and `00000007.json` with its name, labels or value, and group. The names of the classes lie in
    `__classes__` at the beginning of each shard, one per line.

    Args:
        dataset: Where the images are from.
        rows: Rows of its index.
        folder: Empty.

    Raises:
        DataError: An image changed since the dataset was opened, or a class's name is no line.
        ArtifactError: The disk is full or refuses.
    """
    _refuse_broken_lines(dataset)
    images = exported_rows(dataset, rows)
    read = read_images(dataset, images)
    for part, shards in in_shards(images, _SHARD_BYTES).items():
        numbered = enumerate(image for shard in shards for image in shard)
        for number, shard in enumerate(shards):
            members = _members(dataset, itertools.islice(numbered, len(shard)), read)
            _write_shard(folder / f"{part}-{number:05d}.tar", members)
    read.close()


def _write_shard(path: Path, members: Iterator[tuple[str, bytes]]) -> None:
    """Write a tar without anything in it that differs from one time to the next."""
    with disk_errors(path):
        file = path.open("wb")
    with file:
        archive = tarfile.TarFile(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT)
        for name, data in members:
            member = tarfile.TarInfo(name)  # of nobody, at the beginning of time
            member.size = len(data)
            with disk_errors(path, len(data)):
                archive.addfile(member, io.BytesIO(data))
        with disk_errors(path):
            archive.close()
            file.flush()
            os.fsync(file.fileno())


def _members(
    dataset: Dataset, numbered: Iterator[tuple[int, Exported]], read: Images
) -> Iterator[tuple[str, bytes]]:
    numbers = {name: number for number, name in enumerate(dataset.classes)}
    yield _CLASSES, "".join(f"{name}\n" for name in dataset.classes).encode()
    for number, image in numbered:
        _, data = next(read)
        key = f"{number:08d}"
        if dataset.task == "single-label" and image.labels:
            yield f"{key}.cls", str(numbers[image.labels[0]]).encode()
        yield f"{key}.{image.ending}", data
        yield f"{key}.json", msgspec.json.encode(_said(dataset, image))


def _said(dataset: Dataset, image: Exported) -> dict[str, object]:
    said: dict[str, object] = {"name": image.name}
    if dataset.task == "regression":
        said["value"] = image.value
    elif dataset.task == "multi-label":
        said["labels"] = image.labels
    elif image.labels:
        said["label"] = image.labels[0]
    return said if image.group is None else {**said, "group": image.group}


def _refuse_broken_lines(dataset: Dataset) -> None:
    for name in dataset.classes:
        if name.splitlines() != [name] or name != name.strip():
            raise DataError(
                f"the class `{name!r}` of {dataset.name} cannot be a line of {_CLASSES}",
                hint="rename the class, or export it as a folder",
            )
