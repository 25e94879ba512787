"""A zip or tar archive as a source of images, read in place: nothing is ever unpacked."""

from __future__ import annotations

import contextlib
import hashlib
import lzma
import os
import tarfile
import threading
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from darkroom.data.sources import (
    MAX_FILE_BYTES,
    NOT_UTF8,
    SYSTEM_FILE,
    Entry,
    Listing,
    Skipped,
    is_bomb,
    is_system_name,
    printable_name,
)
from darkroom.errors import DataError

_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_AHEAD_BYTES = 1024 * 1024
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
            self._zip = None
            if self._is_zip:
                file = self.path.open("rb", buffering=0)
                weakref.finalize(self, file.close)
                self._zip = zipfile.ZipFile(cast(IO[bytes], _ReadAhead(file)))
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
        unpacked, packed = 0, self.path.stat().st_size
        for member in self._table():
            name, size, is_folder, odd = _described(member)
            _refuse_climbing(name, self.path)
            clean = printable_name(name).rstrip("/").removeprefix("./")
            is_odd = printable_name(name) != name
            if is_folder:
                if not is_system_name(clean) and not is_odd:
                    folders.append(clean)
                continue
            reason = odd
            if not clean:
                reason = "has no name"
            elif is_odd:
                reason = NOT_UTF8
            elif clean in seen:
                reason = "twice in the archive"
            elif is_system_name(clean):
                reason = SYSTEM_FILE
            elif size > MAX_FILE_BYTES:
                reason = "larger than 256 MiB"
            seen.add(clean)
            # Of a packed tar also what is skipped has to be unpacked to get at the next member.
            unpacked += size if self._tar or not reason else 0
            self._refuse_bomb(unpacked, packed)
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

    def _refuse_bomb(self, unpacked: int, packed: int) -> None:
        if is_bomb(unpacked, packed_bytes=packed):
            raise DataError(
                f"{self.path} unpacks {packed:,} bytes to {unpacked:,} or more",
                hint="do not use this archive, or pack it again from a folder you trust",
            )

    def _refuse_unended(self, tar: tarfile.TarFile) -> None:
        """Refuse a tar whose table stops without its end mark: tarfile drops the rest silently."""
        if tar.fileobj is not None:
            tar.fileobj.seek(tar.offset)
            if tar.fileobj.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
                raise tarfile.ReadError("it is damaged or cut short; its end mark is missing")


class _ReadAhead:
    """A file as `zipfile` uses it, read a MiB at a time.

    Each call of a file's own methods lets other threads have the interpreter, six times for a
    member; while they decode, getting it back takes longer than reading (8 s against 6.5 s for
    the 60,000 images of CIFAR-10).
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._at = file, 0
        self._size = os.fstat(file.fileno()).st_size
        self._start, self._window = 0, b""

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"its table points to byte {base + offset:,}")
        self._at = base + offset
        return self._at

    def read(self, count: int = -1) -> bytes:
        count = max(self._size - self._at, 0) if count < 0 else count
        low = self._at - self._start
        if low < 0 or low + count > len(self._window):
            self._start, low = self._at, 0
            self._window = os.pread(self._file.fileno(), max(count, _AHEAD_BYTES), self._at)
        data = self._window[low : low + count]
        self._at += len(data)
        return data


def _described(member: zipfile.ZipInfo | tarfile.TarInfo) -> tuple[str, int, bool, str | None]:
    """Give name, size, whether it is a folder, and why it cannot be an image."""
    if isinstance(member, zipfile.ZipInfo):
        odd = "password-protected" if member.flag_bits & 1 else None
        # Not `member.is_dir()`: before Python 3.12 it fails on a member without a name.
        return member.filename, member.file_size, member.filename.endswith("/"), odd
    odd = None if member.isfile() or member.isdir() else "not a regular file"
    return member.name, member.size, member.isdir(), odd


def _refuse_climbing(name: str, archive: Path) -> None:
    path = name.replace("\\", "/")
    drive = len(name) > 1 and name[1] == ":"
    if path.startswith("/") or ".." in path.split("/") or drive or "\0" in name:
        raise DataError(
            f"{archive} holds a member that climbs out of it: {name!r}",
            hint="do not use this archive, or pack it again from a folder you trust",
        )
