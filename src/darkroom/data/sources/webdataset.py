"""WebDataset: tar shards in which an image and what is said of it share a key."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from darkroom.data.decode import ENDINGS
from darkroom.data.layout import part_of_file
from darkroom.data.sources import Columns, Entry, Listing, Place, Skipped
from darkroom.data.sources.answers import join_answers, read_answers, said_or
from darkroom.data.sources.archive import ArchiveSource
from darkroom.data.sources.columns import find_columns
from darkroom.data.sources.folder import FolderSource
from darkroom.data.sources.tables import Table, json_object, records_table
from darkroom.data.wording import check_command
from darkroom.errors import DataError

SHARD_ENDINGS = (".tar", ".tar.gz", ".tgz")
_SIDECARS = ("cls", "json", "txt")  # the first that is there says the class
_CLASS_LISTS = ("__classes__", "__classes__.txt", "classes.txt", "classnames.txt")
_MAX_SIDECAR_BYTES = 1024 * 1024
_KEPT_SHARDS = 8  # open at a time; a set may have more shards than a process may open files


def split_key(name: str) -> tuple[str, str]:
    """Split a member's name into its key and what follows: `a/7.seg.png` is `a/7` and `seg.png`."""
    folder, slash, file = name.rpartition("/")
    key, _, ending = file.partition(".")
    return f"{folder}{slash}{key}", ending.lower()


def has_sidecars(names: Iterable[str]) -> bool:
    """Tell whether files beside images say their classes: then a tar is a shard of WebDataset.

    Where images lie in several folders those are classes, unless a `.cls` says otherwise.
    """
    images: set[str] = set()
    sidecars: dict[str, set[str]] = {ending: set() for ending in _SIDECARS}
    for name in names:
        key, ending = split_key(name)
        if ending in sidecars:
            sidecars[ending].add(key)
        elif _is_image(ending):
            images.add(key)
    if images & sidecars["cls"]:
        return True
    folders = {key.rpartition("/")[0] for key in images}
    return len(folders) == 1 and bool(images & (sidecars["json"] | sidecars["txt"]))


def _is_image(ending: str) -> bool:
    return f".{ending}".endswith(ENDINGS)


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    """An image of a shard, and what its sidecars say."""

    shard: int
    member: Entry
    record: dict[str, Any]


