"""Fetch an archive from a URL: resumed when it broke off, capped in size, checked when told how."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from darkroom.disk import disk_errors, file_sha256, locked, sync_folder, write_file
from darkroom.errors import ServiceError
from darkroom.progress import track_sized

MAX_BYTES = 20 * 1024**3
_CHUNK = 1 << 18
_TIMEOUT_S = 30.0
_TRIES = 3


def is_url(location: str) -> bool:
    """Tell whether a location is fetched over HTTP."""
    return location.startswith(("http://", "https://"))


def download(
    url: str, folder: Path, *, sha256: str | None = None, max_bytes: int = MAX_BYTES
) -> Path:
    """Fetch a file once; what was fetched before an interruption is not fetched again.

    Unless the file changed on the server in between: then it is fetched anew.

    Args:
        url: An http or https address.
        folder: Where the file is kept, under a name made from the URL.
        sha256: 64 hex digits that the file must have.
        max_bytes: Refuse anything larger.

    Returns:
        The path of the file.

    Raises:
        ServiceError: The server cannot be reached, refuses, sends too much or something else.
        ArtifactError: The disk is full.
    """
    try:
        name = Path(urllib.parse.urlsplit(url).path).name or "download"
    except ValueError as odd:
        raise ServiceError(f"{url} is not an address: {odd}", hint="check the address") from odd
    target = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:10]}-{name}"
    if not target.exists():
        turn = target.with_name(target.name + ".lock")
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with locked(turn):  # one process appends; the others wait and find the file
                try:
                    if not target.exists():
                        _fetch_whole(url, target, max_bytes)
                finally:
                    turn.unlink()
    found = file_sha256(target) if sha256 else None
    if sha256 and found != sha256.lower():
        target.unlink(missing_ok=True)
        raise ServiceError(
            f"{url} has sha256 {found}, not {sha256.lower()}", hint="check the address and the sum"
        )
    return target


def _fetch_whole(url: str, target: Path, max_bytes: int) -> None:
    """Fetch a file, with a few tries, and let it appear once all of it is on the disk."""
    partial = target.with_name(target.name + ".part")
    for attempt in range(1, _TRIES + 1):
        try:
            _fetch(url, partial, max_bytes)
            break
        except urllib.error.HTTPError as refused:
            raise ServiceError(
                f"{url} answered {refused.code} {refused.reason}",
                hint="check the address, or download the archive yourself and name its path",
            ) from refused
        except (OSError, http.client.HTTPException, ValueError) as failed:
            if attempt == _TRIES:
                raise ServiceError(
                    f"{url} could not be fetched: {failed}",
                    hint="type the command again to resume, or name the path of a copy",
                ) from failed
    with disk_errors(target):
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(target)
        _note(partial).unlink(missing_ok=True)
        sync_folder(target.parent)


def _fetch(url: str, partial: Path, max_bytes: int) -> None:
    """Append what is missing to the partial file; begin anew when the server has another file."""
    have = partial.stat().st_size if partial.exists() else 0
    note = _note(partial)
    version = note.read_text("utf-8") if have and note.exists() else ""
    answer = _ask(url, have, version)
    if answer is None:
        return  # everything had arrived when the last try broke off
    with answer:
        resumed = answer.status == http.client.PARTIAL_CONTENT
        now = _version(answer)
        if resumed and version and now and now != version:  # it does not honour If-Range
            partial.unlink()
            raise OSError("it changed on the server since the last try")
        have = have if resumed else 0
        length = int(answer.headers.get("Content-Length") or 0)
        total = have + length
        _refuse_large(url, total, max_bytes)
        with disk_errors(partial, length):
            file = partial.open("ab" if resumed else "wb")
        with file:
            if not resumed:  # only now: the old bytes are gone, so none get the new version
                write_file(note, now.encode())
            chunks = _chunks(answer, file, partial)
            sized = ((size, size / 1e6) for size in chunks)
            for size, _ in track_sized(sized, "fetching MB", total / 1e6):
                have += size
                _refuse_large(url, have, max_bytes)
    if length and have < total:
        raise OSError(f"it broke off after {have:,} of {total:,} bytes")


def _ask(url: str, have: int, version: str) -> http.client.HTTPResponse | None:
    """Ask for what is missing, or for the whole if it changed; None when nothing is missing."""
    headers = {"Range": f"bytes={have}-"} if have else {}
    if have and version:
        headers["If-Range"] = version
    try:
        answer = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_S
        )
    except urllib.error.HTTPError as refused:
        refused.close()
        if refused.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return None
        raise
    return cast(http.client.HTTPResponse, answer)


def _version(answer: http.client.HTTPResponse) -> str:
    """Give what tells one version of a file from another, or nothing.

    Source: RFC 9110, 13.1.5: a weak ETag does not promise the same bytes.
    """
    etag = answer.headers.get("ETag") or ""
    strong = "" if etag.startswith("W/") else etag
    return strong or answer.headers.get("Last-Modified") or ""


def _note(partial: Path) -> Path:
    """Name the file beside a partial one that says which version it is part of."""
    return partial.with_name(partial.name + ".version")


def _chunks(answer: http.client.HTTPResponse, file: IO[bytes], path: Path) -> Iterator[int]:
    while chunk := answer.read(_CHUNK):
        with disk_errors(path, len(chunk)):
            file.write(chunk)
        yield len(chunk)


def _refuse_large(url: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise ServiceError(
            f"{url} is larger than {max_bytes:,} bytes",
            hint="download it yourself and name its path",
        )
