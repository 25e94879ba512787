"""From names to classes and parts: what a tree of folders means."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from darkroom.data.sources import Listing, Part, Place, Skipped

PART_NAMES: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
    "test1": "test",
    "unlabelled": "unlabelled",
    "unlabeled": "unlabelled",
}


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """How a tree is to be read."""

    prefix: str = ""  # a single folder around everything, with its slash
    has_parts: bool = False


def read_layout(names: Iterable[str]) -> Layout:
    """Recognise a class-per-folder tree or a tree of parts, with or without a folder around it.

    A folder named like a part is one only when a training part holds folders of its own; so a
    class called `train`, full of pictures of trains, stays a class.

    Args:
        names: Paths of files relative to the source, with forward slashes.
    """
    split = [name.split("/") for name in names]
    prefix = ""
    while split and len({path[0] for path in split}) == 1 and min(map(len, split)) >= 3:
        outer = split[0][0]
        if outer.lower() in PART_NAMES:
            break
        prefix += outer + "/"
        split = [path[1:] for path in split]
    tops = {path[0].lower() for path in split if len(path) > 1}
    nested = {path[0].lower() for path in split if len(path) > 2}
    is_train = any(PART_NAMES.get(top) == "train" for top in nested)
    several = len({PART_NAMES[top] for top in tops if top in PART_NAMES}) > 1
    return Layout(prefix=prefix, has_parts=is_train or (several and bool(nested)))


def place_image(name: str, layout: Layout) -> Place:
    """Say which part and class an image belongs to, or why to none.

    Args:
        name: Its path relative to the source.
        layout: From `read_layout`.
    """
    if not name.startswith(layout.prefix):
        return Place(ignored="beside the folder of classes")
    *folders, _ = name.removeprefix(layout.prefix).split("/")
    if not layout.has_parts:
        return Place(labels=(folders[0],)) if folders else Place(part="unlabelled")
    top = folders[0].lower() if folders else ""
    if top not in PART_NAMES:
        return Place(ignored=_IGNORED.get(top, f"{top or 'the top folder'} is not a part"))
    if len(folders) == 1 or PART_NAMES[top] == "unlabelled":
        return Place(part="unlabelled")
    return Place(part=PART_NAMES[top], labels=(folders[1],))


def part_of_file(name: str) -> Part | None:
    """Say which part a file of many images holds: `train-00000-of-00002.parquet`, `val/0001.tar`.

    Args:
        name: Its path relative to the source, with forward slashes.

    Returns:
        The part whose usual name begins the file's name or one of its folders', the file's first.
    """
    for piece in reversed(name.lower().split("/")):
        part = PART_NAMES.get(re.split(r"[-_.\s]", piece, maxsplit=1)[0])
        if part:
            return part
    return None


_IGNORED = {
    "sample": "sample repeats images for quick trials",
    "models": "models is not a part",
}


def class_folders(folders: Iterable[str], layout: Layout) -> set[str]:
    """List the classes that have a folder, also an empty one.

    Args:
        folders: Paths of folders relative to the source.
        layout: From `read_layout`.
    """
    classes: set[str] = set()
    for folder in folders:
        if folder.startswith(layout.prefix):
            place = place_image(f"{folder}/image", layout)
            classes.update(place.labels or ())
    return classes


def ignored_folders(listing: Listing, layout: Layout) -> list[Skipped]:
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
