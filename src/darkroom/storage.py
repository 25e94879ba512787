"""How bytes reach the disk and stay whole: durable writes, manifests, staged and open folders.

Every artifact is a folder with a `manifest.json` that names its content by size and sha256 and its
parents by id. A closed folder never changes; it is written beside its target, flushed, renamed.
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
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Literal

import msgspec

from darkroom.errors import ArtifactError
from darkroom.records import content_hash, from_json, to_json
from darkroom.version import __version__

MANIFEST = "manifest.json"
_STAGING = ".staging-"
_LOCK = ".writing"

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
        ArtifactError: The disk is full or refuses; what stood at `path` before still stands.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    with disk_errors(path, len(data)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
            sync_folder(path.parent)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def append_line(path: Path, line: bytes) -> None:
    """Append one line to a file that is only ever appended to, and flush it.

    A torn last line, left by a power cut, is ended first so that it spoils nothing after it.
    """
    with disk_errors(path, len(line)):
        path.parent.mkdir(parents=True, exist_ok=True)
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
    if target.exists():
        raise _taken(target)
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target.parent)
        staging = target.parent / f"{_STAGING}{secrets.token_hex(6)}"
        staging.mkdir()
    lock = (staging / _LOCK).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield staging
        (staging / _LOCK).unlink()
        write_closed_manifest(staging, manifest)
        with disk_errors(target):
            try:
                staging.rename(target)
            except OSError as taken:
                if taken.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    raise _taken(target) from taken
                raise
            sync_folder(target.parent)
    finally:
        lock.close()
        shutil.rmtree(staging, ignore_errors=True)
        with contextlib.suppress(OSError):
            target.parent.rmdir()  # only when nothing is in it: a first artifact that failed


def opened(target: Path, manifest: Manifest) -> None:
    """Begin an open artifact: its folder and a manifest that says so.

    Raises:
        ArtifactError: The target exists already, or the disk refuses.
    """
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target.parent)
        try:
            target.mkdir()
        except FileExistsError as taken:
            raise _taken(target) from taken
    write_file(target / MANIFEST, to_json(_sealed(manifest)))


def write_closed_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Flush every file of a folder, and write the manifest that names and closes them."""
    content = []
    with disk_errors(folder):
        for path in _files(folder):
            with path.open("rb") as file:
                os.fsync(file.fileno())
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            name = path.relative_to(folder).as_posix()
            content.append(Content(path=name, size_bytes=path.stat().st_size, sha256=digest))
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
    if manifest.digest != _sealed(manifest).digest:
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


def _taken(target: Path) -> ArtifactError:
    return ArtifactError(f"{target} exists already", hint="choose another name or version")


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed writers left: staging folders whose lock nobody holds any more."""
    for leftover in folder.glob(f"{_STAGING}*"):
        try:
            with (leftover / _LOCK).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(leftover, ignore_errors=True)
        except BlockingIOError:
            continue
        except OSError:
            shutil.rmtree(leftover, ignore_errors=True)


def _free_bytes(path: Path) -> int:
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free
