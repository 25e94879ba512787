"""Makes Datasets out of bare rows, without images: for laws about splits and checks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
import polars as pl

from darkroom.data.dataset import INDEX_COLUMNS, Dataset, DatasetRecord
from darkroom.data.kept import store_dataset
from darkroom.workspace import Workspace


class Row(msgspec.Struct, frozen=True):
    """One image of an index."""

    image: str
    label: int | None
    part: str | None = None
    content: str = ""  # images with the same content are identical files; empty: like no other


def digest_of(row: Row) -> str:
    """Give the sha256 an image of this content would have."""
    return hashlib.sha256((row.content or row.image).encode()).hexdigest()


def make_index(
    workspace: Workspace,
    rows: Sequence[Row],
    *,
    skipped: Sequence[tuple[str, str]] = (),
    classes: Sequence[str] | None = None,
    empty_classes: Sequence[str] = (),
) -> Dataset:
    """Store a Dataset of these rows."""
    count = 1 + max((row.label for row in rows if row.label is not None), default=-1)
    table = [
        (
            row.image,
            row.part,
            None if row.label is None else [row.label],
            digest_of(row),
            100,
            1,
            8,
            8,
            3,
        )
        for row in rows
    ]
    record = DatasetRecord(
        name="rows",
        task="single-label",
        classes=tuple(classes or [f"class{number}" for number in range(count)]),
        empty_classes=tuple(empty_classes),
        location="nowhere",
        stamp="",
        found=len(rows) + len(skipped),
        used=len(rows),
    )
    return store_dataset(
        workspace,
        record,
        pl.DataFrame(table, schema=INDEX_COLUMNS, orient="row").sort("image"),
        pl.DataFrame(list(skipped), schema={"name": pl.String, "reason": pl.String}, orient="row"),
        made_by="open",
    )
