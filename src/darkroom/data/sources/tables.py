"""A CSV, TSV, JSON Lines or Parquet table as named columns of plain values.

Nothing is guessed from the values: of CSV everything is text, so that a class `007` stays one.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from darkroom.data.sources.footer import refuse_bomb, refuse_unpacked
from darkroom.errors import DataError

TABLE_ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".pq")
PARQUET_ENDINGS = (".parquet", ".pq")
_AN_OBJECT = 'write one object for each image: {"file_name": "1.jpg", "label": "cat"}'
MAX_TEXT_BYTES = 4 * 1024**3  # of a CSV, TSV or JSON Lines file


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of one length, loaded when they are asked for."""

    where: str  # for messages
    names: tuple[str, ...]
    rows: int
    load: Callable[[str], list[Any]]  # the plain values of a column
    class_names: Mapping[str, tuple[str, ...]] = {}  # what whole numbers in a column stand for


def read_table(source: Path | bytes, *, where: str) -> Table:
    """Read a table of the kind that the ending of its name tells.

    Args:
        source: Its path, or its bytes when it lies in an archive.
        where: Its name, for messages and for its ending.

    Raises:
        DataError: It cannot be read, is not UTF-8, is damaged, has two columns of one name, rows
            of unequal length, or no rows.
    """
    lower = where.lower()
    if lower.endswith(PARQUET_ENDINGS):
        table = _read_parquet(source, where)
    else:
        text = _text(source, where)
        is_csv = lower.endswith((".csv", ".tsv"))
        table = _read_csv(text, where) if is_csv else _read_jsonl(text, where)
    _refuse_repeated(table.names, where)
    if not table.rows:
        raise DataError(f"{where} holds no rows", hint="add a row for each image")
    return table


def _text(source: Path | bytes, where: str) -> str:
    try:
        if isinstance(source, Path) and source.stat().st_size > MAX_TEXT_BYTES:
            raise DataError(f"{where} is larger than 4 GiB", hint="save it as Parquet")
        data = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as refused:
        raise DataError(
            f"{where} cannot be read: {refused.strerror}", hint=f"ls -l {where}"
        ) from refused
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as odd:
        line = data.count(b"\n", 0, odd.start) + 1
        raise DataError(
            f"{where} is not UTF-8: line {line:,} holds the byte 0x{data[odd.start]:02x}",
            hint=f"iconv -f WINDOWS-1252 -t UTF-8 {where} > utf8-{Path(where).name}",
        ) from odd


