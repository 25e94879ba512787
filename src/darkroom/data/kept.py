"""Datasets kept in a workspace: write one, open one again, find the one that others came from."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import msgspec
import polars as pl

from darkroom.data.dataset import Dataset, DatasetRecord
from darkroom.disk import remove_folder, write_file
from darkroom.errors import ArtifactError
from darkroom.records import content_hash, to_json
from darkroom.storage import Parent, read_manifest, verified
from darkroom.workspace import Workspace

_NAME_DIGITS = (6, 12)  # of the identity; all of it when other Datasets have these names


def load_dataset(path: Path) -> Dataset:
    """Open a Dataset that lies in a workspace, every byte checked.

    Raises:
        ArtifactError: It is none, or damaged.
    """
    return Dataset(path, verified(path, "dataset"))


def store_dataset(
    workspace: Workspace,
    record: DatasetRecord,
    index: pl.DataFrame,
    skipped: pl.DataFrame,
    *,
    made_by: str,
    parents: Sequence[Parent] = (),
) -> Dataset:
    """Write a Dataset, or give back the one that says exactly the same.

    Name and id are those of the content. So a Dataset that was removed or damaged is made anew as
    the same one, and what was made from it still finds it.

    Raises:
        ArtifactError: The disk is full.
    """
    whole = _identity(record, index, skipped)
    target = _place(workspace.folder("dataset"), record.name, whole)
    with contextlib.suppress(ArtifactError):
        return load_dataset(target)
    remove_folder(target)
    files = {
        "dataset.json": to_json(record),
        "index.parquet": _parquet(index),
        "skipped.parquet": _parquet(skipped),
    }
    try:
        with workspace.stage(
            "dataset", target.name, made_by=made_by, parents=tuple(parents), identity=whole
        ) as staging:
            for file, data in files.items():
                write_file(staging / file, data)
    except ArtifactError:
        if not target.exists():
            raise  # else another process made the same one in the meantime
    return load_dataset(target)


def parent_dataset(workspace: Workspace, parents: Sequence[Parent]) -> Dataset:
    """Open the Dataset among an artifact's parents.

    Raises:
        ArtifactError: It is not in this workspace, or damaged.
    """
    parent = next(parent for parent in parents if parent.kind == "dataset")
    return load_dataset(workspace.find_parent(parent))


def _identity(record: DatasetRecord, index: pl.DataFrame, skipped: pl.DataFrame) -> str:
    """Name a Dataset by what it says, 32 hex digits.

    Rows are hashed, not the files: those also hold the version of polars. The source's stamp is
    left out: an archive that was copied has another one and the same images.
    """
    says = msgspec.structs.replace(record, stamp="")
    digest = hashlib.sha256(content_hash(says).encode())
    for table in (index, skipped):
        digest.update(msgspec.json.encode((table.columns, table.rows())))
    return digest.hexdigest()[:32]


def _place(folder: Path, name: str, identity: str) -> Path:
    """Give the folder of a Dataset: the shortest name that no other Dataset has."""
    for digits in _NAME_DIGITS:
        place = folder / f"{name}-{identity[:digits]}"
        with contextlib.suppress(ArtifactError):  # none is there, or it can be told no more
            if read_manifest(place).id != identity:
                continue
        return place
    return folder / f"{name}-{identity}"


def _parquet(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()
