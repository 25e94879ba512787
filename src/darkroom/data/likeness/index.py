"""Which fingerprints are near each other: many sorted tables, no comparison of all with all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.data.likeness.descriptor import BITS
from darkroom.progress import track

if TYPE_CHECKING:
    from jaxtyping import Int, UInt64

    Rows = Int[np.ndarray, "pairs"]

MOST_BITS = 52  # of 256 that may differ; unrelated photographs differ in about 128
_TABLES = 64
_WINDOW = 32  # rows that each row of a table is compared with, at most
_NEAREST = 16  # candidates that each image keeps, at most
_SPARE_BITS = 8  # sort a full bucket further, so that its window holds the nearest
_MERGED_TABLES = 8  # between two prunings
_HALF = np.uint64(32)


class Candidates(msgspec.Struct, frozen=True, kw_only=True):
    """Pairs of fingerprints that may belong to the same picture."""

    first: Int[np.ndarray, "pairs"]  # row, the smaller one
    second: Int[np.ndarray, "pairs"]  # row
    compared: int  # pairs of fingerprints that were compared bit by bit


def find_candidates(
    fingerprints: UInt64[np.ndarray, "images words"], *, most_bits: int = MOST_BITS
) -> Candidates:
    """Find pairs of fingerprints that differ in few bits, in time that grows as n log n.

    Each of 64 tables sorts the images by a few bits more than are needed to number them, drawn
    anew for each table; images that agree in these are compared as a whole. A row is compared
    with at most 32 followers in a table, and each image keeps its 16 nearest, so a thousand
    pictures that look the same cost no more than others.

    Args:
        fingerprints: Up to 2^26 of them.
        most_bits: How many bits may differ.

    Returns:
        Pairs in the order of their rows. One is missed where every table tells it apart.

    Source: locality-sensitive hashing by bit sampling, Indyk and Motwani 1998,
    doi:10.1145/276698.276876; the sorted window, Hernández and Stolfo 1995,
    doi:10.1145/223784.223807.
    """
    count = len(fingerprints)
    pairs, distances = np.zeros(0, np.uint64), np.zeros(0, np.int64)
    fresh: list[tuple[UInt64[np.ndarray, "pairs"], Int[np.ndarray, "pairs"]]] = []
    compared = 0
    rng = np.random.default_rng(11)
    for table in track(range(_TABLES), "comparing fingerprints", _TABLES):
        order, buckets = _table(fingerprints, rng.permutation(BITS))
        for ahead in range(1, min(_WINDOW, count - 1) + 1):
            same = np.flatnonzero(buckets[ahead:] == buckets[:-ahead])
            if len(same) == 0:
                break
            compared += len(same)
            fresh.append(_near(fingerprints, order[same], order[same + ahead], most_bits))
        if table % _MERGED_TABLES == _MERGED_TABLES - 1 and fresh:
            pairs = np.concatenate([pairs, *(some for some, _ in fresh)])
            distances = np.concatenate([distances, *(some for _, some in fresh)])
            pairs, distances = _nearest(pairs, distances)
            fresh = []
    first, second = _rows(pairs)
    return Candidates(first=first, second=second, compared=compared)


def _table(
    fingerprints: UInt64[np.ndarray, "images words"], drawn: Int[np.ndarray, "bits"]
) -> tuple[Rows, UInt64[np.ndarray, "images"]]:
    """Sort the rows by some of their bits; give their order and the bucket of each."""
    row_bits = max((len(fingerprints) - 1).bit_length(), 1)
    bucket_bits = row_bits + 1
    keys = np.zeros(len(fingerprints), np.uint64)
    for bit in drawn[: bucket_bits + _SPARE_BITS].tolist():
        word = fingerprints[:, bit // 64]
        keys = (keys << np.uint64(1)) | ((word >> np.uint64(bit % 64)) & np.uint64(1))
    # Key and row in one number: plain sorting is several times faster than argsort.
    whole = (keys << np.uint64(row_bits)) | np.arange(len(keys), dtype=np.uint64)
    whole.sort()
    order = (whole & np.uint64((1 << row_bits) - 1)).astype(np.int64)
    return order, whole >> np.uint64(row_bits + _SPARE_BITS)


def _near(
    fingerprints: UInt64[np.ndarray, "images words"], one: Rows, other: Rows, most_bits: int
) -> tuple[UInt64[np.ndarray, "pairs"], Int[np.ndarray, "pairs"]]:
    distances = np.zeros(len(one), np.int64)
    for word in range(fingerprints.shape[1]):
        distances += np.bitwise_count(fingerprints[one, word] ^ fingerprints[other, word])
    near = distances <= most_bits
    one, other = one[near], other[near]
    low, high = np.minimum(one, other), np.maximum(one, other)
    return (low.astype(np.uint64) << _HALF) | high.astype(np.uint64), distances[near]


def _nearest(
    pairs: UInt64[np.ndarray, "pairs"], distances: Int[np.ndarray, "pairs"]
) -> tuple[UInt64[np.ndarray, "pairs"], Int[np.ndarray, "pairs"]]:
    """Drop what was found twice, and pairs that are among the nearest of neither image."""
    pairs, unique = np.unique(pairs, return_index=True)
    distances = distances[unique]
    first, second = _rows(pairs)
    sides = np.concatenate([first, second])
    order = np.argsort(sides * (BITS + 1) + np.tile(distances, 2), kind="stable")
    sides = sides[order]
    begins = np.flatnonzero(np.diff(sides, prepend=-1))
    rank = np.arange(len(sides)) - np.repeat(begins, np.diff(begins, append=len(sides)))
    kept = np.unique(order[rank < _NEAREST] % len(pairs)) if len(pairs) else unique
    return pairs[kept], distances[kept]


def _rows(pairs: UInt64[np.ndarray, "pairs"]) -> tuple[Rows, Rows]:
    return (pairs >> _HALF).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)
