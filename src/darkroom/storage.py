"""How an artifact stays whole: its manifest, and staged, open and closed folders.

Every artifact is a folder with a `manifest.json` that names its content by size and sha256 and its
parents by id. A closed folder never changes; it is written beside its target, flushed, renamed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Literal

import msgspec

from darkroom.disk import (
    BESIDE,
    appear,
    disk_errors,
    file_sha256,
    staging_folder,
    write_file,
)
from darkroom.errors import ArtifactError
from darkroom.records import content_hash, from_json, to_json
from darkroom.version import __version__

MANIFEST = "manifest.json"

Kind = Literal["dataset", "run", "evaluation", "bundle", "checkpoint"]

_MAKES: dict[Kind, str] = {
    "dataset": "darkroom check SOURCE",
    "run": "darkroom train",
    "evaluation": "darkroom evaluate",
    "bundle": "darkroom pack",
    "checkpoint": "darkroom resume RUN",
}


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
    id: str  # 32 hex digits: of a dataset from its content, else drawn at random
    name: str  # the folder's path below its kind's folder
    state: Literal["open", "closed"]
    made_by: str  # the verb that was called
    made_at: str  # ISO 8601, UTC, with microseconds
    darkroom: str  # the version that made it
    parents: tuple[Parent, ...] = ()
    content: tuple[Content, ...] = ()
    digest: str = ""  # sha256 of this manifest with an empty digest

    def as_parent(self) -> Parent:
        """Name this artifact the way its children do."""
        return Parent(kind=self.kind, id=self.id, name=self.name, digest=self.digest)


def new_manifest(
    kind: Kind,
    name: str,
    made_by: str,
    parents: tuple[Parent, ...],
    identity: str | None = None,
) -> Manifest:
    """Begin the manifest of an artifact that is about to be made.

    Args:
        kind: What it is.
        name: Its folder's path below its kind's folder.
        made_by: The verb that was called.
        parents: What it is made from.
        identity: Its id, 32 hex digits; drawn at random when there is none.
    """
    return Manifest(
        kind=kind,
        id=identity or secrets.token_hex(16),
        name=name,
        state="open",
        made_by=made_by,
        made_at=datetime.now(UTC).isoformat(timespec="microseconds"),
        darkroom=__version__,
        parents=parents,
    )


@contextlib.contextmanager
def staged(target: Path, manifest: Manifest) -> Iterator[Path]:
    """Make a closed artifact: fill the folder that is yielded; it appears whole or not at all.

    Args:
        target: Where the artifact will stand; must not exist.
        manifest: From `new_manifest`; content and digest are filled in here.

    Raises:
        ArtifactError: The target exists already, or the disk refuses.
    """
    with staging_folder(target) as staging:
        yield staging
        write_closed_manifest(staging, manifest)
        appear(staging, target)


def opened(target: Path, manifest: Manifest) -> None:
    """Begin an open artifact: its folder and a manifest that says so, both or neither.

    Raises:
        ArtifactError: The target exists already, or the disk refuses.
    """
    with staging_folder(target) as staging:
        write_file(staging / MANIFEST, to_json(_sealed(manifest)))
        appear(staging, target)


def write_closed_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Flush every file of a folder, and write the manifest that names and closes them."""
    content = []
    with disk_errors(folder):
        for leftover in folder.rglob(f".*{BESIDE}"):
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
            hint=f"make it again: {_MAKES[kind]}",
        )
    promised = {content.path: content for content in manifest.content}
    found = {path.relative_to(folder).as_posix() for path in _files(folder)}
    for name in sorted(promised.keys() ^ found):
        word = "is missing from" if name in promised else "was added to"
        raise ArtifactError(
            f"{name} {word} {folder}", hint=f"restore the folder, or: {_MAKES[kind]}"
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
                hint=f"restore the folder from a copy, or: {_MAKES[kind]}",
            )
    return manifest


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
