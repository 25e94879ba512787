"""Where artifacts live: find, list and trace them, and keep the ledger of what happened to them.

A Workspace is a folder: `datasets/`, `runs/`, `evaluations/`, `bundles/`, a `cache/` that may be
deleted at any time, and `ledger.jsonl`, which is only ever appended to.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import msgspec

from darkroom.disk import STAGING, append_line, refuse_undecodable
from darkroom.errors import ArtifactError, nearest
from darkroom.records import from_json, to_line
from darkroom.storage import (
    MANIFEST,
    Kind,
    Manifest,
    Parent,
    new_manifest,
    opened,
    read_manifest,
    staged,
)

KINDS: tuple[Kind, ...] = ("dataset", "run", "evaluation", "bundle")
_ID_DIGITS = 4  # that name an artifact; of fewer any word may be the beginning


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the ledger: something that happened to an artifact after it was closed."""

    SCHEMA: ClassVar[int] = 1

    event: str  # for example `look`
    at: str  # ISO 8601, UTC
    subject: str  # what it happened to: an id or a fingerprint
    by: str = ""  # the name of the artifact that did it
    detail: str = ""


class Ancestor(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a lineage."""

    depth: int  # 0 is the artifact that was asked about
    kind: Kind
    name: str
    id: str
    made_at: str  # empty when the artifact is not in this workspace
    found: bool


class Workspace:
    """The folder in which everything made lies.

    Args:
        root: Made when something is first written. Default: DARKROOM_WORKSPACE, else
            `workspace` in the current folder.

    Raises:
        ArtifactError: `root` is there and no folder, or its path is not UTF-8.
    """

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = Path(root or os.environ.get("DARKROOM_WORKSPACE") or "workspace")
        with contextlib.suppress(OSError):  # what may not be looked at is told where it is used
            refuse_undecodable(self.root.absolute(), ArtifactError)
            if self.root.exists() and not self.root.is_dir():
                raise ArtifactError(
                    f"the workspace {self.root} is a file, and should be a folder",
                    hint="move it away, or set DARKROOM_WORKSPACE to a folder",
                )

    def folder(self, kind: Kind) -> Path:
        """Where artifacts of a kind lie."""
        return self.root / f"{kind}s"

    @property
    def cache(self) -> Path:
        """What can be deleted at any time and will be made again."""
        return self.root / "cache"

    @contextlib.contextmanager
    def stage(
        self,
        kind: Kind,
        name: str,
        *,
        made_by: str,
        parents: tuple[Parent, ...] = (),
        identity: str | None = None,
    ) -> Iterator[Path]:
        """Make a closed artifact: fill the folder that is yielded.

        Args:
            kind: What it is.
            name: Its folder's path below its kind's folder.
            made_by: The verb that was called.
            parents: What it is made from.
            identity: Its id, 32 hex digits; drawn at random when there is none.

        Raises:
            ArtifactError: The name is taken, or the disk refuses; nothing is left behind.
        """
        target = self.folder(kind) / name
        with staged(target, new_manifest(kind, name, made_by, parents, identity)) as staging:
            yield staging

    def begin(
        self, kind: Kind, stem: str, *, made_by: str, parents: tuple[Parent, ...] = ()
    ) -> Path:
        """Begin an open artifact under the next free number, and return its folder."""
        while True:
            name = self.next_name(kind, stem)
            target = self.folder(kind) / name
            try:
                opened(target, new_manifest(kind, name, made_by, parents))
            except ArtifactError:
                if self.next_name(kind, stem) == name:
                    raise
                continue  # another process took the number in between
            return target

    def next_name(self, kind: Kind, stem: str) -> str:
        """Number an artifact: the lowest `stem-N` above every one that exists."""
        taken = [
            int(path.name.removeprefix(f"{stem}-"))
            for path in self.folder(kind).glob(f"{glob.escape(stem)}-*")
            if path.name.removeprefix(f"{stem}-").isdecimal()
        ]
        return f"{stem}-{max(taken, default=0) + 1}"

    def artifacts(self, kind: Kind) -> list[tuple[Path, Manifest]]:
        """List the artifacts of a kind; damaged ones are left out.

        The newest comes first; of two made at the same time, the one with the higher number.
        """
        found = []
        folder = self.folder(kind)
        for place, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith(STAGING)]
            if MANIFEST in files:
                folders.clear()  # a run under way holds checkpoints, which come and go
                with contextlib.suppress(ArtifactError):
                    found.append((Path(place), read_manifest(Path(place))))
        return sorted(found, key=_age, reverse=True)

    def children(self, path: Path, kind: Kind) -> list[Path]:
        """List the artifacts of a kind that were made from one, the newest first.

        Raises:
            ArtifactError: There is no artifact at `path`.
        """
        made_from = read_manifest(path).id
        return [
            child
            for child, manifest in self.artifacts(kind)
            if made_from in [parent.id for parent in manifest.parents]
        ]

    def find(self, text: str | Path, *kinds: Kind) -> Path:
        """Find an artifact by its path, its name, or the beginning of its name or id.

        A beginning does not end inside a number: `photos-2` is not `photos-21`. Of an id it takes
        four digits.

        Args:
            text: For example `workspace/runs/photos-1`, `photos-1` or `3f2a`.
            *kinds: Only these; none means all.

        Returns:
            Its folder; whether it is whole is not looked at when a path or a whole name is given.

        Raises:
            ArtifactError: Nothing or more than one thing is meant.
        """
        path = Path(text)
        with contextlib.suppress(OSError):  # what is too long for a path may still be mistyped
            if (path / MANIFEST).is_file():
                return path
        known = [pair for kind in kinds or KINDS for pair in self.artifacts(kind)]
        words = str(text).strip("/")
        exact = [path for path, manifest in known if words in (manifest.name, manifest.id)]
        damaged = self._named(words, kinds or KINDS)
        begun = [path for path, manifest in known if _begins(manifest, words)]
        matches = exact or damaged or begun
        if len(matches) == 1:
            return matches[0]
        what = " or ".join(kinds or KINDS)
        if matches:
            names = ", ".join(str(path) for path in matches[:5])
            raise ArtifactError(
                f"`{text}` means {len(matches)} artifacts: {names}",
                hint=f"name one of them, for example: {matches[0]}",
            )
        hint = (
            f"did you mean {nearest(words, [manifest.name for _, manifest in known])}?"
            if known
            else "darkroom train FOLDER"
        )
        raise ArtifactError(f"no {what} called `{text}` in {self.root}", hint=hint)

    def _named(self, words: str, kinds: Sequence[Kind]) -> list[Path]:
        """Give the folders of a name, whole or damaged."""
        if not words or ".." in Path(words).parts:
            return []
        with contextlib.suppress(OSError, ValueError):
            folders = [self.folder(kind) / words for kind in kinds]
            return [folder for folder in folders if (folder / MANIFEST).is_file()]
        return []

    def find_parent(self, parent: Parent) -> Path:
        """Find the artifact that another was made from.

        Raises:
            ArtifactError: It is not in this workspace.
        """
        for path, manifest in self.artifacts(parent.kind):
            if manifest.id == parent.id:
                return path
        raise ArtifactError(
            f"the {parent.kind} {parent.name} is not in {self.root}",
            hint="set DARKROOM_WORKSPACE to the workspace it was made in",
        )

    def lineage(self, folder: Path) -> list[Ancestor]:
        """Walk the parents of an artifact, each before its own; no parents are walked twice.

        Raises:
            ArtifactError: `folder` is no artifact.
        """
        start = read_manifest(folder)
        by_id = {manifest.id: manifest for kind in KINDS for _, manifest in self.artifacts(kind)}
        steps: list[Ancestor] = []
        walked: set[str] = set()
        waiting = [(0, start.as_parent())]
        while waiting:
            depth, parent = waiting.pop()
            manifest = start if parent.id == start.id else by_id.get(parent.id)
            steps.append(
                Ancestor(
                    depth=depth,
                    kind=parent.kind,
                    name=parent.name,
                    id=parent.id,
                    made_at=manifest.made_at if manifest else "",
                    found=manifest is not None,
                )
            )
            if manifest and manifest.id not in walked:
                walked.add(manifest.id)
                waiting.extend((depth + 1, above) for above in reversed(manifest.parents))
        return steps

    def record_event(self, event: str, *, subject: str, by: str = "", detail: str = "") -> None:
        """Append one event to the ledger, and flush it."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        record = Event(event=event, at=now, subject=subject, by=by, detail=detail)
        append_line(self.root / "ledger.jsonl", to_line(record))

    def events(self, event: str, *, subject: str) -> list[Event]:
        """Read the events of one sort that happened to one thing, oldest first.

        A line that a power cut tore is passed over.

        Raises:
            ArtifactError: A whole line is no event, or comes from a newer darkroom.
        """
        ledger = self.root / "ledger.jsonl"
        lines = ledger.read_bytes().splitlines() if ledger.exists() else []
        records = [from_json(line, Event, where=str(ledger)) for line in lines if _is_whole(line)]
        return [record for record in records if (record.event, record.subject) == (event, subject)]


def _is_whole(line: bytes) -> bool:
    """Tell whether a line is JSON; the beginning of an object never is."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _begins(manifest: Manifest, words: str) -> bool:
    """Tell whether an artifact's name or id begins so; a number is not cut."""
    rest = manifest.name.removeprefix(words)
    cuts = words[-1:].isdecimal() and rest[:1].isdecimal()
    is_name = bool(words) and rest != manifest.name and not cuts
    return is_name or (len(words) >= _ID_DIGITS and manifest.id.startswith(words))


def _age(found: tuple[Path, Manifest]) -> tuple[str, list[str | int]]:
    """Order artifacts by time, then by name; digits in a name count as one number."""
    manifest = found[1]
    words: list[str | int] = [*re.split(r"(\d+)", manifest.name)]
    words[1::2] = [int(number) for number in words[1::2]]
    return manifest.made_at, words
