"""Where images come from: each source lists what it holds and reads one file of it."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One file that may be an image."""

    name: str  # relative to the source, with forward slashes
    size_bytes: int
    modified_ns: int  # 0 inside an archive, whose own stamp counts


class Skipped(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file that is not used, and why."""

    name: str
    reason: str  # a few words, the same for all files skipped for the same reason


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a source holds."""

    entries: tuple[Entry, ...]  # in the order in which reading is cheapest
    folders: tuple[str, ...]  # also the empty ones
    skipped: tuple[Skipped, ...]


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
OWN_WORKSPACE = "darkroom's workspace"
NEVER_IMAGES = frozenset({SYSTEM_FILE, SYSTEM_FOLDER, OWN_WORKSPACE})  # reasons to skip
SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r"})
MAX_FILE_BYTES = 256 * 1024 * 1024


def is_system_name(name: str) -> bool:
    """Tell whether a file belongs to an operating system or a tool rather than to the user."""
    parts = name.split("/")
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return hidden or parts[-1].lower() in SYSTEM_FILES
