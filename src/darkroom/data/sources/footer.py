"""What a Parquet file claims of itself, in its footer and its pages' headers.

It is read before anything is unpacked, and held against itself: of a page that claims a negative
number of values polars takes its memory for endless, and ends the process.
"""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from darkroom.data.sources import is_bomb
from darkroom.errors import DataError

MAX_ROWS = 20_000_000
MAX_GROUP_BYTES = 4 * 1024**3  # of a row group, unpacked: a reader holds a whole one
_MAX_FOOTER_BYTES = 128 * 1024 * 1024
_MAGIC = b"PAR1"
_DEEPEST = 16  # structures within each other; the format has fewer than 10

# Numbers of fields, each list in the order of its structure.
_ROW_COUNT, _ROW_GROUPS = 3, 4  # of the footer
_COLUMNS, _GROUP_BYTES = 1, 2  # of a row group
_CHUNK = 3  # of a column in it
_VALUES, _PAGES_AT, _DICTIONARY_AT = 5, 9, 11  # of that column's chunk
_KIND, _UNPACKED, _PACKED = 1, 2, 3  # of the header of a page
_COUNT = 1  # of the values in it, in the part of the header that its kind has
_NULLS, _ROWS, *_LEVELS = 2, 3, 5, 6  # of that part in the second version
_DATA, _DICTIONARY, _DATA_2 = 0, 2, 3  # kinds
_PART_OF = {_DATA: 5, _DICTIONARY: 7, _DATA_2: 8}


def refuse_bomb(source: Path | bytes, *, where: str) -> None:
    """Refuse a Parquet file that would unpack to far more than it is.

    Args:
        source: Its path, or its bytes.
        where: Its name, for messages.

    Raises:
        DataError: It claims too many rows or bytes, its footer is damaged, or its pages are not
            what the footer says.

    Source: the format's own definition, apache/parquet-format, `parquet.thrift`.
    """
    try:
        with _mapped(source) as data:
            packed = len(data)
            claims = _Thrift(_footer(data)).structure()
            rows = int(claims[_ROW_COUNT])
            groups = [int(group[_GROUP_BYTES]) for group in claims[_ROW_GROUPS]]
            chunks = [one[_CHUNK] for group in claims[_ROW_GROUPS] for one in group[_COLUMNS]]
            unpacked = _unpacked_pages(data, chunks)
    except (OSError, LookupError, TypeError, ValueError, AttributeError) as broken:
        raise DataError(
            f"{where} cannot be read as Parquet: {broken}", hint="write it again, or fetch it again"
        ) from broken
    if rows > MAX_ROWS:
        raise DataError(
            f"{where} has {rows:,} rows, above the cap of {MAX_ROWS:,}", hint="cut it into several"
        )
    if max(groups, default=0) > MAX_GROUP_BYTES:
        raise DataError(
            f"{where} has a row group of {max(groups):,} bytes, above the cap of "
            f"{MAX_GROUP_BYTES:,}",
            hint="write it again with smaller row groups",
        )
    refuse_unpacked(max(sum(groups), unpacked), packed, where=where)


def refuse_unpacked(unpacked: int, packed: int, *, where: str) -> None:
    """Refuse a Parquet file that holds far more bytes than it has: values repeat in a few bits.

    Args:
        unpacked: Bytes of all values that will be taken out of it.
        packed: Bytes of the file.
        where: Its name, for messages.

    Raises:
        DataError: It is a bomb.
    """
    if is_bomb(unpacked, packed_bytes=packed):
        raise DataError(
            f"{where} unpacks {packed:,} bytes to {unpacked:,}",
            hint="do not use this file, or write it again without compression",
        )


@contextlib.contextmanager
def _mapped(source: Path | bytes) -> Iterator[bytes | mmap.mmap]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


def _footer(data: bytes | mmap.mmap) -> bytes:
    length = int.from_bytes(data[-8:-4], "little")
    footer = data[max(len(data) - 8 - length, 0) : -8] if length <= _MAX_FOOTER_BYTES else b""
    if data[-4:] != _MAGIC or len(footer) != length:
        raise ValueError("it has no footer; it is cut short, or another kind of file")
    return footer


def _unpacked_pages(data: bytes | mmap.mmap, chunks: list[dict[int, Any]]) -> int:
    """Go through all pages, and sum up the bytes that they unpack to.

    Raises:
        ValueError: A page's header claims what cannot be, or in a column's chunk another number of
            values is found than the footer says.
    """
    taken = unpacked = 0
    for chunk in chunks:
        for takes, unpacks in _pages(data, chunk):
            taken, unpacked = taken + takes, unpacked + unpacks
            if taken > len(data):
                raise ValueError("its pages lie over each other")
    return unpacked


def _pages(data: bytes | mmap.mmap, chunk: dict[int, Any]) -> Iterator[tuple[int, int]]:
    """Give the bytes that each page of a chunk takes, and those it unpacks to."""
    at, missing = chunk[_PAGES_AT], chunk[_VALUES]
    if 0 < chunk.get(_DICTIONARY_AT, 0) < at:
        at = chunk[_DICTIONARY_AT]
    while missing > 0:
        thrift = _Thrift(data, at)
        header = thrift.structure()
        kind, packed, unpacked = header[_KIND], header[_PACKED], header[_UNPACKED]
        page = header[_PART_OF[kind]]
        values = page[_COUNT]
        claims = [packed, unpacked, values]
        if kind == _DATA_2:
            levels = [page[number] for number in _LEVELS]
            claims += [page[_ROWS], page[_NULLS], values - page[_NULLS]]
            claims += [*levels, packed - sum(levels)]
        # A value of a dictionary takes a byte at least.
        most = unpacked if kind == _DICTIONARY else missing
        begun, at = at, thrift.at + packed
        if min(claims) < 0 or values > most or at > len(data):
            raise ValueError("the header of a page claims what cannot be")
        missing -= values if kind != _DICTIONARY else 0
        yield at - begun, unpacked


class _Thrift:
    """Reads Thrift's compact protocol, just enough to get at numbers."""

    def __init__(self, data: bytes | mmap.mmap, at: int = 0) -> None:
        if not 0 <= at < max(len(data), 1):
            raise ValueError("its footer points outside of it")
        self._data, self.at = data, at

    def structure(self, depth: int = 0) -> dict[int, Any]:
        """Read a structure as its fields by number."""
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            step = head >> 4
            number = number + step if step else self._number()
            kind = head & 15
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError("its footer is too deep")
        if kind in (1, 2, 3):  # truth in a list, or a byte
            return self._byte()
        if kind in (4, 5, 6):
            number = self._number()
            return number >> 1 ^ -(number & 1)
        if kind in (7, 8):
            return self._take(8 if kind == 7 else self._number())
        if kind in (9, 10):
            head = self._byte()
            count = head >> 4 if head >> 4 < 15 else self._number()
            self._refuse_many(count)
            return [self._value(head & 15, depth + 1) for _ in range(count)]
        if kind == 12:
            return self.structure(depth + 1)
        raise ValueError(f"its footer holds a value of the unknown kind {kind}")

    def _refuse_many(self, count: int) -> None:
        if count > len(self._data) - self.at:  # each takes a byte at least
            raise ValueError("its footer claims more than it holds")

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _number(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128 or shift > 63:
                return number

    def _take(self, count: int) -> bytes:
        self._refuse_many(count)
        self.at += count
        return self._data[self.at - count : self.at]
