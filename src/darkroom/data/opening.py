"""`open_dataset`: from a folder, an archive, a URL or a built-in to a Dataset in the workspace."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import ClassVar

import msgspec
import polars as pl

from darkroom.data.dataset import INDEX_COLUMNS, Dataset, DatasetRecord
from darkroom.data.decode import ENDINGS
from darkroom.data.kept import load_dataset, store_dataset
from darkroom.data.layout import class_folders, ignored_folders, place_image, read_layout
from darkroom.data.sources import Columns, Listing, Place, Skipped, Source
from darkroom.data.sources.download import MAX_BYTES
from darkroom.data.sources.locate import locate_source, refuse_unfit
from darkroom.data.sources.tables import TABLE_ENDINGS
from darkroom.data.survey import Seen, survey
from darkroom.data.wording import check_command, first_skipped
from darkroom.disk import write_file
from darkroom.errors import ArtifactError, DataError
from darkroom.records import from_json, to_json
from darkroom.storage import MANIFEST
from darkroom.wording import counted
from darkroom.workspace import Workspace

_MAX_CLASSES = 2**16  # what the index has numbers for


class _Opened(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a location was when it was last opened."""

    SCHEMA: ClassVar[int] = 1

    stamp: str
    dataset: str  # its name


class _Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What a source says of its images, whoever says it: its folders or its own tables."""

    places: Mapping[str, Place]  # of each entry's name
    empty_classes: frozenset[str]  # classes with a folder and maybe no image
    ignored: tuple[Skipped, ...]


def open_dataset(
    location: str | Path,
    *,
    workspace: Workspace | None = None,
    sha256: str | None = None,
    archive: Path | str | None = None,
    max_bytes: int = MAX_BYTES,
    columns: Columns | None = None,
) -> Dataset:
    """Open labelled images: a folder, an archive, a table, shards, arrays or a built-in.

    Every file is read once, hashed and decoded; nothing is moved. Opened again unchanged, the
    same Dataset comes back at once.

    Args:
        location: A class-per-folder tree, a tree of parts (`train`, `valid`, `test` under any of
            their usual names) or one with a `metadata.csv`, a zip or tar of any of these, the
            URL of such an archive, a CSV, Parquet or JSONL table of paths, Parquet files with
            images in them, WebDataset shards, the binary form of CIFAR-10, an `.npz`,
            `builtin:digits`, `builtin:cifar10`, or a Dataset in the workspace.
        workspace: Where everything made lies.
        sha256: The sum an archive must have, 64 hex digits; not for a folder or a built-in.
        archive: A copy of a built-in data set that you have already; only for one.
        max_bytes: The largest download that is accepted.
        columns: Which columns of a table say what, where they have no usual names.

    Returns:
        A Dataset; its parts are those of the tree, or none until `split_dataset`.

    Raises:
        DataError: There are no labelled images, the source cannot be read or has another sum, or
            `sha256`, `archive` or `columns` does not belong to it.
        ServiceError: A download failed.
        ArtifactError: The disk is full.
    """
    workspace = workspace or Workspace()
    copy, columns = Path(archive) if archive else None, columns or Columns()
    if _is_artifact(Path(location)):
        refuse_unfit(location, sha256=sha256, archive=copy)
        return load_dataset(Path(location))
    source = locate_source(
        location,
        workspace.root / "sources",
        sha256=sha256,
        archive=copy,
        max_bytes=max_bytes,
        columns=columns,
    )
    stamp = source.stamp()
    asked = f"{source.location} {columns}" if columns != Columns() else source.location
    key = hashlib.sha256(asked.encode()).hexdigest()[:16]
    note = workspace.cache / "opened" / f"{key}.json"
    known = _reopened(workspace, note, stamp)
    if known is not None:
        return known
    dataset = _survey(source, stamp, columns, workspace)
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


def _survey(source: Source, stamp: str, columns: Columns, workspace: Workspace) -> Dataset:
    listing = source.listing()
    answers = _answers(listing)
    places = answers.places
    wanted = [entry for entry in listing.entries if places[entry.name].ignored is None]
    is_labelled = any(_is_labelled(places[entry.name]) for entry in wanted)
    if not is_labelled:
        raise _no_classes(source, listing)
    _refuse_many_classes(source, {name for place in places.values() for name in place.labels or ()})
    seen, unusable = survey(source, wanted, workspace.cache / "pixels")
    classes = sorted({label for image in seen for label in places[image.name].labels or ()})
    if not any(_is_labelled(places[image.name]) for image in seen):
        raise _none_readable(source, unusable)
    skipped = [*listing.skipped, *answers.ignored, *unusable]
    record = DatasetRecord(
        name=source.stem,
        task=listing.task,
        classes=tuple(classes),
        empty_classes=tuple(sorted(answers.empty_classes - set(classes))),
        location=source.location,
        columns=columns,
        stamp=stamp,
        found=len(seen) + len(skipped),
        used=len(seen),
    )
    index, table = _index(seen, places, classes), _skipped_table(skipped)
    return store_dataset(workspace, record, index, table, made_by="open")


def _refuse_many_classes(source: Source, classes: Set[str]) -> None:
    """Refuse more classes than an index can number, before every image is read."""
    if len(classes) > _MAX_CLASSES:
        raise DataError(
            f"{source.location} has {len(classes):,} classes, above the cap of {_MAX_CLASSES:,}",
            hint="name the column of classes with --label, or join classes",
        )


def _is_labelled(place: Place) -> bool:
    return place.labels is not None or place.target is not None


def _answers(listing: Listing) -> _Answers:
    """Take what the source itself says of its images, or else read it off its folders."""
    said = {entry.name: entry.place for entry in listing.entries if entry.place is not None}
    names = [entry.name for entry in listing.entries if entry.name not in said]
    if said:
        places = {name: Place(ignored="not in the table") for name in names} | said
        ignored: list[Skipped] = []
        classes: set[str] = set()
    else:
        # A README beside the folder around everything must not hide that it is one.
        layout = read_layout([name for name in names if name.lower().endswith(ENDINGS)] or names)
        places = {name: place_image(name, layout) for name in names}
        ignored, classes = ignored_folders(listing, layout), class_folders(listing.folders, layout)
    ignored += [
        Skipped(name=name, reason=place.ignored) for name, place in places.items() if place.ignored
    ]
    return _Answers(places=places, empty_classes=frozenset(classes), ignored=tuple(ignored))


def _index(
    seen: Sequence[Seen], places: Mapping[str, Place], classes: Sequence[str]
) -> pl.DataFrame:
    numbers = {name: number for number, name in enumerate(classes)}
    of = [places[image.name] for image in seen]
    said = {names: row for row, names in enumerate(dict.fromkeys(place.labels for place in of))}
    listed = [
        None if names is None else sorted({numbers[name] for name in names}) for names in said
    ]
    labels = pl.Series(listed, dtype=INDEX_COLUMNS["labels"])
    columns = {
        "image": [image.name for image in seen],
        "part": [place.part for place in of],
        "labels": labels.gather([said[place.labels] for place in of]),
        "sha256": [image.sha256 for image in seen],
        "size_bytes": [image.size_bytes for image in seen],
        "modified_ns": [image.modified_ns for image in seen],
        "height": [image.height for image in seen],
        "width": [image.width for image in seen],
        "channels": [image.channels for image in seen],
        "format": [image.format for image in seen],
        "group": [place.group for place in of],
        "target": [place.target for place in of],
        "taken": [place.taken or image.taken for place, image in zip(of, seen, strict=True)],
        "camera": [image.camera for image in seen],
    }
    return pl.DataFrame(columns, schema=INDEX_COLUMNS).sort("image")


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
        hint=_hint_of_table(source, listing)
        or "put the images of each class into a folder with the class's name",
    )


def _hint_of_table(source: Source, listing: Listing) -> str | None:
    """Name the table that lies beside the images, if one does."""
    names = (entry.name for entry in listing.entries)
    table = next((name for name in names if name.lower().endswith(TABLE_ENDINGS)), None)
    if table is None:
        return None
    if Path(source.location).is_dir():
        return f"name the table: {check_command(f'{source.location}/{table}')}"
    return f"unpack the archive, and name its table {table}"
