"""How bytes reach the disk: whole files and folders, appended lines, locks; all of it flushed.

Bytes and paths come in; a disk that is full or refuses becomes one error that names the path.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from darkroom.errors import ArtifactError, DarkroomError

BESIDE = ".new"  # how the name of a file ends that does not stand in its place yet
STAGING = ".staging-"  # how the name of a folder begins that does not stand in its place yet
_LOCK = ".lock"


@contextlib.contextmanager
def disk_errors(path: Path, size_bytes: int = 0) -> Iterator[None]:
    """Turn a full, read-only or failing disk into one error that names the path and the bytes.

    Raises:
        ArtifactError: The operating system refused to write below `path`.
    """
    try:
        yield
    except OSError as refused:
        free = _free_bytes(path)
        if refused.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise ArtifactError(
                f"the disk is full: {path} needs {size_bytes:,} bytes, {free:,} are free",
                hint="free some space, or set DARKROOM_WORKSPACE to a folder on another disk",
            ) from refused
        raise ArtifactError(
            f"{path} cannot be written: {refused.strerror}",
            hint="name a folder you may write to; the workspace is where DARKROOM_WORKSPACE says",
        ) from refused


def refuse_undecodable(path: Path | str, error: type[DarkroomError]) -> None:
    """Refuse a path with bytes that are not UTF-8, which no record could hold.

    Raises:
        DarkroomError: Of the given kind, with the path as it can be printed.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as odd:
        printable = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise error(f"the path {printable} is not UTF-8", hint="rename the folder") from odd


def write_file(path: Path, data: bytes | memoryview) -> None:
    """Write a whole file or nothing: beside the target, flushed, renamed, directory flushed.

    Raises:
        ArtifactError: The disk is full or refuses; what stood at `path` before still stands,
            or all of the new data does.
    """
    beside = path.with_name(f".{path.name}{BESIDE}")
    with disk_errors(path, len(data)):
        make_folder(path.parent)
        with locked(beside) as file:
            try:
                file.truncate(0)  # what a killed writer left
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                beside.replace(path)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise
        sync_folder(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Append one line to a file that is only ever appended to, and flush it.

    A torn last line, left by a power cut, is ended first so that it spoils nothing after it.
    """
    with disk_errors(path, len(line)):
        make_folder(path.parent)
        with path.open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - 1, 0))
            torn = size > 0 and file.read(1) != b"\n"
            file.write((b"\n" if torn else b"") + line.rstrip(b"\n") + b"\n")
            file.flush()
            os.fsync(file.fileno())


def file_sha256(path: Path) -> str:
    """Hash a file without reading it into memory at once; 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Flush a directory, so that a rename in it survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[BinaryIO]:
    """Open a file for this writer alone; what a killed one left is taken over."""
    while True:
        with path.open("ab") as file:
            fcntl.flock(file, how)
            if _is_at(path, file):  # else the last holder renamed or removed it
                yield file
                return


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Claim a folder for this process; the claim ends with the block, or with the process.

    Raises:
        ArtifactError: Another process has claimed it.
    """
    lock = _claim_of(path)
    with contextlib.ExitStack() as stack:
        with disk_errors(path):
            try:
                stack.enter_context(locked(lock, fcntl.LOCK_EX | fcntl.LOCK_NB))
            except BlockingIOError as taken:
                raise ArtifactError(
                    f"another process works on {path}", hint="wait until it is done, or end it"
                ) from taken
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def is_claimed(path: Path) -> bool:
    """Tell whether a living process has claimed a folder."""
    try:
        with _claim_of(path).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _claim_of(path: Path) -> Path:
    return path.with_name(f".{path.name}{_LOCK}")


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each flushed into its parent."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def _is_at(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def staging_folder(target: Path) -> Iterator[Path]:
    """Make a folder beside the target that other writers leave alone while this one lives.

    Raises:
        ArtifactError: The target exists already, or the disk refuses.
    """
    staging = _aside(target)
    lock = staging.with_name(staging.name + _LOCK)
    with contextlib.ExitStack() as stack:
        with disk_errors(target):
            refuse_taken(target)
            _remove_leftovers(target.parent)
            make_folder(target.parent)
            stack.callback(_remove_if_empty, target.parent)
            stack.enter_context(locked(lock))
            stack.callback(_discard, staging, lock)
            staging.mkdir()
        yield staging


def appear(staging: Path, target: Path) -> None:
    """Rename a full staging folder to what it was made for, or leave it where it is.

    Raises:
        ArtifactError: The target exists by now, or the disk refuses.
    """
    with disk_errors(target):
        try:
            staging.rename(target)
        except OSError as taken:
            if taken.errno in (errno.ENOTEMPTY, errno.EEXIST):
                raise _taken(target) from taken
            raise
        try:
            sync_folder(target.parent)
        except OSError:
            target.rename(staging)
            raise


def remove_folder(folder: Path) -> None:
    """Remove a folder at once: nobody finds a half of it, and what a kill leaves is cleared.

    Raises:
        ArtifactError: The disk refuses.
    """
    aside = _aside(folder)
    lock = aside.with_name(aside.name + _LOCK)
    with disk_errors(folder):
        if folder.exists():
            with locked(lock):
                try:
                    folder.rename(aside)
                finally:
                    _discard(aside, lock)


def _free_bytes(path: Path) -> int:
    for folder in (path, *path.parents):
        with contextlib.suppress(OSError):
            return shutil.disk_usage(folder).free
    return 0


def refuse_taken(target: Path) -> None:
    """Refuse a name that something has already, before any work is done for it.

    Raises:
        ArtifactError: There is something at `target`.
    """
    if target.exists():
        raise _taken(target)


def _taken(target: Path) -> ArtifactError:
    return ArtifactError(f"{target} exists already", hint="choose another name or version")


def _aside(target: Path) -> Path:
    return target.parent / f"{STAGING}{secrets.token_hex(6)}"


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed writers left: staging folders whose lock nobody holds any more."""
    for lock in folder.glob(f"{STAGING}*{_LOCK}"):
        with contextlib.suppress(OSError), lock.open("rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _discard(lock.with_name(lock.name.removesuffix(_LOCK)), lock)


def _discard(staging: Path, lock: Path) -> None:
    """Remove a staging folder, then its lock: never the other way round."""
    shutil.rmtree(staging, ignore_errors=True)
    with contextlib.suppress(OSError):
        lock.unlink()


def _remove_if_empty(folder: Path) -> None:
    """Remove what was made for a first artifact that failed."""
    with contextlib.suppress(OSError):
        folder.rmdir()
