"""Packs drawn folders into archives, and odd archives by hand."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

TAR_MODES: dict[str, Literal["w", "w:gz", "w:bz2", "w:xz"]] = {
    ".tar": "w",
    ".tar.gz": "w:gz",
    ".tar.bz2": "w:bz2",
    ".tar.xz": "w:xz",
}


def pack_folder(folder: Path, ending: str, prefix: str = "") -> Path:
    """Pack what lies in a folder, and return the archive that stands beside it."""
    target = folder.with_name(folder.name + ending)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    members = [(prefix + path.relative_to(folder).as_posix(), path.read_bytes()) for path in files]
    if ending == ".zip":
        return write_zip(target, members)
    return write_tar(target, members, TAR_MODES[ending])


def write_zip(path: Path, members: Iterable[tuple[str, bytes]], *, packed: bool = True) -> Path:
    """Write a zip with exactly these member names, whatever they are."""
    how = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, data in members:
            info = zipfile.ZipInfo("placeholder")
            info.filename, info.compress_type = name, how
            archive.writestr(info, data)
    return path


def write_tar(
    path: Path,
    members: Iterable[tuple[str, bytes]],
    mode: Literal["w", "w:gz", "w:bz2", "w:xz"] = "w",
) -> Path:
    """Write a tar with exactly these member names, whatever they are."""
    with tarfile.open(path, mode) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path
