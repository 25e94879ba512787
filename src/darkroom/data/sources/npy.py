"""The arrays of an `.npz` file: their headers are checked before anything is read or unpacked."""

from __future__ import annotations

import contextlib
import math
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec
import numpy as np

from darkroom.data.sources import is_bomb
from darkroom.errors import DataError

MAX_ARRAY_BYTES = 2 * 1024**3
_MAX_HEADER = 10_000  # characters
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, RuntimeError)


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a member of an `.npz` claims to be; its size agrees with it."""

    member: str  # its name, without `.npy`
    shape: tuple[int, ...]
    kind: str  # numpy's letter: u, i, f, b, U or S
    dtype: str  # as numpy writes it
    is_fortran: bool
    offset: int  # bytes, of the values


def read_headers(path: Path) -> tuple[Header, ...]:
    """Read what the members of an `.npz` claim to be.

    Raises:
        DataError: It is damaged, or a member holds objects, is too large, claims another size
            than it has, or stands there twice.
    """
    with _damage(path), zipfile.ZipFile(path) as archive:
        infos = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        names = [info.filename for info in infos]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise _refused(path, sorted(twice)[0], "stands there twice", "save it again")
        return tuple(_header(archive, info, path) for info in infos)


def read_array(path: Path, header: Header) -> np.ndarray:
    """Read one array, as it was claimed to be.

    Raises:
        DataError: It is damaged.
    """
    with _damage(path), zipfile.ZipFile(path) as archive:
        with archive.open(f"{header.member}.npy") as member:
            # Not more than the header claims, which was checked: a bomb may hold more.
            size = header.offset + math.prod(header.shape) * np.dtype(header.dtype).itemsize
            data = member.read(size)
        values = np.frombuffer(data, np.dtype(header.dtype), offset=header.offset)
        return values.reshape(header.shape, order="F" if header.is_fortran else "C")


def _header(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> Header:
    name = info.filename.removesuffix(".npy")
    if info.flag_bits & 1:
        raise _refused(path, name, "has a password", "save it without one")
    with archive.open(info) as member:
        shape, is_fortran, dtype = _claims(member)
        offset = member.tell()
    if dtype.hasobject:
        why = "holds Python objects, which may run any code when they are opened"
        raise _refused(path, name, why, "save it as numbers or text: values.astype(str)")
    if dtype.kind not in "uifbUS":
        raise _refused(path, name, f"holds values of type {dtype}", "save it as whole numbers")
    claimed = offset + math.prod(shape) * dtype.itemsize
    if claimed != info.file_size:
        why = f"claims {claimed:,} bytes and has {info.file_size:,}"
        raise _refused(path, name, why, "save it again")
    if claimed > MAX_ARRAY_BYTES:
        why = f"has {claimed:,} bytes, above the cap of {MAX_ARRAY_BYTES:,}"
        raise _refused(path, name, why, "save the images as files, or as Parquet")
    if is_bomb(claimed, packed_bytes=info.compress_size):
        why = f"unpacks {info.compress_size:,} bytes to {claimed:,}"
        raise _refused(path, name, why, "save it with np.savez, which does not pack")
    return Header(
        member=name,
        shape=shape,
        kind=dtype.kind,
        dtype=dtype.str,
        is_fortran=is_fortran,
        offset=offset,
    )


def _claims(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(member)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"an array of version {version}")
    shape, is_fortran, dtype = readers[version](member, max_header_size=_MAX_HEADER)
    if any(side < 0 for side in shape):
        raise ValueError(f"the shape {shape}")
    return shape, is_fortran, dtype


@contextlib.contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as broken:
        raise DataError(
            f"{path} cannot be read as arrays: {broken}", hint="save it again with np.savez"
        ) from broken


def _refused(path: Path, member: str, why: str, hint: str) -> DataError:
    return DataError(f"the array {member} of {path} {why}", hint=hint)
