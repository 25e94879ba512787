"""Makes Datasets out of bare rows, without images: for laws about splits and checks.

What is measured on images is made up from their names: pixels that are like no other's, and
measures such as ordinary photographs have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
import numpy as np
import polars as pl

from darkroom.data.cache import pixel_cache
from darkroom.data.dataset import INDEX_COLUMNS, Dataset, DatasetRecord
from darkroom.data.kept import store_dataset
from darkroom.data.measures import MEASURES, measures_cache
from darkroom.decision import Task
from darkroom.workspace import Workspace

USUAL = {  # the range of each measure
    "brightness": (0.35, 0.6),
    "contrast": (0.15, 0.25),
    "red": (0.4, 0.6),
    "green": (0.35, 0.55),
    "blue": (0.3, 0.5),
    "saturation": (0.1, 0.3),
    "entropy": (6.5, 7.5),
    "edges": (0.02, 0.06),
    "blue_above": (-0.4, 0.0),
    "sharpness": (0.5, 0.7),
}


class Row(msgspec.Struct, frozen=True):
    """One image of an index."""

    image: str
    label: int | tuple[int, ...] | None
    part: str | None = None
    content: str = ""  # images with the same content are identical files; empty: like no other
    size: tuple[int, int] = (8, 8)  # height and width in pixels
    format: str | None = "PNG"
    group: str | None = None
    target: float | None = None
    taken: datetime | None = None
    camera: str | None = None
    measures: Mapping[str, float] = {}  # what is not usual about it


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
    task: Task = "single-label",
) -> Dataset:
    """Store a Dataset of these rows."""
    table = [
        (
            *(row.image, row.part, _labels(row), digest_of(row), 100, 1, *row.size, 3),
            *(row.format, row.group, row.target, row.taken, row.camera),
        )
        for row in rows
    ]
    count = 1 + max((label for row in rows for label in _labels(row) or ()), default=-1)
    record = DatasetRecord(
        name="rows",
        task=task,
        classes=tuple(classes or [f"class{number}" for number in range(count)]),
        empty_classes=tuple(empty_classes),
        location="nowhere",
        stamp="",
        found=len(rows) + len(skipped),
        used=len(rows),
    )
    dataset = store_dataset(
        workspace,
        record,
        pl.DataFrame(table, schema=INDEX_COLUMNS, orient="row").sort("image"),
        pl.DataFrame(list(skipped), schema={"name": pl.String, "reason": pl.String}, orient="row"),
        made_by="open",
    )
    _make_up(dataset, {digest_of(row): row for row in rows})
    return dataset


def _labels(row: Row) -> list[int] | None:
    if row.label is None or isinstance(row.label, int):
        return None if row.label is None else [row.label]
    return list(row.label)


def _make_up(dataset: Dataset, rows: Mapping[str, Row]) -> None:
    """Put pixels and measures where they are looked for, so that no file is read."""
    preprocess = dataset.default_preprocess()
    shape = (preprocess.height, preprocess.width, preprocess.channels)
    digests = [bytes.fromhex(digest) for digest in rows]
    with pixel_cache(dataset.workspace.cache / "pixels", preprocess).appending() as pixels:
        pixels.add(digests, [_noise(digest, int(np.prod(shape))).reshape(shape) for digest in rows])
    with measures_cache(dataset).appending() as measures:
        measures.add(digests, [_measures(digest, row) for digest, row in rows.items()])


def _noise(digest: str, count: int) -> np.ndarray:
    return np.frombuffer(hashlib.shake_128(digest.encode()).digest(count), np.uint8)


def _measures(digest: str, row: Row) -> np.ndarray:
    shares = _noise(digest, len(MEASURES)) / 255
    known = dict(row.measures)
    if min(row.size) < 64:
        known["sharpness"] = np.nan
    usual = [
        low + share * (high - low)
        for share, (low, high) in zip(shares, USUAL.values(), strict=True)
    ]
    values = [known.get(name, value) for name, value in zip(MEASURES, usual, strict=True)]
    return np.array(values, np.float32)
