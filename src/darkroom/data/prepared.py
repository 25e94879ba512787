"""The prepared pixels of any rows of an index, whichever part they are in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from darkroom.data.cache import pixel_cache
from darkroom.data.dataset import Dataset
from darkroom.data.preprocess import Preprocess, prepare_image
from darkroom.data.sources import Source
from darkroom.data.survey import in_chunks, in_order

if TYPE_CHECKING:
    from jaxtyping import Bool, Int, UInt8

    from darkroom.data.cache import Batch

    Prepared = list[tuple[bytes, UInt8[np.ndarray, "height width channels"]]]


def prepared_images(
    dataset: Dataset, table: pl.DataFrame, preprocess: Preprocess
) -> Iterator[Prepared]:
    """Read and prepare images with every core, chunk by chunk; nothing is kept.

    Args:
        dataset: Where they are from.
        table: Rows of its index; identical files are read once.
        preprocess: What to prepare them for.

    Yields:
        The sha256 and the pixels of each image of a chunk.

    Raises:
        DataError: An image changed since the dataset was opened.
    """
    source = dataset.source()
    unique = in_reading_order(source, table.select("image", "sha256").unique("sha256"))

    def reads() -> Iterator[tuple[tuple[str, str, bytes], int]]:
        for name, sha256 in unique.iter_rows():
            data = source.read(name)
            yield (name, sha256, data), len(data)

    def prepare(chunk: Sequence[tuple[str, str, bytes]]) -> Prepared:
        return [
            (bytes.fromhex(sha256), prepare_image(dataset.checked(name, data, sha256), preprocess))
            for name, sha256, data in chunk
        ]

    yield from in_order(prepare, in_chunks(reads()), total=len(unique))


def in_reading_order(source: Source, rows: pl.DataFrame) -> pl.DataFrame:
    """Sort rows of an index as their source is read fastest: a packed tar only front to back."""
    order = {entry.name: number for number, entry in enumerate(source.listing().entries)}
    last = len(order)  # what is there no more
    place = [order.get(name, last) for name in rows["image"]]
    return rows.with_columns(pl.Series("_place", place)).sort("_place").drop("_place")


def pixel_rows(
    dataset: Dataset, table: pl.DataFrame, preprocess: Preprocess
) -> tuple[UInt8[np.ndarray, "rows height width channels"], Int[np.ndarray, "images"]]:
    """Give prepared pixels from the cache, decoding only what is not there yet.

    Args:
        dataset: Where the images are from.
        table: Rows of its index.
        preprocess: What to prepare them for.

    Returns:
        Every row of the cache, memory-mapped, and the row of each image of the table.

    Raises:
        DataError: An image changed since the dataset was opened.
        ArtifactError: The disk is full, or the cache was removed while it was filled.
    """
    cache = pixel_cache(dataset.workspace.cache / "pixels", preprocess)
    digests = [bytes.fromhex(digest) for digest in table["sha256"]]

    def prepare(missing: Bool[np.ndarray, "images"]) -> Iterator[Batch]:
        for chunk in prepared_images(dataset, table.filter(pl.Series(missing)), preprocess):
            yield [digest for digest, _ in chunk], [pixels for _, pixels in chunk]

    return cache.look_up(digests, prepare)
