"""What a Parquet file claims of itself, read from its footer before anything is unpacked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from darkroom.data.sources import is_bomb
from darkroom.errors import DataError

MAX_ROWS = 20_000_000
MAX_GROUP_BYTES = 4 * 1024**3  # of a row group, unpacked: a reader holds a whole one
_MAX_FOOTER_BYTES = 128 * 1024 * 1024
_MAGIC = b"PAR1"
_DEEPEST = 16  # structures within each other; the format has fewer than 10
_ROW_COUNT, _ROW_GROUPS, _GROUP_BYTES = 3, 4, 2  # numbers of fields in the footer


def refuse_bomb(source: Path | bytes, *, where: str) -> None:
    """Refuse a Parquet file that would unpack to far more than it is.

    Args:
        source: Its path, or its bytes.
        where: Its name, for messages.

    Raises:
        DataError: It claims too many rows or bytes, or its footer is damaged.

    Source: the format's own definition, apache/parquet-format, `parquet.thrift`.
    """
    try:
        packed, footer = _footer(source)
        claims = _Thrift(footer).structure()
        rows = int(claims[_ROW_COUNT])
        groups = [int(group[_GROUP_BYTES]) for group in claims[_ROW_GROUPS]]
    except (OSError, LookupError, TypeError, ValueError) as broken:
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
    refuse_unpacked(sum(groups), packed, where=where)


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


def _footer(source: Path | bytes) -> tuple[int, bytes]:
    """Give the size of the file, and its footer."""
    if isinstance(source, bytes):
        size, tail = len(source), source[-8:]
        length = int.from_bytes(tail[:4], "little")
        footer = source[max(size - 8 - length, 0) : -8]
    else:
        size = source.stat().st_size
        with source.open("rb") as file:
            file.seek(max(size - 8, 0))
            tail = file.read(8)
            length = int.from_bytes(tail[:4], "little")
            file.seek(max(size - 8 - length, 0))
            footer = file.read(min(length, _MAX_FOOTER_BYTES))
    if tail[4:] != _MAGIC or len(footer) != length or length > _MAX_FOOTER_BYTES:
        raise ValueError("it has no footer; it is cut short, or another kind of file")
    return size, footer


class _Thrift:
    """Reads Thrift's compact protocol, just enough to get at numbers."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

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
        if count > len(self._data) - self._at:  # each takes a byte at least
            raise ValueError("its footer claims more than it holds")

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

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
        self._at += count
        return self._data[self._at - count : self._at]