class WebDatasetSource:
    """The images of a WebDataset tar shard, or of all shards of a folder.

    A sidecar is read and not counted: what is found are images. The part of a shard is that of
    its name, unless its JSON says it.

    Args:
        store: The shard, or the folder.
        columns: Which keys of the JSON sidecars say what; `cls` and `txt` are names too.
    """

    def __init__(self, store: ArchiveSource | FolderSource, columns: Columns) -> None:
        self.location, self.stem = store.location, store.stem
        self.path = Path(store.location)
        self._store, self._columns = store, columns
        self._listing: Listing | None = None
        self._open: OrderedDict[int, ArchiveSource] = OrderedDict()
        self._turn = threading.Lock()
        self._shards = [self.path.name]
        if isinstance(store, FolderSource):
            names = [entry.name for entry in store.listing().entries]
            self._shards = [name for name in names if name.lower().endswith(SHARD_ENDINGS)]
        self._numbers = {name: number for number, name in enumerate(self._shards)}

    def stamp(self) -> str:
        """Take the stamp of the shard or the folder."""
        return self._store.stamp()

    def listing(self) -> Listing:
        """List every image, shard by shard; the sidecars are read once."""
        if self._listing is None:
            self._listing = self._read()
        return self._listing

    def read(self, name: str) -> bytes:
        """Read one image."""
        with self._turn:
            if isinstance(self._store, ArchiveSource):
                return self._store.read(name)
            for at, letter in enumerate(name):
                if letter == "/" and name[:at] in self._numbers:
                    return self._shard(self._numbers[name[:at]]).read(name[at + 1 :])
        raise DataError(f"there is no image {name} in {self.path}", hint=check_command(self.path))

    def _shard(self, number: int) -> ArchiveSource:
        if isinstance(self._store, ArchiveSource):
            return self._store
        if number not in self._open:
            self._open[number] = ArchiveSource(self.path / self._shards[number])
            if len(self._open) > _KEPT_SHARDS:
                self._open.popitem(last=False)
        self._open.move_to_end(number)
        return self._open[number]

    def _read(self) -> Listing:
        skipped: list[Skipped] = []
        said: list[_Said] = []
        classes: tuple[str, ...] = ()
        if isinstance(self._store, FolderSource):
            stored = self._store.listing()
            skipped += stored.skipped
            skipped += [
                Skipped(name=entry.name, reason="not a tar shard")
                for entry in stored.entries
                if entry.name not in self._shards
            ]
        for number in range(len(self._shards)):
            found, others = self._read_shard(number)
            said += found
            skipped += others
            classes = classes or self._class_names(number)
        table, columns = self._table(said, classes)
        answers = join_answers([read_answers(table, columns)], where=self.location)
        entries: list[Entry] = []
        for one, row in zip(said, answers.rows, strict=True):
            name = self._name(one.shard, one.member.name)
            place = said_or(row, part=part_of_file(self._shards[one.shard]))
            if isinstance(place, Place):
                entries.append(msgspec.structs.replace(one.member, name=name, place=place))
            else:
                skipped.append(Skipped(name=name, reason=place))
        return Listing(
            entries=tuple(entries), folders=(), skipped=tuple(skipped), task=answers.task
        )

    def _name(self, shard: int, member: str) -> str:
        is_one = isinstance(self._store, ArchiveSource)
        return member if is_one else f"{self._shards[shard]}/{member}"

    def _read_shard(self, number: int) -> tuple[list[_Said], list[Skipped]]:
        """Join what shares a key; what belongs to no image is listed."""
        shard = self._shard(number)
        listing = shard.listing()
        keys: dict[str, list[tuple[str, Entry]]] = {}
        for entry in listing.entries:
            if entry.name not in _CLASS_LISTS:
                key, ending = split_key(entry.name)
                keys.setdefault(key, []).append((ending, entry))
        said: list[_Said] = []
        skipped = [(file.name, file.reason) for file in listing.skipped]
        for files in keys.values():
            # A mask, `7.seg.png`, is not the image while there is a `7.jpg`.
            images = sorted(
                (file for file in files if _is_image(file[0])), key=lambda file: "." in file[0]
            )
            if not images:
                skipped += [(entry.name, "belongs to no image") for _, entry in files]
                continue
            image = images[0][1]
            record: dict[str, Any] = {}
            for ending, entry in files:
                if ending in _SIDECARS:
                    record |= self._sidecar(shard, ending, entry)
                elif _is_image(ending) and entry is not image:
                    skipped.append((entry.name, "another image of the same key"))
                elif entry is not image:
                    skipped.append((entry.name, "says nothing that is read"))
            said.append(_Said(shard=number, member=image, record=record))
        return said, [
            Skipped(name=self._name(number, name), reason=reason) for name, reason in skipped
        ]

    def _sidecar(self, shard: ArchiveSource, ending: str, entry: Entry) -> dict[str, Any]:
        where = f"{shard.location}/{entry.name}"
        if entry.size_bytes > _MAX_SIDECAR_BYTES:
            raise DataError(f"{where} is larger than 1 MiB", hint="write only the label into it")
        data = shard.read(entry.name)
        return json_object(data, where=where) if ending == "json" else {ending: _utf8(data, where)}

    def _class_names(self, number: int) -> tuple[str, ...]:
        shard = self._shard(number)
        listed = [entry.name for entry in shard.listing().entries if entry.name in _CLASS_LISTS]
        text = "".join(_utf8(shard.read(name), name) for name in listed[:1])
        return tuple(line.strip() for line in text.splitlines() if line.strip())

    def _table(self, said: Sequence[_Said], classes: tuple[str, ...]) -> tuple[Table, Columns]:
        table = records_table((one.record for one in said), where=self.location)
        asked = self._columns
        if not asked.label and not asked.target and "cls" in table.names:
            asked = msgspec.structs.replace(asked, label="cls")
        columns = find_columns(table, asked, image="the key")
        if not columns.label and not columns.target and "txt" in table.names:
            columns = msgspec.structs.replace(columns, label="txt")
        known = {columns.label: classes} if columns.label and classes else {}
        return msgspec.structs.replace(table, class_names=known), columns


def _utf8(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError as odd:
        raise DataError(f"{where} is not UTF-8", hint="write the shard again") from odd
