"""From what the user typed to the Source it means."""

from __future__ import annotations

import os
from pathlib import Path

from darkroom.data.sources import Source
from darkroom.data.sources.archive import ArchiveSource, is_archive
from darkroom.data.sources.builtin import PREFIX, builtin_archive
from darkroom.data.sources.download import MAX_BYTES, download, is_url
from darkroom.data.sources.folder import FolderSource
from darkroom.errors import DataError


def locate_source(
    location: str | Path,
    kept_in: Path,
    *,
    sha256: str | None = None,
    archive: Path | None = None,
    max_bytes: int = MAX_BYTES,
) -> Source:
    """Find the source a location names.

    Args:
        location: A folder, a zip or tar archive, the URL of an archive, or `builtin:NAME`.
        kept_in: Where downloads and built-in data sets are kept.
        sha256: The sum an archive must have (URLs only).
        archive: A copy of a built-in data set the user already has.
        max_bytes: The largest download.

    Raises:
        DataError: There is nothing there, or it is of no known kind.
        ServiceError: A download failed.
    """
    text = str(location)
    if text.startswith(PREFIX):
        path = builtin_archive(text.removeprefix(PREFIX), kept_in, archive=archive)
    elif is_url(text):
        path = download(text, kept_in, sha256=sha256, max_bytes=max_bytes)
    else:
        path = Path(text)
    path = _existing(path)
    if path.is_dir():
        return FolderSource(path)
    if is_archive(path):
        return ArchiveSource(path)
    raise DataError(
        f"{path} is neither a folder nor a zip or tar archive",
        hint="name the folder that holds one folder of images per class",
    )


def _existing(path: Path) -> Path:
    try:
        full = path.expanduser()
        there = full.exists()
        str(full.resolve()).encode()
    except UnicodeEncodeError as odd:
        printable = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise DataError(f"the path {printable} is not UTF-8", hint="rename the folder") from odd
    except (OSError, RuntimeError) as refused:  # RuntimeError: `~name` of nobody, a loop of links
        raise DataError(f"{path} cannot be read: {refused}", hint="check the path") from refused
    if not there:
        raise DataError(f"{path} does not exist", hint=f"ls {path.parent}")
    return full
