"""Hugging Face's *imagefolder*: images, and a `metadata.*` table in their folder or archive."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from darkroom.data.layout import PART_NAMES, place_image, read_layout
from darkroom.data.sources import Columns, Entry, Listing, Place, Source
from darkroom.data.sources.answers import Answers, join_answers, read_answers
from darkroom.data.sources.columns import find_columns, named_image
from darkroom.data.sources.rows import MISSING, OUTSIDE, climbs, join_rows, written_path
from darkroom.data.sources.tables import Table, read_table
from darkroom.errors import DataError

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_FILE_NAME = "file_name"


def has_file_names(data: bytes, name: str) -> bool:
    """Tell whether a `metadata.*` table has the column `file_name` that makes it one.

    Args:
        data: The table.
        name: Its name, for its ending.

    Raises:
        DataError: It is damaged.
    """
    if name.lower().endswith(".parquet"):
        return _FILE_NAME in (column.lower() for column in read_table(data, where=name).names)
    first, *_ = data.lstrip().split(b"\n", 1)
    return _FILE_NAME.encode() in first.lower()


class ImageFolderSource:
    """The images of a folder or archive, with what its `metadata.*` tables say of them.

    Where a table has no column of labels, the folders say the class, as without a table. The
    tables themselves are read and not counted.

    Args:
        store: The folder or the archive.
        tables: The names of its tables; `file_name` is relative to where each lies.
        columns: Which of their columns say what, where they have no usual names.
    """

    def __init__(self, store: Source, tables: Sequence[str], columns: Columns) -> None:
        self.location, self.stem = store.location, store.stem
        self._store, self._tables, self._columns = store, tables, columns
        self._listing: Listing | None = None

    def stamp(self) -> str:
        """Take the stamp of the folder or the archive."""
        return self._store.stamp()

    def listing(self) -> Listing:
        """List every file, with its place where a table names it."""
        if self._listing is None:
            self._listing = self._read()
        return self._listing

    def read(self, name: str) -> bytes:
        """Read one file."""
        return self._store.read(name)

    def _read(self) -> Listing:
        stored = self._store.listing()
        entries = {entry.name: entry for entry in stored.entries if entry.name not in self._tables}
        paths: list[str] = []
        found: list[Entry | str] = []
        said: list[Answers] = []
        for name in self._tables:
            table = read_table(self._store.read(name), where=f"{self.location}/{name}")
            columns = find_columns(table, self._columns, image=_image_column(table, self._columns))
            image = named_image(table, columns)
            said.append(read_answers(table, columns))
            below = name.rpartition("/")[0]
            written = [written_path(value) for value in table.load(image)]
            paths += [_below(path, below) for path in written]
            found += [_find(path, below, entries) for path in written]
        answers = self._joined(said)
        placed, skipped = join_rows(zip(paths, found, answers.rows, strict=True))
        if not placed:
            raise DataError(
                f"no row of {', '.join(self._tables)} in {self.location} names a file that can be "
                f"used; the first names {paths[0] or 'nothing'}",
                hint="write file_name relative to the folder that the table lies in",
            )
        known = {file.name for file in stored.skipped}
        # A row for a file that is skipped anyway (a link out, a hidden file) is told once.
        skipped = [row for row in skipped if not (row.reason == MISSING and row.name in known)]
        places = _placed(placed, is_labelled=answers.answer is not None)
        listed = [
            msgspec.structs.replace(entry, place=places.get(name))
            for name, entry in entries.items()
        ]
        return Listing(
            entries=tuple(listed),
            folders=stored.folders,
            skipped=(*stored.skipped, *skipped),
            task=answers.task,
        )

    def _joined(self, said: Sequence[Answers]) -> Answers:
        if any(table.answer for table in said):
            return join_answers(said, where=self.location)
        rows = tuple(row for table in said for row in table.rows)  # the folders say the class
        return Answers(rows=rows, task="single-label", answer=None, names=())


def _image_column(table: Table, asked: Columns) -> str | None:
    usual = (name for name in table.names if name.lower() == _FILE_NAME)
    return asked.image or next(usual, None)


def _below(path: str, folder: str) -> str:
    return f"{folder}/{path}" if folder and path and not climbs(path) else path


def _find(path: str, folder: str, entries: dict[str, Entry]) -> Entry | str:
    if not path or climbs(path):
        return OUTSIDE if path else "names no image"
    on_windows = _below(path.replace("\\", "/"), folder)
    return entries.get(_below(path, folder)) or entries.get(on_windows) or MISSING


def _placed(placed: dict[str, Entry], *, is_labelled: bool) -> dict[str, Place]:
    """Fill in from the folders what the tables do not say: the part, and the class."""
    layout = read_layout(placed)
    tops = {name.removeprefix(layout.prefix).split("/")[0].lower() for name in placed}
    says_part = tops <= PART_NAMES.keys()
    places: dict[str, Place] = {}
    for name, entry in placed.items():
        said = entry.place or Place()
        if not is_labelled:
            by_folder = place_image(name, layout)
            part = said.part or by_folder.part
            said = msgspec.structs.replace(by_folder, part=part, group=said.group)
        elif says_part and said.part is None:
            top = name.removeprefix(layout.prefix).split("/")[0].lower()
            said = msgspec.structs.replace(said, part=PART_NAMES[top])
        places[name] = said
    return places
