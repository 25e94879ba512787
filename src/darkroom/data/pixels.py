"""The prepared pixels of a dataset: from the cache, decoding only what is not there yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from darkroom.data.cache import PixelCache
from darkroom.data.dataset import Dataset
from darkroom.data.preprocess import Preprocess, prepare_image
from darkroom.data.survey import in_chunks, in_order
from darkroom.errors import ArtifactError

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt8, UInt64


class Images(msgspec.Struct, frozen=True, kw_only=True):
    """The images of one part, in the order of the index."""

    pixels: UInt8[np.ndarray, "rows height width channels"]  # every row of the cache
    rows: Int[np.ndarray, "images"]  # the row of each image
    targets: Float[np.ndarray, "images classes"]
    identities: UInt64[np.ndarray, "images"]  # from each image's sha256

    def __len__(self) -> int:
        return len(self.rows)

    def take(
        self, chosen: Int[np.ndarray, "images"] | slice
    ) -> UInt8[np.ndarray, "images height width channels"]:
        """Copy the pixels of some images."""
        return np.asarray(self.pixels[self.rows[chosen]])


def load_images(dataset: Dataset, part: str, preprocess: Preprocess) -> Images:
    """Give a part's pixels, targets and identities.

    Args:
        dataset: Split.
        part: One of its parts.
        preprocess: What to prepare the images for.

    Raises:
        DataError: The part is missing, or an image changed since the dataset was opened.
        ArtifactError: The disk is full, or the cache was removed while it was filled.
    """
    table = dataset.part(part)
    cache = PixelCache(dataset.workspace.cache / "pixels", preprocess)
    digests = [bytes.fromhex(digest) for digest in table["sha256"]]
    rows = cache.rows(digests)
    if (rows < 0).any():
        _fill(dataset, table.filter(pl.Series(rows < 0)), cache)
        rows = cache.rows(digests)
    if (rows < 0).any():  # as an index, -1 would take the last cached image for each of them
        raise ArtifactError(
            f"{int((rows < 0).sum()):,} images of {dataset.name} are not in {cache.folder} "
            "although they were just put there",
            hint="type the command again, and leave the cache alone while it runs",
        )
    return Images(
        pixels=cache.pixels(),
        rows=rows,
        targets=dataset.targets(part),
        identities=np.array([int.from_bytes(digest[:8], "big") for digest in digests], np.uint64),
    )


def _fill(dataset: Dataset, missing: pl.DataFrame, cache: PixelCache) -> None:
    source = dataset.source()
    table = missing.select("image", "sha256").unique("sha256", maintain_order=True)

    def reads() -> Iterator[tuple[tuple[str, str, bytes], int]]:
        for name, sha256 in table.iter_rows():
            data = source.read(name)
            yield (name, sha256, data), len(data)

    def prepare(
        chunk: Sequence[tuple[str, str, bytes]],
    ) -> list[tuple[bytes, UInt8[np.ndarray, "height width channels"]]]:
        return [
            (
                bytes.fromhex(sha256),
                prepare_image(dataset.checked(name, data, sha256), cache.preprocess),
            )
            for name, sha256, data in chunk
        ]

    with cache.appending() as appender:
        for prepared in in_order(prepare, in_chunks(reads()), total=len(table)):
            appender.add([digest for digest, _ in prepared], [image for _, image in prepared])
