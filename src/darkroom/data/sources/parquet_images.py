"""Parquet files with image bytes in a column, as Hugging Face writes them, as a source."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from darkroom.data.layout import part_of_file
from darkroom.data.sources import (
    MAX_FILE_BYTES,
    Columns,
    Entry,
    Listing,
    Place,
    Skipped,
    Source,
)
from darkroom.data.sources.answers import Answers, join_answers, read_answers, said_or
from darkroom.data.sources.columns import find_columns
from darkroom.data.sources.footer import refuse_unpacked
from darkroom.data.sources.rows import climbs, written_path
from darkroom.data.sources.tables import (
    PARQUET_ENDINGS,
    file_stamp,
    parquet_damage,
    read_table,
    refuse_lost_rows,
    text_bytes,
)
from darkroom.data.wording import check_command
from darkroom.errors import DataError

_BLOCK_BYTES = 8 * 1024 * 1024
_BLOCK_ROWS = 1024
_KEPT_BLOCKS = 8
_CHEAP_READS = 8  # of each block; a block takes some 20 ms


class _Shard(msgspec.Struct, frozen=True, kw_only=True):
    """One file of many images."""

    name: str  # relative to the folder, or the file's own
    path: Path
    image: pl.Expr  # the bytes


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    """Where an image stands: its shard, and the rows that are read together with it."""

    shard: int
    row: int
    first: int  # row of the block
    count: int  # rows of the block


class ParquetImagesSource:
    """The images in a Parquet file, or in the Parquet files of a folder.

    A row's part is that of its column, or else that of its file's name. Neighbouring rows are
    read together and a few such blocks are kept, so memory stays bounded however large the file.

    Args:
        path: The file, or the folder.
        columns: Which columns say what, where they have no usual names.
        folder: The folder as a source, where `path` is one.
    """

    def __init__(self, path: Path, columns: Columns, folder: Source | None = None) -> None:
        self.path = path.resolve()
        self.location = str(self.path)
        self.stem = folder.stem if folder else path.stem
        self._columns, self._folder = columns, folder
        self._listing: Listing | None = None
        self._shards: list[_Shard] = []
        self._rows: dict[str, _Row] = {}
        self._blocks: OrderedDict[tuple[int, int], list[bytes | None]] = OrderedDict()
        self._turn = threading.Lock()

    def stamp(self) -> str:
        """Hash sizes and time stamps of the files."""
        return self._folder.stamp() if self._folder else file_stamp(self.path)

    def listing(self) -> Listing:
        """List every row, shard by shard; only sizes, names and answers are read."""
        if self._listing is None:
            self._listing = self._read()
        return self._listing

    def read(self, name: str) -> bytes:
        """Read one image, and with it its neighbours."""
        self.listing()
        with self._turn:
            where = self._rows.get(name)
            data = self._block(where)[where.row - where.first] if where else None
        if data is None:
            raise DataError(
                f"there is no image {name} in {self.path}", hint=check_command(self.path)
            )
        return data

    def _block(self, where: _Row) -> list[bytes | None]:
        key = (where.shard, where.first)
        if key not in self._blocks:
            shard = self._shards[where.shard]
            with parquet_damage(str(shard.path)):
                rows = pl.scan_parquet(shard.path, glob=False).select(shard.image.alias("image"))
                block = rows.slice(where.first, where.count).collect()["image"].to_list()
            if where.row - where.first >= len(block):  # changed since it was listed
                refuse_lost_rows(where.first + len(block), where.row + 1, where=str(shard.path))
            self._blocks[key] = block
            if len(self._blocks) > _KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(key)
        return self._blocks[key]

    def _read(self) -> Listing:
        files, skipped = self._files()
        shards = [_read_shard(name, path, self._columns) for name, path in files]
        self._shards = [shard for shard, _, _ in shards]
        answers = join_answers([said for _, said, _ in shards], where=self.location)
        parts = [part_of_file(shard.name) for shard, said, _ in shards for _ in said.rows]
        sizes = [frame["size"].to_list() for _, _, frame in shards]
        where = [row for number, of in enumerate(sizes) for row in _in_blocks(number, of)]
        written = [frame["path"].to_list() for _, _, frame in shards]
        names = _names(self._shards, written, where)
        flat = [size for of in sizes for size in of]
        entries: list[Entry] = []
        for name, size, said, part, row in zip(
            names, flat, answers.rows, parts, where, strict=True
        ):
            place = said_or(said, part=part)
            reason = place if isinstance(place, str) else _why_not(size)
            if reason:
                skipped.append(Skipped(name=name, reason=reason))
            elif isinstance(place, Place):
                entries.append(Entry(name=name, size_bytes=size, modified_ns=0, place=place))
                self._rows[name] = row
        return Listing(
            entries=tuple(entries), folders=(), skipped=tuple(skipped), task=answers.task
        )

    def _files(self) -> tuple[list[tuple[str, Path]], list[Skipped]]:
        if self._folder is None:
            return [(self.path.name, self.path)], []
        listing = self._folder.listing()
        names = [entry.name for entry in listing.entries]
        shards = [name for name in names if name.lower().endswith(PARQUET_ENDINGS)]
        others = [
            Skipped(name=name, reason="not a Parquet file")
            for name in names
            if not name.lower().endswith(PARQUET_ENDINGS)
        ]
        return [(name, self.path / name) for name in shards], [*listing.skipped, *others]


def image_columns(path: Path) -> list[str]:
    """Name the columns of a Parquet file that hold image bytes; none: it is a table of paths.

    Raises:
        DataError: The file is damaged.
    """
    with parquet_damage(str(path)):
        schema = pl.read_parquet_schema(path)
    return [name for name, kind in schema.items() if _bytes_of(name, kind) is not None]


def _bytes_of(name: str, kind: pl.DataType) -> pl.Expr | None:
    """Say how to get at the bytes of a column, if it has any."""
    if kind == pl.Binary:
        return pl.col(name)
    fields = (
        {field.name: field.dtype for field in kind.fields} if isinstance(kind, pl.Struct) else {}
    )
    return pl.col(name).struct.field("bytes") if fields.get("bytes") == pl.Binary else None


def _read_shard(name: str, path: Path, asked: Columns) -> tuple[_Shard, Answers, pl.DataFrame]:
    table = read_table(path, where=str(path))
    with parquet_damage(str(path)):
        schema = pl.read_parquet_schema(path)
        metadata = pl.read_parquet_metadata(path)
    found = {column: _bytes_of(column, kind) for column, kind in schema.items()}
    holding = {column: image for column, image in found.items() if image is not None}
    if asked.image in found and asked.image not in holding:
        raise DataError(
            f"the column `{asked.image}` of {path} holds no bytes of images",
            hint=f"name one of {', '.join(holding)}",
        )
    only = next(iter(holding)) if len(holding) == 1 else None
    columns = find_columns(table, asked, image=asked.image or only)
    if columns.image not in holding:
        what = "several columns hold" if holding else "no column holds"
        raise DataError(
            f"{what} bytes of images in {path}: {', '.join(holding or found)}",
            hint=check_command(path, "--image", next(iter(holding), "COLUMN")),
        )
    table = msgspec.structs.replace(table, class_names=_class_names(metadata))
    answers = read_answers(table, columns)
    kind = schema[columns.image]
    has_path = isinstance(kind, pl.Struct) and "path" in {field.name for field in kind.fields}
    image = holding[columns.image]
    written = pl.col(columns.image).struct.field("path") if has_path else pl.lit(None, pl.String)
    with parquet_damage(str(path)):
        frame = (
            pl.scan_parquet(path, glob=False)
            .select(image.bin.size().alias("size"), written.cast(pl.String).alias("path"))
            .collect(engine="streaming")
        )
    refuse_lost_rows(len(frame), table.rows, where=str(path))
    unpacked = int(frame["size"].sum()) + text_bytes(frame["path"])
    refuse_unpacked(unpacked, path.stat().st_size, where=str(path))
    shard = _Shard(name=name, path=path, image=image)
    return shard, answers, frame


def _class_names(metadata: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Give the class names that Hugging Face keeps beside its whole-number labels."""
    try:
        features = json.loads(metadata["huggingface"])["info"]["features"]
        named = {name: _names_within(feature) for name, feature in features.items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}
    return {name: names for name, names in named.items() if names}


