"""`open_dataset`: from a folder, an archive, a URL or a built-in to a Dataset in the workspace."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import msgspec
import polars as pl

from darkroom.data.dataset import INDEX_COLUMNS, Dataset, DatasetRecord
from darkroom.data.decode import ENDINGS
from darkroom.data.kept import load_dataset, store_dataset
from darkroom.data.layout import Layout, Place, class_folders, place_image, read_layout
from darkroom.data.sources import Listing, Skipped, Source
from darkroom.data.sources.download import MAX_BYTES
from darkroom.data.sources.locate import locate_source, refuse_unfit
from darkroom.data.survey import Seen, survey
from darkroom.data.wording import counted, first_skipped
from darkroom.disk import write_file
from darkroom.errors import ArtifactError, DataError
from darkroom.records import from_json, to_json
from darkroom.storage import MANIFEST
from darkroom.workspace import Workspace


class _Opened(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a location was when it was last opened."""

    SCHEMA: ClassVar[int] = 1

    stamp: str
    dataset: str  # its name


def open_dataset(
    location: str | Path,
    *,
    workspace: Workspace | None = None,
    sha256: str | None = None,
    archive: Path | str | None = None,
    max_bytes: int = MAX_BYTES,
) -> Dataset:
    """Open a folder of labelled images, an archive of one, or a built-in data set.

    Every file is read once, hashed and decoded; nothing is moved. Opened again unchanged, the
    same Dataset comes back at once.

    Args:
        location: A class-per-folder tree, a tree of parts (`train`, `valid`, `test` under any of
            their usual names), a zip or tar of either, the URL of such an archive,
            `builtin:digits`, `builtin:cifar10`, or a Dataset in the workspace.
        workspace: Where everything made lies.
        sha256: The sum an archive must have, 64 hex digits; not for a folder or a built-in.
        archive: A copy of a built-in data set that you have already; only for one.
        max_bytes: The largest download that is accepted.

    Returns:
        A Dataset; its parts are those of the tree, or none until `split_dataset`.

    Raises:
        DataError: There are no labelled images, the source cannot be read or has another sum, or
            `sha256` or `archive` does not belong to it.
        ServiceError: A download failed.
        ArtifactError: The disk is full.
    """
    workspace = workspace or Workspace()
    copy = Path(archive) if archive else None
    if _is_artifact(Path(location)):
        refuse_unfit(location, sha256=sha256, archive=copy)
        return load_dataset(Path(location))
    source = locate_source(
        location,
        workspace.root / "sources",
        sha256=sha256,
        archive=copy,
        max_bytes=max_bytes,
    )
    stamp = source.stamp()
    key = hashlib.sha256(source.location.encode()).hexdigest()[:16]
    note = workspace.cache / "opened" / f"{key}.json"
    known = _reopened(workspace, note, stamp)
    if known is not None:
        return known
    dataset = _survey(source, stamp, workspace)
    write_file(note, to_json(_Opened(stamp=stamp, dataset=dataset.name)))
    return dataset


def _is_artifact(path: Path) -> bool:
    try:
        return (path / MANIFEST).is_file()
    except OSError:  # no permission: the source says so in its own words
        return False


def _reopened(workspace: Workspace, note: Path, stamp: str) -> Dataset | None:
    """Give the Dataset that was made of the same unchanged source, if it is still there."""
    try:
        opened = from_json(note.read_bytes(), _Opened, where=str(note))
        if opened.stamp != stamp:
            return None
        return load_dataset(workspace.folder("dataset") / opened.dataset)
    except (FileNotFoundError, ArtifactError):
        return None


def _survey(source: Source, stamp: str, workspace: Workspace) -> Dataset:
    listing = source.listing()
    names = [entry.name for entry in listing.entries]
    # A README beside the folder around everything must not hide that it is one.
    layout = read_layout([name for name in names if name.lower().endswith(ENDINGS)] or names)
    places = {name: place_image(name, layout) for name in names}
    wanted = [entry for entry in listing.entries if places[entry.name].ignored is None]
    if not any(places[entry.name].label for entry in wanted):
        raise _no_classes(source, listing)
    seen, unusable = survey(source, wanted, workspace.cache / "pixels")
    ignored = [
        Skipped(name=name, reason=place.ignored) for name, place in places.items() if place.ignored
    ]
    classes = sorted({label for image in seen if (label := places[image.name].label)})
    if not classes:
        raise _none_readable(source, unusable)
    skipped = [*listing.skipped, *ignored, *unusable, *_ignored_folders(listing, layout)]
    record = DatasetRecord(
        name=source.stem,
        task="single-label",
        classes=tuple(classes),
        empty_classes=tuple(sorted(class_folders(listing.folders, layout) - set(classes))),
        location=source.location,
        stamp=stamp,
        found=len(seen) + len(skipped),
        used=len(seen),
    )
    index, table = _index(seen, places, classes), _skipped_table(skipped)
    return store_dataset(workspace, record, index, table, made_by="open")


def _index(
    seen: Sequence[Seen], places: Mapping[str, Place], classes: Sequence[str]
) -> pl.DataFrame:
    numbers: dict[str | None, list[int] | None] = {name: [n] for n, name in enumerate(classes)}
    rows = [
        (
            image.name,
            places[image.name].part,
            numbers.get(places[image.name].label),
            image.sha256,
            image.size_bytes,
            image.modified_ns,
            image.height,
            image.width,
            image.channels,
        )
        for image in seen
    ]
    return pl.DataFrame(rows, schema=INDEX_COLUMNS, orient="row").sort("image")


def _ignored_folders(listing: Listing, layout: Layout) -> list[Skipped]:
    """Name the folders beside the parts that hold no file, so that none is passed over."""
    used = {entry.name.removeprefix(layout.prefix).split("/")[0] for entry in listing.entries}
    tops = {
        folder.removeprefix(layout.prefix).split("/")[0]
        for folder in listing.folders
        if folder.startswith(layout.prefix)
    }
    empty = [f"{layout.prefix}{top}/" for top in sorted(tops - used)]
    reasons = {folder: place_image(f"{folder}image", layout).ignored for folder in empty}
    return [Skipped(name=folder, reason=reason) for folder, reason in reasons.items() if reason]


def _skipped_table(skipped: Sequence[Skipped]) -> pl.DataFrame:
    rows = sorted((file.name, file.reason) for file in skipped)
    return pl.DataFrame(rows, schema={"name": pl.String, "reason": pl.String}, orient="row")


def _none_readable(source: Source, unusable: Sequence[Skipped]) -> DataError:
    count = len(unusable)
    subject = "the one file" if count == 1 else f"none of the {count:,} files"
    verb = "is no readable image" if count == 1 else "is a readable image"
    first = first_skipped(unusable[0].name, unusable[0].reason, of=count)
    return DataError(
        f"{subject} in {source.location} {verb}; {first}", hint=f"ls -l {source.location}"
    )


def _no_classes(source: Source, listing: Listing) -> DataError:
    if not listing.entries:
        skipped = listing.skipped
        first = [first_skipped(file.name, file.reason, of=len(skipped)) for file in skipped[:1]]
        why = "".join(f"; {sentence}" for sentence in first)
        return DataError(
            f"{source.location} holds no images{why}",
            hint="name the folder with one folder per class",
        )
    return DataError(
        f"{source.location} holds {counted(len(listing.entries), 'file', 'files')} but no folder "
        f"per class; the first is {listing.entries[0].name}",
        hint="put the images of each class into a folder with the class's name",
    )
