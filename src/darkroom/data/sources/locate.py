"""From what the user typed to the Source it means."""

from __future__ import annotations

import os
from pathlib import Path

from darkroom.data.sources import Source
from darkroom.data.sources.archive import ArchiveSource, is_archive
from darkroom.data.sources.builtin import PREFIX, builtin_archive
from darkroom.data.sources.download import MAX_BYTES, download, is_url
from darkroom.data.sources.folder import FolderSource
from darkroom.disk import file_sha256
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
        sha256: The sum an archive must have, from a URL or on the disk.
        archive: A copy of a built-in data set the user already has.
        max_bytes: The largest download.

    Raises:
        DataError: There is nothing there, it is of no known kind or has another sum, or `sha256`
            or `archive` does not belong to it.
        ServiceError: A download failed.
    """
    text = str(location)
    if text.startswith(PREFIX):
        refuse_unfit(text, sha256=sha256)
        path = builtin_archive(text.removeprefix(PREFIX), kept_in, archive=archive)
    else:
        refuse_unfit(text, archive=archive)
        is_far = is_url(text)
        path = download(text, kept_in, sha256=sha256, max_bytes=max_bytes) if is_far else Path(text)
    path = _existing(path)
    if path.is_dir():
        refuse_unfit(text, sha256=sha256)
        return FolderSource(path)
    if is_archive(path):
        if sha256 and not is_url(text):  # what is downloaded was compared there
            _compare(path, sha256)
        return ArchiveSource(path)
    raise DataError(
        f"{path} is neither a folder nor a zip or tar archive",
        hint="name the folder that holds one folder of images per class",
    )


def refuse_unfit(
    location: str | Path, *, sha256: str | None = None, archive: Path | None = None
) -> None:
    """Refuse settings that what is opened makes no use of.

    Raises:
        DataError: One is given; it is named.
    """
    for name, value, of in (
        ("sha256", sha256, "an archive"),
        ("archive", archive, f"a built-in data set, {PREFIX}NAME"),
    ):
        if value:
            raise DataError(
                f"{name} = {value} belongs to {of}, and {location} is none",
                hint=f"--set data.{name}=none",
            )


def _compare(path: Path, sha256: str) -> None:
    try:
        found = file_sha256(path)
    except OSError as refused:
        raise DataError(
            f"{path} cannot be read: {refused.strerror}", hint=f"ls -l {path}"
        ) from refused
    if found != sha256.lower():
        raise DataError(
            f"{path} has sha256 {found}, not {sha256.lower()}",
            hint="check the sum, or fetch the archive again",
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