def _names_within(feature: Any) -> tuple[str, ...]:
    if isinstance(feature, list):  # a list of labels, as older versions write it
        return _names_within(feature[0]) if feature else ()
    if not isinstance(feature, dict):
        return ()
    names = feature.get("names")
    if isinstance(names, list):
        return tuple(str(name) for name in names)
    return _names_within(feature.get("feature"))


def _names(
    shards: Sequence[_Shard], written: Sequence[Sequence[str | None]], where: Sequence[_Row]
) -> list[str]:
    """Give every image a name: the one it had, or its file and row.

    The names they had are taken where all are apart and reading the images in the order of their
    names, as a Dataset does, is cheap: not where they are hashes in a large file.
    """
    paths = [written_path(path) for of in written for path in of]
    is_apart = len(set(paths)) == len(paths) and not any(not path or climbs(path) for path in paths)
    if is_apart and _is_cheap(paths, where):
        return paths
    return [
        f"{shard.name}/{row:0{len(str(len(of) - 1))}d}"
        for shard, of in zip(shards, written, strict=True)
        for row in range(len(of))
    ]


def _is_cheap(paths: Sequence[str], where: Sequence[_Row]) -> bool:
    """Tell whether reading in the order of names reads each block a few times at most."""
    kept: OrderedDict[tuple[int, int], None] = OrderedDict()
    reads = 0
    for _, row in sorted(zip(paths, where, strict=True), key=lambda pair: pair[0]):
        key = (row.shard, row.first)
        reads += key not in kept
        kept[key] = None
        kept.move_to_end(key)
        if len(kept) > _KEPT_BLOCKS:
            kept.popitem(last=False)
    return reads <= _CHEAP_READS * len({(row.shard, row.first) for row in where})


def _in_blocks(shard: int, sizes: Sequence[int | None]) -> list[_Row]:
    """Say of each row which rows are read together with it: a few MiB, whole neighbours."""
    firsts: list[int] = [0]
    filled = 0
    for row, size in enumerate(sizes):
        if row and (filled + (size or 0) > _BLOCK_BYTES or row - firsts[-1] == _BLOCK_ROWS):
            firsts.append(row)
            filled = 0
        filled += size or 0
    ends = [*firsts[1:], len(sizes)]
    return [
        _Row(shard=shard, row=row, first=first, count=end - first)
        for first, end in zip(firsts, ends, strict=True)
        for row in range(first, end)
    ]


def _why_not(size: int | None) -> str | None:
    if not size:
        return "names no image" if size is None else "holds no bytes"
    return "larger than 256 MiB" if size > MAX_FILE_BYTES else None
