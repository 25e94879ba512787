"""From the rows of a table that name files to entries with their places; no row is lost."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

import msgspec

from darkroom.data.sources import TWICE, TWICE_OTHERWISE, Entry, Place, Skipped

OUTSIDE = "points outside the folder of the table"
MISSING = "missing"


def written_path(value: object) -> str:
    """Give a path as a table writes it, with forward slashes and without detours."""
    text = "" if value is None else str(value).strip()
    return posixpath.normpath(text) if text else ""


def climbs(path: str) -> bool:
    """Tell whether a path from `written_path` leads out of the folder it is relative to."""
    return path == ".." or path.startswith(("../", "/"))


def join_rows(
    rows: Iterable[tuple[str, Entry | str, Place | str]],
) -> tuple[dict[str, Entry], list[Skipped]]:
    """Give each file the place its row says, and account for every row.

    Args:
        rows: The path as it is written; the file, or why there is none; what the row says of it,
            or why that cannot be used.

    Returns:
        The entries by name with their places, and the rows that are not used. Of two rows for
        one file the first counts; the other is listed, apart when it says something else.
    """
    entries: dict[str, Entry] = {}
    skipped: list[Skipped] = []
    for number, (path, found, said) in enumerate(rows, start=1):
        name = path or f"row {number:,}"
        if isinstance(found, str):
            skipped.append(Skipped(name=name, reason=found))
        elif isinstance(said, str):
            skipped.append(Skipped(name=name, reason=said))
        elif found.name in entries:
            reason = _twice(entries[found.name].place or Place(), said)
            skipped.append(Skipped(name=name, reason=reason))
        else:
            entries[found.name] = msgspec.structs.replace(found, place=said)
    return entries, skipped


def _twice(first: Place, again: Place) -> str:
    for field, word in (("labels", "label"), ("target", "target"), ("part", "part")):
        if getattr(first, field) != getattr(again, field):
            return f"{TWICE_OTHERWISE}{word}"
    return f"{TWICE_OTHERWISE}group" if first.group != again.group else TWICE
