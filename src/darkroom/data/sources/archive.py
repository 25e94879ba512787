"""A zip or tar archive as a source of images, read in place: nothing is ever unpacked."""

from __future__ import annotations

import contextlib
import hashlib
import lzma
import tarfile
import threading
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import cast

from darkroom.data.sources import (
    MAX_FILE_BYTES,
    SYSTEM_FILE,
    Entry,
    Listing,
    Skipped,
    is_system_name,
)
from darkroom.errors import DataError

_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    KeyError,
    ValueError,  # a name in no known encoding
)


def is_archive(path: Path) -> bool:
    """Tell by its name whether a file is an archive we read."""
    return path.name.lower().endswith(_ENDINGS)


class ArchiveSource:
    """The members of a zip or tar archive.

    Args:
        path: The archive.

    Raises:
        DataError: It is missing, damaged, or a member's name climbs out of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.location = str(self.path)
        lower = path.name.lower()
        self.stem = path.name[: -len(next(end for end in _ENDINGS[::-1] if lower.endswith(end)))]
        self._is_zip = lower.endswith(".zip")
        self._turn = threading.Lock()
        with self._damage("opened"):
            self._zip = zipfile.ZipFile(self.path) if self._is_zip else None
            self._tar = None if self._is_zip else tarfile.open(self.path)  # noqa: SIM115
        if self._tar:
            weakref.finalize(self, self._tar.close)
        self._listing: Listing | None = None
        self._members: dict[str, zipfile.ZipInfo | tarfile.TarInfo] = {}  # of each listed name

    def stamp(self) -> str:
        """Hash the archive's own size and time stamp."""
        status = self.path.stat()
        return hashlib.sha256(f"{status.st_size} {status.st_mtime_ns}".encode()).hexdigest()

    def listing(self) -> Listing:
        """List every member in the order of the archive; the table is read once."""
        if self._listing is None:
            with self._damage("listed"):
                self._listing = self._read_table()
        return self._listing

    def read(self, name: str) -> bytes:
        """Read one member; its checksum is verified when the format has one."""
        with self._turn:
            self.listing()
            with self._damage(f"read at {name}"):
                # Never by name: of two members with one name an archive gives the last, we list
                # the first; and a tar would be searched from its end for every image.
                member = self._members[name]
                if isinstance(member, zipfile.ZipInfo):
                    # Not more than the table promises: a bomb may hold a thousand times that.
                    with cast(zipfile.ZipFile, self._zip).open(member) as packed:
                        return packed.read(member.file_size)
                unpacked = cast(tarfile.TarFile, self._tar).extractfile(member)
                if unpacked is None:
                    raise KeyError(name)
                return unpacked.read()

    @contextlib.contextmanager
    def _damage(self, doing: str) -> Iterator[None]:
        try:
            yield
        except _DAMAGED as broken:
            raise DataError(
                f"{self.path} cannot be {doing}: {broken}", hint="fetch the archive again"
            ) from broken
        except (OSError, RuntimeError) as refused:  # RuntimeError: a zip member has a password
            raise DataError(
                f"{self.path} cannot be {doing}: {refused}", hint=f"ls -l {self.path}"
            ) from refused

    def _read_table(self) -> Listing:
        entries: list[Entry] = []
        folders: list[str] = []
        skipped: list[Skipped] = []
        seen: set[str] = set()
        for member in self._table():
            name, size, is_folder, odd = _described(member)
            _refuse_climbing(name, self.path)
            clean = name.rstrip("/").removeprefix("./")
            if is_folder:
                if not is_system_name(clean):
                    folders.append(clean)
                continue
            reason = odd
            if not clean:
                reason = "has no name"
            elif clean in seen:
                reason = "twice in the archive"
            elif is_system_name(clean):
                reason = SYSTEM_FILE
            elif size > MAX_FILE_BYTES:
                reason = "larger than 256 MiB"
            seen.add(clean)
            if reason:
                skipped.append(Skipped(name=clean, reason=reason))
            else:
                self._members[clean] = member
                entries.append(Entry(name=clean, size_bytes=size, modified_ns=0))
        return Listing(entries=tuple(entries), folders=tuple(folders), skipped=tuple(skipped))

    def _table(self) -> Iterator[zipfile.ZipInfo | tarfile.TarInfo]:
        yield from self._zip.infolist() if self._zip else ()
        yield from self._tar or ()
        if self._tar:
            self._refuse_unended(self._tar)

    def _refuse_unended(self, tar: tarfile.TarFile) -> None:
        """Refuse a tar whose table stops without its end mark: tarfile drops the rest silently."""
        if tar.fileobj is not None:
            tar.fileobj.seek(tar.offset)
            if tar.fileobj.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
                raise tarfile.ReadError("it is damaged or cut short; its end mark is missing")


def _described(member: zipfile.ZipInfo | tarfile.TarInfo) -> tuple[str, int, bool, str | None]:
    """Give name, size, whether it is a folder, and why it cannot be an image."""
    if isinstance(member, zipfile.ZipInfo):
        odd = "password-protected" if member.flag_bits & 1 else None
        # Not `member.is_dir()`: before Python 3.12 it fails on a member without a name.
        return member.filename, member.file_size, member.filename.endswith("/"), odd
    odd = None if member.isfile() or member.isdir() else "not a regular file"
    return member.name, member.size, member.isdir(), odd


def _refuse_climbing(name: str, archive: Path) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    drive = len(name) > 1 and name[1] == ":"
    if path.is_absolute() or ".." in path.parts or drive or "\0" in name:
        raise DataError(
            f"{archive} holds a member that climbs out of it: {name!r}",
            hint="do not use this archive, or pack it again from a folder you trust",
        )