def _read_csv(text: str, where: str) -> Table:
    header = text[: text.find("\n") + 1]
    marks = ("\t",) if where.lower().endswith(".tsv") else (",", ";", "\t")
    mark = max(marks, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    try:
        names = tuple(name.strip() for name in next(reader, []))
        _refuse_repeated(names, where)
        columns: list[list[str]] = [[] for _ in names]
        for row in reader:
            if not row:
                continue  # a blank line is no row
            if len(row) != len(names):
                raise DataError(
                    f"{where} has {len(row)} fields in the row that ends in line "
                    f"{reader.line_num:,}, and {len(names)} columns",
                    hint="put quotes around a field that holds the separator, or fill the row up",
                )
            for column, value in zip(columns, row, strict=True):
                column.append(value)
    except csv.Error as odd:
        raise DataError(
            f"{where} cannot be read as a table at line {reader.line_num:,}: {odd}",
            hint="check the quotes in that line",
        ) from odd
    by_name = dict(zip(names, columns, strict=True))
    rows = len(columns[0]) if columns else 0
    return Table(where=where, names=names, rows=rows, load=by_name.__getitem__)


def _read_jsonl(text: str, where: str) -> Table:
    lines = enumerate(text.split("\n"), start=1)
    return records_table(
        (
            json_object(line, where=f"{where}, line {number:,}")
            for number, line in lines
            if line.strip()
        ),
        where=where,
    )


def records_table(records: Iterable[Mapping[str, Any]], *, where: str) -> Table:
    """Make a table of records, one per row; what a record does not say is None."""
    listed = list(records)
    names = tuple(dict.fromkeys(name for record in listed for name in record))
    return Table(
        where=where,
        names=names,
        rows=len(listed),
        load=lambda name: [record.get(name) for record in listed],
    )


def json_object(text: str | bytes, *, where: str) -> dict[str, Any]:
    """Read one JSON object; of two equal names neither is right.

    Raises:
        DataError: The text is no such object.
    """

    def joined(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        _refuse_repeated(tuple(name for name, _ in pairs), where)
        return dict(pairs)

    try:
        found = json.loads(text, object_pairs_hook=joined)
        json.dumps(found, ensure_ascii=False).encode()  # "\\ud800" alone is no text, yet JSON
    except (ValueError, RecursionError) as odd:
        raise DataError(f"{where} is not JSON: {odd}", hint=_AN_OBJECT) from odd
    if not isinstance(found, dict):
        raise DataError(
            f"{where} holds a {type(found).__name__} where an object was needed",
            hint=_AN_OBJECT,
        )
    return found


def _read_parquet(source: Path | bytes, where: str) -> Table:
    def frame() -> pl.LazyFrame:
        file = io.BytesIO(source) if isinstance(source, bytes) else source
        return pl.scan_parquet(file, glob=False)

    def load(name: str) -> list[Any]:
        with parquet_damage(where):
            column = frame().select(name).collect()[name]
        refuse_lost_rows(len(column), rows, where=where)
        refuse_unpacked(text_bytes(column), packed, where=where)
        return column.to_list()

    refuse_bomb(source, where=where)
    packed = len(source) if isinstance(source, bytes) else source.stat().st_size
    with parquet_damage(where):
        names = tuple(frame().collect_schema())
        rows = frame().select(pl.len()).collect().item()
    return Table(where=where, names=names, rows=rows, load=load)


def refuse_lost_rows(found: int, rows: int, *, where: str) -> None:
    """Refuse a damaged Parquet file of which polars gives fewer or more rows than it says.

    Raises:
        DataError: The numbers differ.
    """
    if found != rows:
        raise DataError(
            f"{where} is damaged: {found:,} values were read, its footer says {rows:,}",
            hint="write it again, or fetch it again",
        )


def text_bytes(column: pl.Series) -> int:
    """Say how much text or how many bytes a column holds, each value counted where it repeats."""
    kind = column.dtype
    if isinstance(kind, (pl.List, pl.Array)):
        return text_bytes(column.explode())
    if isinstance(kind, pl.Struct):
        return sum(text_bytes(field) for field in column.struct.unnest())
    if isinstance(kind, (pl.Categorical, pl.Enum)):
        column = column.cast(pl.String)
    if column.dtype == pl.String:
        return int(column.str.len_bytes().sum())
    return int(column.bin.size().sum()) if kind == pl.Binary else 0


def file_stamp(path: Path) -> str:
    """Hash the size and the time stamp of one file.

    Raises:
        DataError: It cannot be looked at.
    """
    try:
        status = path.stat()
    except OSError as refused:
        raise DataError(
            f"{path} cannot be read: {refused.strerror}", hint=f"ls -l {path}"
        ) from refused
    return hashlib.sha256(f"{status.st_size} {status.st_mtime_ns}".encode()).hexdigest()


@contextlib.contextmanager
def parquet_damage(where: str) -> Iterator[None]:
    """Turn what polars raises about a damaged file into a DataError that names it."""
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as broken:
        told = str(broken).strip().splitlines()
        raise DataError(
            f"{where} cannot be read as Parquet: {told[0] if told else 'damaged'}",
            hint="write it again, or fetch it again",
        ) from broken


def _refuse_repeated(names: tuple[str, ...], where: str) -> None:
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise DataError(
            f"{where} has more than one column `{'`, `'.join(repeated)}`",
            hint="rename or remove all but one",
        )
