"""An export as a tree of image files: part/class/name, with a table where folders say too little.

The table is `metadata.jsonl`, as Hugging Face's *imagefolder* reads it. It is there when an image
has several labels, a number or a group, or when a class or a part cannot be a folder.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import Path

import msgspec
import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.decode import ENDINGS
from darkroom.data.exports import (
    UNSPLIT,
    Exported,
    exported_rows,
    put_file,
    read_images,
    refuse_ambiguous,
)
from darkroom.data.layout import PART_NAMES, place_image, read_layout
from darkroom.data.sources import Place, is_system_name
from darkroom.disk import disk_errors, sync_folder

_METADATA = "metadata.jsonl"
_NOT_IN_NAMES = re.compile(r"[/\\\x00-\x1f\x7f]")
_MOST_NAME_BYTES = 200  # file systems take 255; a digest and an ending come on top
_DIGEST = 8  # hex digits that tell images of the same name apart


def write_folder(dataset: Dataset, rows: pl.DataFrame, folder: Path) -> None:
    """Write each image as a file.

    Args:
        dataset: Where the images are from.
        rows: Rows of its index.
        folder: Empty.

    Raises:
        DataError: An image changed since the dataset was opened, or a class's name can stand
            neither for a folder nor in a table.
        ArtifactError: The disk is full or refuses.
    """
    images = exported_rows(dataset, rows)
    paths = _paths(dataset, images)
    tables: dict[str, list[bytes]] = {}
    if not _folders_say_all(dataset, images, paths):
        refuse_ambiguous(dataset, hint="dataset.export(target, format='webdataset')")
        tables = _tables(dataset, images, paths)
    below = sorted({parent for path in paths for parent in Path(path).parents})
    with disk_errors(folder):
        for parent in below:
            (folder / parent).mkdir(exist_ok=True)
    for name, lines in tables.items():
        put_file(folder / name, b"\n".join(lines) + b"\n")
    for (_, data), path in zip(read_images(dataset, images), paths, strict=True):
        put_file(folder / path, data)
    with disk_errors(folder):
        for parent in below:
            sync_folder(folder / parent)


def _paths(dataset: Dataset, images: list[Exported]) -> list[str]:
    """Give every image a path of its own, also where letters differ in case or in form only."""
    folders = _class_folders(dataset.classes) if dataset.task == "single-label" else {}
    wanted = [_path(image, folders, _file_name(image)) for image in images]
    taken: dict[str, int] = {}
    for path in wanted:
        taken[_alike(path)] = taken.get(_alike(path), 0) + 1
    return [
        path if taken[_alike(path)] == 1 else _path(image, folders, _file_name(image, marked=True))
        for image, path in zip(images, wanted, strict=True)
    ]


def _class_folders(classes: tuple[str, ...]) -> dict[str, str]:
    folders: dict[str, str] = {}
    taken: set[str] = set()
    for name in classes:
        allowed = _allowed(name)
        if allowed.lower() in PART_NAMES:  # other tools would take it for a part
            allowed = f"class {allowed}"
        folder, number = allowed, 1
        while _alike(folder) in taken:
            number += 1
            folder = f"{allowed}-{number}"
        taken.add(_alike(folder))
        folders[name] = folder
    return folders


def _path(image: Exported, folders: dict[str, str], file: str) -> str:
    pieces = [image.part] if image.part else []
    if folders and image.labels:
        pieces.append(folders[image.labels[0]])
    elif not image.part:
        pieces.append(UNSPLIT)
    return "/".join([*pieces, file])


def _file_name(image: Exported, *, marked: bool = False) -> str:
    name = _allowed(image.name.rpartition("/")[2])
    stem, dot, ending = name.rpartition(".")
    if not dot or f".{ending.lower()}" not in ENDINGS:
        stem, ending = name, image.ending
    if marked:
        stem += "-" + hashlib.sha256(image.name.encode()).hexdigest()[:_DIGEST]
    return f"{stem}.{ending}"


def _allowed(name: str) -> str:
    """Make a name that every file system takes and that darkroom does not pass over."""
    allowed = _NOT_IN_NAMES.sub("_", name).strip() or "_"
    while len(allowed.encode()) > _MOST_NAME_BYTES:
        allowed = allowed[: len(allowed) // 2] + allowed[len(allowed) // 2 + 1 :]
    return f"_{allowed}" if is_system_name(allowed) else allowed


def _alike(path: str) -> str:
    """Fold what some file systems take for the same name."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _folders_say_all(dataset: Dataset, images: list[Exported], paths: list[str]) -> bool:
    """Ask the reader: does it find the same part and class, and is there nothing else to say."""
    if dataset.task != "single-label" or any(image.group is not None for image in images):
        return False
    layout = read_layout(paths)
    return all(
        place_image(path, layout) == Place(part=image.part, labels=image.labels)  # type: ignore[arg-type]
        for image, path in zip(images, paths, strict=True)
    )


def _tables(dataset: Dataset, images: list[Exported], paths: list[str]) -> dict[str, list[bytes]]:
    """Write what folders do not say, one line per image: a table in each part's folder.

    There is one for all at the top when there are no parts, or when some images have no answer:
    a table of nothing but those says nothing at all.
    """
    parts = {image.part for image in images}
    is_one = None in parts or "unlabelled" in parts
    has_groups = any(image.group is not None for image in images)
    says_part = is_one and bool(parts & {"train", "valid", "test"})
    tables: dict[str, list[bytes]] = {}
    for image, path in zip(images, paths, strict=True):
        folder = "" if is_one else f"{image.part}/"
        line = {"file_name": path.removeprefix(folder), **_answer(dataset, image)}
        if says_part:
            line["part"] = None if image.part == "unlabelled" else image.part
        if has_groups:
            line["group"] = image.group
        tables.setdefault(folder + _METADATA, []).append(msgspec.json.encode(line))
    return tables


def _answer(dataset: Dataset, image: Exported) -> dict[str, object]:
    if dataset.task == "regression":
        return {"value": image.value}
    if dataset.task == "multi-label":
        return {"labels": image.labels}
    return {"label": image.labels[0] if image.labels else None}
