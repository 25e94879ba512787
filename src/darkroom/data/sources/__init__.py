"""Where images come from: each source lists what it holds and reads one file of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Protocol

import msgspec

from darkroom.decision import Task

Part = Literal["train", "valid", "test", "unlabelled"]


class Columns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which columns of a table say what; None: found by their usual names."""

    image: str | None = None  # paths, or bytes
    label: str | None = None  # one class, a list of them, or `a|b`
    group: str | None = None  # what must not be torn apart
    part: str | None = None  # train, valid or test, under their usual names
    target: str | None = None  # a number, for regression


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where one image belongs."""

    part: Part | None = None  # None: not split yet
    labels: tuple[str, ...] | None = None  # names of classes; None: unlabelled
    group: str | None = None  # what must not be torn apart
    target: float | None = None  # for regression
    taken: datetime | None = None  # when the photograph was made, if the source says so
    ignored: str | None = None  # why it is not used


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One file that may be an image."""

    name: str  # relative to the source, with forward slashes
    size_bytes: int
    modified_ns: int  # 0 inside an archive, whose own stamp counts
    place: Place | None = None  # None: the names of its folders say it


class Skipped(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file that is not used, and why."""

    name: str
    reason: str  # a few words, the same for all files skipped for the same reason


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a source holds."""

    entries: tuple[Entry, ...]  # in the order in which reading is cheapest
    folders: tuple[str, ...]  # also the empty ones
    skipped: tuple[Skipped, ...]
    task: Task = "single-label"


class Source(Protocol):
    """What a Dataset is opened from."""

    location: str  # what opens it again
    stem: str  # a short name for what is made from it

    def stamp(self) -> str:
        """Say cheaply whether anything changed: another stamp, another content."""
        ...

    def listing(self) -> Listing:
        """List every file; nothing is dropped silently.

        Raises:
            DataError: The source cannot be read, or a name in it climbs out.
        """
        ...

    def read(self, name: str) -> bytes:
        """Read one file.

        Raises:
            DataError: It is gone or cannot be read.
        """
        ...


SYSTEM_FILE, SYSTEM_FOLDER = "system file", "system folder"
NOT_UTF8 = "name is not UTF-8"
OWN_WORKSPACE = "darkroom's workspace"
NEVER_IMAGES = frozenset({SYSTEM_FILE, SYSTEM_FOLDER, OWN_WORKSPACE})  # reasons to skip
SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r"})
TWICE = "twice in the table"
TWICE_OTHERWISE = "twice in the table with another "  # label, target, part or group
MAX_FILE_BYTES = 256 * 1024 * 1024
_MAX_RATIO = 300  # of unpacked to packed bytes; photographs and their tables stay far below
_SMALL_BYTES = 64 * 1024 * 1024  # below it a bomb does no harm


def printable_name(name: str) -> str:
    """Write out the bytes of a name that are not UTF-8; any other name stays as it is."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def is_bomb(unpacked_bytes: int, *, packed_bytes: int) -> bool:
    """Tell whether something unpacks to far more than it is.

    Args:
        unpacked_bytes: What it claims or turns out to hold.
        packed_bytes: What it has on the disk.
    """
    return unpacked_bytes > max(_SMALL_BYTES, _MAX_RATIO * packed_bytes)


def is_system_name(name: str) -> bool:
    """Tell whether a file belongs to an operating system or a tool rather than to the user."""
    parts = name.split("/")
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return hidden or parts[-1].lower() in SYSTEM_FILES
