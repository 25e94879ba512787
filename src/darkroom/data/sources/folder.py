"""A folder on disk as a source of images."""

from __future__ import annotations

import glob
import hashlib
import os
from pathlib import Path

from darkroom.data.sources import (
    MAX_FILE_BYTES,
    NOT_UTF8,
    OWN_WORKSPACE,
    SYSTEM_FILE,
    SYSTEM_FOLDER,
    Entry,
    Listing,
    Skipped,
    is_system_name,
    printable_name,
)
from darkroom.data.wording import UNREADABLE, begin_anew
from darkroom.errors import DataError


class FolderSource:
    """Every regular file below a folder; links that stay inside are followed to files only.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.location = str(self.root)
        self.stem = self.root.name or "images"
        self._listing: Listing | None = None

    def stamp(self) -> str:
        """Hash every name, size and time stamp; a workspace of ours does not count."""
        digest = hashlib.sha256()
        for entry in self.listing().entries:
            digest.update(f"{entry.name}\0{entry.size_bytes}\0{entry.modified_ns}\n".encode())
        for folder in self.listing().folders:
            digest.update(f"{folder}/\n".encode())
        for skipped in self.listing().skipped:
            if skipped.reason == OWN_WORKSPACE:
                continue  # else the first opening, which may make it, would change the source
            digest.update(f"{skipped.name}\0{skipped.reason}\n".encode(errors="replace"))
        return digest.hexdigest()

    def listing(self) -> Listing:
        """List every file, sorted by name; the walk is done once."""
        if self._listing is None:
            self._listing = self._walk()
        return self._listing

    def read(self, name: str) -> bytes:
        """Read one file."""
        try:
            return (self.root / name).read_bytes()
        except OSError as refused:
            raise DataError(
                f"{self.root / name} cannot be read: {refused.strerror}",
                hint=begin_anew(self.root),
            ) from refused

    def _walk(self) -> Listing:
        entries: list[Entry] = []
        folders: list[str] = []
        skipped: list[Skipped] = []
        waiting = [""]
        while waiting:
            below = waiting.pop()
            for item in self._scan(below):
                name = f"{below}/{item.name}" if below else item.name
                if printable_name(name) != name:
                    skipped.append(Skipped(name=printable_name(name), reason=NOT_UTF8))
                elif item.is_dir(follow_symlinks=False):
                    reason = _never_entered(name, Path(item.path))
                    if reason:
                        skipped.append(Skipped(name=f"{name}/", reason=reason))
                    else:
                        folders.append(name)
                        waiting.append(name)
                else:
                    self._add_file(item, name, entries, skipped)
        entries.sort(key=lambda entry: entry.name)
        skipped.sort(key=lambda file: file.name)
        return Listing(
            entries=tuple(entries), folders=tuple(sorted(folders)), skipped=tuple(skipped)
        )

    def _scan(self, below: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.root / below) as items:
                return list(items)
        except OSError as refused:
            raise DataError(
                f"the folder {self.root / below} cannot be read: {refused.strerror}",
                hint=f"ls -ld {self.root / below}",
            ) from refused

    def _add_file(
        self, item: os.DirEntry[str], name: str, entries: list[Entry], skipped: list[Skipped]
    ) -> None:
        reason = None
        try:
            if is_system_name(name):
                reason = SYSTEM_FILE
            elif item.is_symlink() and not Path(item.path).exists():
                reason = "broken link"
            elif item.is_symlink() and not Path(item.path).resolve().is_relative_to(self.root):
                reason = "link out of the folder"
            elif not item.is_file():
                reason = "link to a folder" if item.is_symlink() else "not a regular file"
            elif item.stat().st_size > MAX_FILE_BYTES:
                reason = "larger than 256 MiB"
        except OSError as refused:
            is_link = item.is_symlink()
            reason = "broken link" if is_link else f"{UNREADABLE}cannot be read: {refused.strerror}"
        if reason:
            skipped.append(Skipped(name=name, reason=reason))
        else:
            status = item.stat()
            entries.append(
                Entry(name=name, size_bytes=status.st_size, modified_ns=status.st_mtime_ns)
            )


# What only a Workspace holds; the second is there first, and all there is after an interruption.
_OF_A_WORKSPACE = ("datasets/*/manifest.json", "cache/pixels/*.keys")


def _never_entered(name: str, path: Path) -> str | None:
    """Say why nothing below a folder is listed, if so."""
    if is_system_name(name):
        return SYSTEM_FOLDER
    is_ours = any(glob.glob(inside, root_dir=path) for inside in _OF_A_WORKSPACE)  # noqa: PTH207 - Path.glob raises without permission
    return OWN_WORKSPACE if is_ours else None
