"""From what the user typed to the Source it means."""

from __future__ import annotations

from pathlib import Path

import msgspec

from darkroom.data.sources import Columns, Source
from darkroom.data.sources.builtin import PREFIX, builtin_archive
from darkroom.data.sources.download import MAX_BYTES, download, is_url
from darkroom.data.sources.recognise import recognise, tables_in, takes_columns
from darkroom.data.wording import check_command
from darkroom.disk import file_sha256, refuse_undecodable
from darkroom.errors import DataError


def locate_source(
    location: str | Path,
    kept_in: Path,
    *,
    sha256: str | None = None,
    archive: Path | None = None,
    max_bytes: int = MAX_BYTES,
    columns: Columns | None = None,
) -> Source:
    """Find the source a location names.

    Args:
        location: A folder, an archive, a table, shards, arrays, the URL of one of these, or
            `builtin:NAME`.
        kept_in: Where downloads and built-in data sets are kept.
        sha256: The sum a file must have, from a URL or on the disk.
        archive: A copy of a built-in data set the user already has.
        max_bytes: The largest download.
        columns: Which columns of a table say what.

    Raises:
        DataError: There is nothing there, it is of no known kind or has another sum, or `sha256`,
            `archive` or `columns` does not belong to it.
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
    elif sha256 and not is_url(text):  # what is downloaded was compared there
        _compare(path, sha256)
    source = recognise(path, columns or Columns())
    if source is None:
        raise DataError(
            f"{path} is neither a folder, an archive, a table nor an .npz",
            hint="name the folder that holds one folder of images per class",
        )
    if columns and not takes_columns(source):
        _refuse_columns(path, columns)
    return source


def _refuse_columns(path: Path, columns: Columns) -> None:
    """Refuse columns named for what has none, and name the table that may be meant."""
    named = [name for name, column in msgspec.structs.asdict(columns).items() if column]
    tables = tables_in(path) if path.is_dir() else []
    if named:
        raise DataError(
            f"{path} is no table, so it has no column for {named[0]}",
            hint=check_command(path / tables[0], f"--{named[0]}", getattr(columns, named[0]))
            if tables
            else f"leave --{named[0]} out",
        )


def refuse_unfit(
    location: str | Path, *, sha256: str | None = None, archive: Path | None = None
) -> None:
    """Refuse settings that what is opened makes no use of.

    Raises:
        DataError: One is given; it is named.
    """
    for name, value, of in (
        ("sha256", sha256, "an archive or another single file"),
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
        refuse_undecodable(full.resolve(), DataError)
    except (OSError, RuntimeError) as refused:  # RuntimeError: `~name` of nobody, a loop of links
        raise DataError(f"{path} cannot be read: {refused}", hint="check the path") from refused
    if not there:
        raise DataError(f"{path} does not exist", hint=f"ls {path.parent}")
    return full
