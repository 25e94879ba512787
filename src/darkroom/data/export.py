"""`export_dataset`: write a dataset's images, byte for byte, in a form that other tools read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.exports import Writer
from darkroom.data.exports.folder import write_folder
from darkroom.data.exports.parquet import write_parquet
from darkroom.data.exports.webdataset import write_webdataset
from darkroom.disk import appear, staging_folder
from darkroom.errors import ArtifactError, DataError, nearest

Format = Literal["folder", "parquet", "webdataset"]

FORMATS: dict[str, Writer] = {
    "folder": write_folder,
    "parquet": write_parquet,
    "webdataset": write_webdataset,
}


def export_dataset(
    dataset: Dataset,
    target: Path | str,
    *,
    format: Format = "folder",  # noqa: A002 - the word for it everywhere
    parts: Sequence[str] | None = None,
) -> Path:
    """Write every image of a dataset with its part, labels and group to a new folder.

    The files are the original ones, byte for byte. The folder appears whole or not at all, and
    `open_dataset` opens it again with the same images, parts and labels.

    Args:
        dataset: Split or not; after a split, the export holds the parts.
        target: A folder that does not exist yet.
        format: `folder`: a file per image, part/class/name, with a `metadata.jsonl` where folders
            say too little; `parquet`: files of up to 64 MiB in the form of Hugging Face;
            `webdataset`: tar shards of up to 256 MiB.
        parts: Only these, for example `("train", "valid")`.

    Returns:
        The folder.

    Raises:
        DataError: An image is gone or changed since the dataset was opened, the format or a part
            is unknown, the target lies within the images, or a class's name does not go into the
            form; it is named.
        ArtifactError: The target exists already, or the disk is full or refuses.
    """
    folder = Path(target).expanduser()
    if format not in FORMATS:
        raise DataError(
            f"`{format}` is no form of export", hint=f"format={nearest(format, FORMATS)}"
        )
    rows = _chosen(dataset, parts)
    _refuse_place(dataset, folder)
    with _for_an_export(), staging_folder(folder) as staging:
        FORMATS[format](dataset, rows, staging)
        appear(staging, folder)
    return folder


def _chosen(dataset: Dataset, parts: Sequence[str] | None) -> pl.DataFrame:
    if parts is None:
        return dataset.index
    if isinstance(parts, str) or not parts:
        raise DataError(f"parts = {parts!r} is no list of parts", hint='parts=("train", "test")')
    unknown = [part for part in parts if part not in dataset.counts]
    if unknown:
        raise DataError(
            f"{dataset.name} has no part `{unknown[0]}`",
            hint=f"name {nearest(unknown[0], dataset.counts)}",
        )
    named = pl.col("part").fill_null("unsplit")
    return dataset.index.filter(named.is_in(list(parts)))


def _refuse_place(dataset: Dataset, folder: Path) -> None:
    if folder.exists() or folder.is_symlink():
        raise ArtifactError(
            f"{folder} exists already, and an export writes over nothing",
            hint="name a folder that does not exist yet",
        )
    source = Path(dataset.record.location)
    if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
        raise DataError(
            f"{folder} lies within {source}, which would then hold its images twice",
            hint=f"export beside it: {source.parent / (source.name + '-export')}",
        )


@contextlib.contextmanager
def _for_an_export() -> Iterator[None]:
    """Point away from the workspace, which the usual hint names: an export lies elsewhere."""
    try:
        yield
    except ArtifactError as refused:
        raise ArtifactError(
            refused.problem, hint="free some space there, or export to a folder on another disk"
        ) from refused
