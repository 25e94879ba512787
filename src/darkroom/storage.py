"""How bytes reach the disk and stay whole: durable writes, manifests, staged and open folders.

Every artifact is a folder with a `manifest.json` that names its content by size and sha256 and its
parents by id. A closed folder never changes; it is written beside its target, flushed, renamed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, ClassVar, Literal

import msgspec

from darkroom.errors import ArtifactError
from darkroom.records import content_hash, from_json, to_json
from darkroom.version import __version__

MANIFEST = "manifest.json"
STAGING = ".staging-"  # how the name of a folder begins that is not an artifact yet
_LOCK = ".lock"
_BESIDE = ".new"

Kind = Literal["dataset", "run", "evaluation", "bundle"]


class Content(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of an artifact."""

    path: str  # relative to the artifact, with forward slashes
    size_bytes: int
    sha256: str  # 64 hex digits


class Parent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An artifact that another was made from."""

    kind: Kind
    id: str
    name: str
    digest: str  # the parent's manifest digest when the child was made


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an artifact is, how it was made, from what, and what lies in its folder."""

    SCHEMA: ClassVar[int] = 1

    kind: Kind
    id: str  # 32 hex digits, drawn at random
    name: str  # the folder's path below its kind's folder
    state: Literal["open", "closed"]
    made_by: str  # the verb
    made_at: str  # ISO 8601, UTC
    darkroom: str  # the version that made it
    parents: tuple[Parent, ...] = ()
    content: tuple[Content, ...] = ()
    digest: str = ""  # sha256 of this manifest with an empty digest

    def as_parent(self) -> Parent:
        """Name this artifact the way its children do."""
        return Parent(kind=self.kind, id=self.id, name=self.name, digest=self.digest)


def new_manifest(kind: Kind, name: str, made_by: str, parents: tuple[Parent, ...]) -> Manifest:
    """Begin the manifest of an artifact that is about to be made."""
    return Manifest(
        kind=kind,
        id=secrets.token_hex(16),
        name=name,
        state="open",
        made_by=made_by,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        darkroom=__version__,
        parents=parents,
    )


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
            hint="set DARKROOM_WORKSPACE to a folder you may write to",
        ) from refused


def write_file(path: Path, data: bytes | memoryview) -> None:
    """Write a whole file or nothing: beside the target, flushed, renamed, directory flushed.

    Raises:
        ArtifactError: The disk is full or refuses; what stood at `path` before still stands,
            or all of the new data does.
    """
    beside = path.with_name(f".{path.name}{_BESIDE}")
    with disk_errors(path, len(data)):
        _make_folder(path.parent)
        with _held(beside) as file:
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
        _make_folder(path.parent)
        with path.open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - 1, 0))
            torn = size > 0 and file.read(1) != b"\n"
            file.write((b"\n" if torn else b"") + line.rstrip(b"\n") + b"\n")
            file.flush()
            os.fsync(file.fileno())


@contextlib.contextmanager
def staged(target: Path, manifest: Manifest) -> Iterator[Path]:
    """Make a closed artifact: fill the folder that is yielded; it appears whole or not at all.

    Args:
        target: Where the artifact will stand; must not exist.
        manifest: From `new_manifest`; content and digest are filled in here.

    Raises:
        ArtifactError: The target exists already, or the disk refuses.
    """
    with _staging(target) as staging:
        yield staging
        write_closed_manifest(staging, manifest)
        _appear(staging, target)


def opened(target: Path, manifest: Manifest) -> None:
    """Begin an open artifact: its folder and a manifest that says so, both or neither.

    Raises:
        ArtifactError: The target exists already, or the disk refuses.
    """
    with _staging(target) as staging:
        write_file(staging / MANIFEST, to_json(_sealed(manifest)))
        _appear(staging, target)


