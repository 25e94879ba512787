"""What a file, a folder or an archive is, told by a glance at its names: the table of kinds."""

from __future__ import annotations

import itertools
import os
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from darkroom.data.decode import ENDINGS
from darkroom.data.sources import Columns, Source, is_system_name
from darkroom.data.sources.archive import ArchiveSource, is_archive
from darkroom.data.sources.arrays import ArraysSource
from darkroom.data.sources.cifar10 import Cifar10Source, is_cifar10
from darkroom.data.sources.folder import FolderSource
from darkroom.data.sources.imagefolder import METADATA, ImageFolderSource, has_file_names
from darkroom.data.sources.parquet_images import ParquetImagesSource, image_columns
from darkroom.data.sources.table import TableSource
from darkroom.data.sources.tables import PARQUET_ENDINGS, TABLE_ENDINGS
from darkroom.data.sources.webdataset import SHARD_ENDINGS, WebDatasetSource, has_sidecars
from darkroom.errors import DataError

_GLANCE = 64  # files of each folder; a class folder shows an image within them


class _Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A folder or an archive, and the names that a glance at it shows."""

    store: FolderSource | ArchiveSource
    names: tuple[str, ...]  # sorted
    columns: Columns


def recognise(path: Path, columns: Columns) -> Source | None:
    """Open what lies at a path as the kind of source it is.

    Args:
        path: A file or a folder that exists.
        columns: Which columns of a table say what.

    Returns:
        None where it is a file of no known kind.

    Raises:
        DataError: It cannot be read.
    """
    if path.is_dir():
        store = FolderSource(path)
        return _reading(_Seen(store=store, names=_glance(store.root), columns=columns))
    return _read_file(path, columns) if path.is_file() else None


def _read_file(path: Path, columns: Columns) -> Source | None:
    name = path.name.lower()
    if name.endswith(".npz"):
        return ArraysSource(path)
    if name.endswith(PARQUET_ENDINGS) and image_columns(path):
        return ParquetImagesSource(path, columns)
    if name.endswith(TABLE_ENDINGS):
        return TableSource(path, columns)
    if is_archive(path):
        archive = ArchiveSource(path)
        names = tuple(sorted(entry.name for entry in archive.listing().entries))
        return _reading(_Seen(store=archive, names=names, columns=columns))
    return None


def takes_columns(source: Source) -> bool:
    """Tell whether a source has columns that can be named."""
    return not isinstance(source, (FolderSource, ArchiveSource, Cifar10Source, ArraysSource))


def tables_in(folder: Path) -> list[str]:
    """Name the tables that lie directly in a folder."""
    return [
        name
        for name in _glance(folder.resolve())
        if "/" not in name and name.lower().endswith(TABLE_ENDINGS)
    ]


def _reading(seen: _Seen) -> Source:
    """Give the first kind that recognises a folder or archive; else it is just that."""
    found = (kind(seen) for kind in _KINDS)
    return next((source for source in found if source is not None), seen.store)


def _cifar10(seen: _Seen) -> Source | None:
    return Cifar10Source(seen.store) if is_cifar10(seen.names) else None


def _imagefolder(seen: _Seen) -> Source | None:
    depth = _outer(seen.names).count("/") + 2  # a table lies in the top folder or one below it
    tables = [
        name
        for name in seen.names
        if name.rpartition("/")[2].lower() in METADATA
        and len(name.split("/")) <= depth
        and (seen.columns.image or has_file_names(seen.store.read(name), name))
    ]
    by_folder: dict[str, str] = {}
    for name in tables:
        other = by_folder.setdefault(name.rpartition("/")[0], name)
        if other != name:
            raise DataError(
                f"{seen.store.location} holds both {other} and {name}", hint="keep one of them"
            )
    return ImageFolderSource(seen.store, tables, seen.columns) if tables else None


def _webdataset(seen: _Seen) -> Source | None:
    if isinstance(seen.store, ArchiveSource):
        is_shard = seen.store.path.name.lower().endswith(SHARD_ENDINGS) and has_sidecars(seen.names)
    else:
        first = _first_shard(seen, SHARD_ENDINGS)
        is_shard = first is not None and has_sidecars(_first_members(first))
    return WebDatasetSource(seen.store, seen.columns) if is_shard else None


def _parquet(seen: _Seen) -> Source | None:
    if isinstance(seen.store, ArchiveSource):
        return None
    first = _first_shard(seen, PARQUET_ENDINGS)
    if first is None or not image_columns(first):
        return None
    return ParquetImagesSource(seen.store.root, seen.columns, folder=seen.store)


# The order decides where two would do: a table says more than the folders it lies in.
_KINDS: tuple[Callable[[_Seen], Source | None], ...] = (
    _cifar10,
    _imagefolder,
    _webdataset,
    _parquet,
)


def _first_shard(seen: _Seen, endings: tuple[str, ...]) -> Path | None:
    """Give the first file of many images in a folder that shows no image of its own."""
    if any(name.lower().endswith(ENDINGS) for name in seen.names):
        return None
    shards = (name for name in seen.names if name.lower().endswith(endings))
    first = next(shards, None)
    return Path(seen.store.location) / first if first else None


def _first_members(path: Path) -> list[str]:
    try:
        with tarfile.open(path) as archive:
            return [member.name for member in itertools.islice(archive, _GLANCE)]
    except (tarfile.TarError, OSError, EOFError, ValueError):
        return []  # whoever reads it as what it is says so in its own words


def _outer(names: Iterable[str]) -> str:
    """Give the single folder around everything, with its slash, or nothing."""
    listed = list(names)
    tops = {name.partition("/")[0] for name in listed if "/" in name}
    is_around = len(tops) == 1 and all("/" in name for name in listed)
    return f"{tops.pop()}/" if is_around else ""


def _glance(root: Path) -> tuple[str, ...]:
    """Name some files of a folder and of the folders in it, and every table of an imagefolder."""
    names, folders = _beginning(root, limit=None)
    if len(folders) == 1 and not names:  # a folder around everything
        outer = folders[0]
        below, deeper = _beginning(root / outer, limit=None)
        names = [f"{outer}/{name}" for name in below]
        folders = [f"{outer}/{name}" for name in deeper]
    for folder in folders:
        files, _ = _beginning(root / folder, limit=_GLANCE)
        tables = [name for name in METADATA if _is_own(root / folder / name, root)]
        names += [f"{folder}/{name}" for name in {*files, *tables}]
    own = [name for name in names if _is_own(root / name, root)]
    return tuple(sorted(own))


def _is_own(path: Path, root: Path) -> bool:
    """Tell whether a path is a regular file that no link leads out of a folder."""
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises without permission
        return False
    return not path.is_symlink() or Path(os.path.realpath(path)).is_relative_to(root)


def _beginning(folder: Path, *, limit: int | None) -> tuple[list[str], list[str]]:
    """Name files and folders of a folder that are the user's own, up to a number of them."""
    files: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as items:
            for item in itertools.islice(items, limit):
                if not is_system_name(item.name):
                    (folders if item.is_dir(follow_symlinks=False) else files).append(item.name)
    except OSError:
        return [], []  # the listing says so in its own words
    return files, folders
