"""Datasets kept in a workspace: write one, open one again, find the one that others came from."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from darkroom.data.dataset import Dataset, DatasetRecord
from darkroom.disk import remove_folder, write_file
from darkroom.errors import ArtifactError
from darkroom.records import to_json
from darkroom.storage import Parent, verified
from darkroom.workspace import Workspace


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
    files = {
        "dataset.json": to_json(record),
        "index.parquet": _parquet(index),
        "skipped.parquet": _parquet(skipped),
    }
    whole = hashlib.sha256(b"".join(files.values())).hexdigest()
    name = f"{record.name}-{whole[:6]}"
    target = workspace.folder("dataset") / name
    with contextlib.suppress(ArtifactError):
        return load_dataset(target)
    remove_folder(target)
    try:
        with workspace.stage(
            "dataset", name, made_by=made_by, parents=tuple(parents), identity=whole[:32]
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


def _parquet(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()