def write_closed_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Flush every file of a folder, and write the manifest that names and closes them."""
    content = []
    with disk_errors(folder):
        for leftover in folder.rglob(f".*{_BESIDE}"):
            leftover.unlink()  # of a writer that was killed
        found = _files(folder)
    for path in found:
        size_bytes = path.stat().st_size
        with disk_errors(path, size_bytes), path.open("rb") as file:
            os.fsync(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        name = path.relative_to(folder).as_posix()
        content.append(Content(path=name, size_bytes=size_bytes, sha256=digest))
    closed = msgspec.structs.replace(manifest, state="closed", content=tuple(content))
    closed = _sealed(closed)
    write_file(folder / MANIFEST, to_json(closed))
    return closed


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of an artifact and check that nobody edited it.

    Raises:
        ArtifactError: There is none, or it is damaged, or from a newer darkroom.
    """
    path = folder / MANIFEST
    try:
        text = path.read_bytes()
    except OSError as missing:
        raise ArtifactError(
            f"{folder} is not an artifact of darkroom: it has no readable {MANIFEST}",
            hint="darkroom runs   (or: darkroom bundles)",
        ) from missing
    manifest = from_json(text, Manifest, where=str(path))
    if path.is_symlink() or manifest.digest != _digest_as_written(text):
        raise ArtifactError(
            f"{path} was changed after it was written", hint="restore the folder from a copy"
        )
    return manifest


def verified(folder: Path, kind: Kind) -> Manifest:
    """Read the manifest of a closed artifact and check every byte of its content.

    Raises:
        ArtifactError: It is of another kind, still open, or a file is missing, changed or added.
    """
    manifest = read_manifest(folder)
    if manifest.kind != kind:
        raise ArtifactError(f"{folder} is a {manifest.kind}, not a {kind}", hint=f"name a {kind}")
    if manifest.state == "open":
        raise ArtifactError(
            f"{folder} was never finished: it is still open",
            hint=f"make it again: darkroom {manifest.made_by}",
        )
    promised = {content.path: content for content in manifest.content}
    found = {path.relative_to(folder).as_posix() for path in _files(folder)}
    for name in sorted(promised.keys() ^ found):
        word = "is missing from" if name in promised else "was added to"
        raise ArtifactError(
            f"{name} {word} {folder}", hint=f"restore the folder, or: darkroom {manifest.made_by}"
        )
    for name, content in promised.items():
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise ArtifactError(
                f"{path} is not a regular file", hint="restore the folder from a copy"
            )
        if path.stat().st_size != content.size_bytes or file_sha256(path) != content.sha256:
            raise ArtifactError(
                f"{path} was changed after it was written: its sha256 is not the recorded one",
                hint=f"restore the folder from a copy, or: darkroom {manifest.made_by}",
            )
    return manifest


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


def _files(folder: Path) -> list[Path]:
    """List what an artifact holds; a link is listed too, and so can never pass unnoticed."""
    return sorted(
        path
        for path in folder.rglob("*")
        if (path.is_symlink() or not path.is_dir()) and path != folder / MANIFEST
    )


def _sealed(manifest: Manifest) -> Manifest:
    blank = msgspec.structs.replace(manifest, digest="")
    return msgspec.structs.replace(manifest, digest=content_hash(blank))


def _digest_as_written(text: bytes) -> str:
    """Hash a manifest by its own fields, before an upgrade adds to an old one."""
    blank = {**json.loads(text), "digest": ""}
    return hashlib.sha256(msgspec.json.encode(blank, order="deterministic")).hexdigest()


def _taken(target: Path) -> ArtifactError:
    return ArtifactError(f"{target} exists already", hint="choose another name or version")


@contextlib.contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """Make a folder beside the target that other writers leave alone while this one lives."""
    staging = target.parent / f"{STAGING}{secrets.token_hex(6)}"
    lock = staging.with_name(staging.name + _LOCK)
    with contextlib.ExitStack() as stack:
        with disk_errors(target):
            if target.exists():
                raise _taken(target)
            _remove_leftovers(target.parent)
            _make_folder(target.parent)
            stack.callback(_remove_if_empty, target.parent)
            stack.enter_context(_held(lock))
            stack.callback(_discard, staging, lock)
            staging.mkdir()
        yield staging


def _appear(staging: Path, target: Path) -> None:
    """Rename a full staging folder to what it was made for, or leave it where it is."""
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


@contextlib.contextmanager
def _held(path: Path) -> Iterator[BinaryIO]:
    """Open a file for this writer alone; what a killed one left is taken over."""
    while True:
        with path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(path, file):  # else the last holder renamed or removed it
                yield file
                return


def _is_at(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, each flushed into its parent."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def _free_bytes(path: Path) -> int:
    for folder in (path, *path.parents):
        with contextlib.suppress(OSError):
            return shutil.disk_usage(folder).free
    return 0
