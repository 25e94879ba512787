"""What was computed once of an image: rows of numbers, memory-mapped, keyed by the image's bytes.

Prepared pixels are kept so, and what is measured on them. There is one file of fixed-size rows per
way of making them, and beside it one of sha256 keys. Rows are only ever appended, keys only after
their rows are on the disk; so a torn write costs a few rows at the end and never pairs a key with
the wrong pixels. The folder may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from darkroom.data.decode import DECODER
from darkroom.data.preprocess import Preprocess, pixel_key
from darkroom.disk import disk_errors
from darkroom.errors import ArtifactError

if TYPE_CHECKING:
    from jaxtyping import Bool, Int

    # Keys and the row of each; what is there already or comes twice is passed over.
    Batch = tuple[Sequence[bytes], Sequence[np.ndarray] | np.ndarray]

_KEY_BYTES = 32
_FLUSH_S = 10.0  # so often what was added is made visible; a flush takes milliseconds


def pixel_cache(folder: Path, preprocess: Preprocess) -> RowCache:
    """Give the cache of the pixels that were prepared with one Preprocess.

    Args:
        folder: Where caches live.
        preprocess: Scaling does not matter here: pixels are kept as bytes.
    """
    versions = [importlib.metadata.version(library) for library in ("pillow", "simplejpeg")]
    made_by = " ".join([pixel_key(preprocess), str(DECODER), *versions])
    shape = (preprocess.height, preprocess.width, preprocess.channels)
    return RowCache(folder, made_by, shape)


class RowCache:
    """One row of numbers for every image that was seen.

    Args:
        folder: Where caches live.
        made_by: What decides the numbers, beside the image's bytes: another way, another cache.
        shape: Of one row.
        dtype: Of its numbers.
    """

    def __init__(
        self,
        folder: Path,
        made_by: str,
        shape: tuple[int, ...],
        dtype: type[np.uint8 | np.float32] = np.uint8,
    ) -> None:
        self.folder = folder
        self.shape = shape
        self._dtype = dtype
        self._row_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        key = hashlib.sha256(made_by.encode()).hexdigest()[:16]
        self._pixels, self._keys = folder / f"{key}.pixels", folder / f"{key}.keys"

    def look_up(
        self,
        digests: Sequence[bytes],
        make: Callable[[Bool[np.ndarray, "images"]], Iterable[Batch]],
    ) -> tuple[np.ndarray, Int[np.ndarray, "images"]]:
        """Give the rows of images, making first what is not cached yet.

        Args:
            digests: The sha256 of each image's bytes.
            make: Gets which of the images are missing, at least one; gives their digests and
                rows, batch by batch. Called while no other process can append.

        Returns:
            Every row of the cache, memory-mapped, and the row of each image, 0 or more.

        Raises:
            ArtifactError: The disk is full, or the cache was removed while it was filled.
        """
        rows = self.rows(digests)
        if (rows < 0).any():
            with self.appending() as appender:
                for made, values in make(rows < 0):
                    appender.add(made, values)
            rows = self.rows(digests)
        if (rows < 0).any():  # as an index, -1 would take the last cached image for each of them
            raise ArtifactError(
                f"{int((rows < 0).sum()):,} of {len(digests):,} images are not in {self.folder} "
                "although they were just put there",
                hint="type the command again, and leave the cache alone while it runs",
            )
        return self.values(), rows

    def rows(self, digests: Sequence[bytes]) -> Int[np.ndarray, "images"]:
        """Look up images by the sha256 of their bytes.

        Returns:
            The row of each, -1 where it is not cached yet.
        """
        known = self._known()
        return np.fromiter((known.get(digest, -1) for digest in digests), np.int64, len(digests))

    def values(self) -> np.ndarray:
        """Map all rows into memory, read-only; nothing is read until it is used."""
        count = self._count()
        if count == 0:
            return np.zeros((0, *self.shape), self._dtype)
        return np.memmap(self._pixels, self._dtype, "r", shape=(count, *self.shape))

    @contextlib.contextmanager
    def appending(self) -> Iterator[Appender]:
        """Add rows; readers see them when the block ends, also by an interruption.

        In a long block they see them every ten seconds: a process that is killed loses no more.

        Raises:
            ArtifactError: The disk is full.
        """
        with disk_errors(self._pixels):
            self._pixels.parent.mkdir(parents=True, exist_ok=True)
            keys = self._keys.open("ab+", buffering=0)
        with keys:
            fcntl.flock(keys, fcntl.LOCK_EX)
            whole = self._count()
            with disk_errors(self._pixels), self._pixels.open("ab+", buffering=0) as rows:
                os.truncate(self._pixels, whole * self._row_bytes)
                os.truncate(self._keys, whole * _KEY_BYTES)
                appender = Appender(rows.fileno(), keys.fileno(), self._pixels, self._known())
                try:
                    yield appender
                finally:
                    appender.flush()

    def _count(self) -> int:
        try:
            keys, rows = self._keys.stat().st_size, self._pixels.stat().st_size
        except FileNotFoundError:
            return 0
        return min(keys // _KEY_BYTES, rows // self._row_bytes)

    def _known(self) -> dict[bytes, int]:
        if not self._keys.exists():
            return {}
        raw = self._keys.read_bytes()
        spans = range(self._count())
        return {raw[row * _KEY_BYTES : (row + 1) * _KEY_BYTES]: row for row in spans}


class Appender:
    """Writes rows in the order they come; made by `RowCache.appending`."""

    def __init__(self, rows: int, keys: int, path: Path, known: dict[bytes, int]) -> None:
        self._rows, self._keys, self._path, self._known = rows, keys, path, known
        self._added: list[bytes] = []  # written, and not to be seen yet
        self._flushed = time.monotonic()

    def add(
        self,
        digests: Sequence[bytes],
        values: Sequence[np.ndarray] | np.ndarray,
    ) -> None:
        """Append the rows of images that are not there yet; they have the cache's dtype."""
        fresh = {
            digest: row
            for digest, row in zip(digests, values, strict=True)
            if digest not in self._known
        }
        if not fresh:
            return
        block = b"".join(np.ascontiguousarray(row).tobytes() for row in fresh.values())
        with disk_errors(self._path, len(block)):
            _write_all(self._rows, block)
        for digest in fresh:
            self._known[digest] = len(self._known)
            self._added.append(digest)
        if time.monotonic() - self._flushed >= _FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Let readers see what was added, once it is on the disk."""
        os.fsync(self._rows)
        _write_all(self._keys, b"".join(self._added))
        os.fsync(self._keys)
        self._added.clear()
        self._flushed = time.monotonic()


def _write_all(handle: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(handle, view) :]
