"""A CSV, TSV, JSON Lines or Parquet table of paths as a source of images."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

from darkroom.data.sources import MAX_FILE_BYTES, Columns, Entry, Listing
from darkroom.data.sources.answers import join_answers, read_answers
from darkroom.data.sources.columns import find_columns, named_image
from darkroom.data.sources.rows import MISSING, OUTSIDE, climbs, join_rows, written_path
from darkroom.data.sources.tables import file_stamp, read_table
from darkroom.data.wording import UNREADABLE, check_command
from darkroom.errors import DataError


class TableSource:
    """The images that a table names; paths are relative to the folder the table lies in.

    What is found is what has a row: other files of the folder are not looked at.

    Args:
        path: The table.
        columns: Which of its columns say what, where they have no usual names.
    """

    def __init__(self, path: Path, columns: Columns) -> None:
        self.path = path.resolve()
        self.location = str(self.path)
        self.stem = path.stem
        self._columns = columns
        self._beside = path.absolute().parent  # an absolute path may be written with a link in it
        self._root = self.path.parent
        self._inside: dict[str, bool] = {}  # of each folder, whether it truly lies within the root
        self._listing: Listing | None = None

    def stamp(self) -> str:
        """Hash the size and the time stamp of the table and of each image it names."""
        digest = hashlib.sha256(file_stamp(self.path).encode())
        for entry in self.listing().entries:
            digest.update(f"{entry.name}\0{entry.size_bytes}\0{entry.modified_ns}\n".encode())
        for skipped in self.listing().skipped:
            digest.update(f"{skipped.name}\0{skipped.reason}\n".encode())
        return digest.hexdigest()

    def listing(self) -> Listing:
        """List what each row names; the table is read once."""
        if self._listing is None:
            self._listing = self._read()
        return self._listing

    def read(self, name: str) -> bytes:
        """Read one file."""
        path = self._root / name
        try:
            if not self._is_inside(path):
                raise OSError(errno.ENOENT, "it lies outside the folder of the table")
            return path.read_bytes()
        except (OSError, ValueError) as refused:
            raise DataError(
                f"{path} cannot be read: {getattr(refused, 'strerror', refused)}",
                hint=check_command(self.path),
            ) from refused

    def _read(self) -> Listing:
        table = read_table(self.path, where=self.location)
        columns = find_columns(table, self._columns)
        image = named_image(table, columns)
        answers = join_answers([read_answers(table, columns)], where=self.location)
        paths = [self._relative(written_path(value)) for value in table.load(image)]
        found = [self._find(path) for path in paths]
        entries, skipped = join_rows(zip(paths, found, answers.rows, strict=True))
        if not entries:
            raise DataError(
                f"none of the {len(paths):,} rows of {self.path} can be used; the first, "
                f"{skipped[0].name}, {_sentence(skipped[0].reason)} "
                f"(looked for {self._root / skipped[0].name})",
                hint="put the table into the folder that its paths are relative to, or name "
                f"another column: {check_command(self.path, '--image', 'COLUMN')}",
            )
        return Listing(
            entries=tuple(entries[name] for name in sorted(entries)),
            folders=(),
            skipped=tuple(skipped),
            task=answers.task,
        )

    def _relative(self, path: str) -> str:
        for root in (self._root, self._beside):
            if path.startswith(f"{root}/"):
                return path.removeprefix(f"{root}/")
        return path

    def _find(self, path: str) -> Entry | str:
        """Give the file a path names, or why it is not used."""
        if not path or climbs(path):
            return OUTSIDE if path else "names no image"
        full = self._root / path
        try:
            if not self._is_inside(full):
                return OUTSIDE
            status = full.stat()
        except (OSError, ValueError) as refused:
            return self._without(path, refused)
        odd = None if stat.S_ISREG(status.st_mode) else "not a regular file"
        if odd or status.st_size > MAX_FILE_BYTES:
            return odd or "larger than 256 MiB"
        return Entry(name=path, size_bytes=status.st_size, modified_ns=status.st_mtime_ns)

    def _without(self, path: str, refused: OSError | ValueError) -> Entry | str:
        """Say why there is no file at a path; one written on Windows may mean another."""
        if "\\" in path:
            return self._find(written_path(path.replace("\\", "/")))
        number = refused.errno if isinstance(refused, OSError) else None  # else a NUL in its name
        if number in (None, errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            is_link = number == errno.ENOENT and (self._root / path).is_symlink()
            return "broken link" if is_link else MISSING
        is_loop = number == errno.ELOOP
        return "broken link" if is_loop else f"{UNREADABLE}cannot be read: {os.strerror(number)}"

    def _is_inside(self, full: Path) -> bool:
        """Tell whether a path, with every link followed, lies within the table's folder."""
        folder, name = os.path.split(full)
        if folder not in self._inside:
            self._inside[folder] = self._holds(folder)
        if not self._inside[folder] or name in ("", ".."):
            return False
        return not full.is_symlink() or self._holds(full)

    def _holds(self, path: Path | str) -> bool:
        # Not `Path.resolve`: before Python 3.13 it fails on a loop of links.
        return Path(os.path.realpath(path)).is_relative_to(self._root)


def _sentence(reason: str) -> str:
    plain = reason.removeprefix(UNREADABLE)
    return plain if plain.split()[0] in ("points", "names", "cannot") else f"is {plain}"
