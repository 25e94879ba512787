"""Read every image of a source once: hash it, decode it, keep its pixels, and account for it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from darkroom.data.cache import pixel_cache
from darkroom.data.decode import ENDINGS, image_facts, image_format
from darkroom.data.preprocess import Preprocess, default_preprocess, prepare_image
from darkroom.data.sources import Entry, Skipped, Source
from darkroom.data.wording import UNREADABLE
from darkroom.errors import DataError
from darkroom.progress import track_sized

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import UInt8

T = TypeVar("T")
R = TypeVar("R")

_CHUNK_IMAGES = 256
_CHUNK_BYTES = 8 * 1024 * 1024
_PEEK_IMAGES = 32


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at an image told."""

    name: str
    size_bytes: int
    modified_ns: int
    sha256: str  # 64 hex digits
    height: int  # pixels, upright
    width: int  # pixels, upright
    channels: int  # 1 or 3
    format: str  # JPEG, PNG, ...
    taken: datetime | None  # when the photograph was made, by its EXIF data
    camera: str | None  # maker and model, by its EXIF data


def survey(
    source: Source, entries: Sequence[Entry], cache_folder: Path
) -> tuple[list[Seen], list[Skipped]]:
    """Read, hash and decode every image, and keep its pixels for the default Preprocess.

    Args:
        source: Where the images are.
        entries: Which of its files to read.
        cache_folder: Where pixel caches live.

    Returns:
        What is used, and what is not with its reason; together they are all entries.

    Raises:
        DataError: The source itself cannot be read.
        ArtifactError: The disk is full.
    """
    preprocess = _guess(source, entries)
    seen: list[Seen] = []
    skipped: list[Skipped] = []

    def look(chunk: Sequence[tuple[Entry, bytes | DataError]]) -> _Looked:
        return [_look(entry, data, preprocess) for entry, data in chunk]

    with pixel_cache(cache_folder, preprocess).appending() as appender:
        for looked in in_order(look, in_chunks(_reads(source, entries)), total=len(entries)):
            kept = [item for item in looked if not isinstance(item, Skipped)]
            skipped.extend(item for item in looked if isinstance(item, Skipped))
            seen.extend(item for item, _ in kept)
            digests = [bytes.fromhex(item.sha256) for item, _ in kept]
            appender.add(digests, [pixels for _, pixels in kept])
    return seen, skipped


def in_chunks(sized: Iterable[tuple[T, int]]) -> Iterator[list[T]]:
    """Gather what is read into chunks of at most 256 things, each ended by its 8th MiB.

    Args:
        sized: Each thing with its size in bytes.
    """
    chunk: list[T] = []
    filled = 0
    for thing, size_bytes in sized:
        chunk.append(thing)
        filled += size_bytes
        if len(chunk) == _CHUNK_IMAGES or filled >= _CHUNK_BYTES:
            yield chunk
            chunk, filled = [], 0
    if chunk:
        yield chunk


def in_order(work: WorkOn[T, R], chunks: Iterable[Sequence[T]], *, total: int) -> Iterator[R]:
    """Work on chunks with every core and give the results in order, a few chunks ahead.

    Reading happens in the calling thread, so that an archive is read front to back.
    """
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        yield from (
            result
            for result, _ in track_sized(_ahead(pool, work, chunks, workers), "reading", total)
        )


def _ahead(
    pool: ThreadPoolExecutor, work: WorkOn[T, R], chunks: Iterable[Sequence[T]], workers: int
) -> Iterator[tuple[R, int]]:
    waiting: list[tuple[Future[R], int]] = []
    for chunk in chunks:
        waiting.append((pool.submit(work, chunk), len(chunk)))
        if len(waiting) > workers + 1:
            future, count = waiting.pop(0)
            yield future.result(), count
    for future, count in waiting:
        yield future.result(), count


def _reads(
    source: Source, entries: Sequence[Entry]
) -> Iterator[tuple[tuple[Entry, bytes | DataError], int]]:
    for entry in entries:
        data: bytes | DataError
        try:
            data = source.read(entry.name)
        except DataError as refused:
            data = refused
        yield (entry, data), entry.size_bytes


def _look(
    entry: Entry, data: bytes | DataError, preprocess: Preprocess
) -> tuple[Seen, UInt8[np.ndarray, "height width channels"]] | Skipped:
    if isinstance(data, DataError):
        why = getattr(data.__cause__, "strerror", None) or data.__cause__ or data.problem
        return Skipped(name=entry.name, reason=f"{UNREADABLE}cannot be read: {why}")
    if image_format(data) is None and not entry.name.lower().endswith(ENDINGS):
        return Skipped(name=entry.name, reason="not an image")
    try:
        facts, pixels = image_facts(data), prepare_image(data, preprocess)
    except DataError as refused:
        return Skipped(name=entry.name, reason=f"{UNREADABLE}{refused.problem}")
    seen = Seen(
        name=entry.name,
        size_bytes=len(data),
        modified_ns=entry.modified_ns,
        sha256=hashlib.sha256(data).hexdigest(),
        height=facts.height,
        width=facts.width,
        channels=facts.channels,
        format=facts.format,
        taken=facts.taken,
        camera=facts.camera,
    )
    return seen, pixels


def _guess(source: Source, entries: Sequence[Entry]) -> Preprocess:
    """Guess the default Preprocess from a few images, so that one pass both checks and caches."""
    sizes: set[tuple[int, int]] = set()
    is_grey = True
    for entry in entries[:: max(len(entries) // _PEEK_IMAGES, 1)]:
        try:
            facts = image_facts(source.read(entry.name))
        except DataError:
            continue
        sizes.add((facts.height, facts.width))
        is_grey = is_grey and facts.channels == 1
    return default_preprocess(sizes, is_grey=is_grey and bool(sizes))


if TYPE_CHECKING:
    from collections.abc import Callable

    WorkOn = Callable[[Sequence[T]], R]
    _Looked = list[tuple[Seen, UInt8[np.ndarray, "height width channels"]] | Skipped]
