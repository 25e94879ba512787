"""What must not be torn apart when images are split: copies, near-duplicates, the user's groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.near_duplicates import near_duplicates
from darkroom.errors import DataError
from darkroom.wording import counted


def named_groups(
    dataset: Dataset, index: pl.DataFrame, group_by: str | Mapping[str, str] | None
) -> Mapping[str, str]:
    """Map the images that the user's groups hold to the groups' names.

    Raises:
        DataError: No image of the dataset is in the mapping that was given, or none has a folder
            below its class.
    """
    if group_by is None:
        said = index.select("image", "group").drop_nulls()
        return dict(said.iter_rows())
    if not isinstance(group_by, str):
        if group_by and len(index) and group_by.keys().isdisjoint(index["image"]):
            raise DataError(
                f"none of the {counted(len(group_by), 'image', 'images')} that group_by names is "
                f"in {dataset.record.location}; the first is {next(iter(group_by))}",
                hint=f"use the names of dataset.index['image'], such as {index['image'][0]}",
            )
        return group_by
    if group_by != "folder":
        raise DataError(f"cannot group by `{group_by}`", hint="--set data.group_by=folder")
    return _folders_below_classes(dataset, index)


def joined_groups(dataset: Dataset, index: pl.DataFrame, named: Mapping[str, str]) -> list[str]:
    """Name what stays together: copies and near-duplicates always, the user's groups on top."""
    names, hashes = index["image"].to_list(), index["sha256"].to_list()
    alike = {name: cluster[0] for cluster in near_duplicates(dataset).clusters for name in cluster}
    groups: list[str] = hashes
    for known in (alike, named):
        if known:
            own = [known.get(name, group) for name, group in zip(names, groups, strict=True)]
            groups = _joined(own, groups)
    return groups


def refuse_torn(
    dataset: Dataset, images: Iterable[str], parts: np.ndarray, named: Mapping[str, str]
) -> None:
    """Refuse a split in which the source itself put images of one group into several parts."""
    first: dict[str, tuple[str, str]] = {}  # of each group an image and its part
    for image, part in zip(images, parts, strict=True):
        if image in named:
            other, its_part = first.setdefault(named[image], (image, part))
            if part != its_part:
                raise DataError(
                    f"the group `{named[image]}` lies in two parts of {dataset.record.location}: "
                    f"{other} is in {its_part}, {image} in {part}",
                    hint="--set data.parts=anew deals all images anew, or --set data.group_by=none",
                )


def _folders_below_classes(dataset: Dataset, index: pl.DataFrame) -> dict[str, str]:
    """Map each image that has a folder below its class to that folder's path.

    Every class's folder lies equally deep: below the same part or outer folder.
    """
    if dataset.task != "single-label":
        raise DataError(
            f"{dataset.name} is {dataset.task}: its images lie in no folder of their class",
            hint="name a column of groups: --group patient",
        )
    paths = [name.split("/") for name in index["image"]]
    classes = [dataset.classes[labels[0]] for labels in index["labels"]]
    named = list(zip(paths, classes, strict=True))
    for depth in range(max(map(len, paths), default=0)):
        if all(path[depth : depth + 1] == [label] for path, label in named):
            below = {"/".join(path): "/".join(path[depth + 1 : -1]) for path in paths}
            groups = {name: folder for name, folder in below.items() if folder}
            if groups:
                return groups
            break
    raise DataError(
        f"no image in {dataset.record.location} has a folder below its class to be grouped by",
        hint="put what belongs together into one folder below its class: cat/monday/1.jpg",
    )


def _joined(own: Sequence[str], hashes: Sequence[str]) -> list[str]:
    """Join groups that share an identical file, by union-find."""
    above: dict[str, str] = {}

    def root(name: str) -> str:
        while (up := above.get(name, name)) != name:
            above[name] = above.get(up, up)
            name = up
        return name

    for group, digest in zip(own, hashes, strict=True):
        one, other = sorted((root(f"group {group}"), root(f"file {digest}")))
        above[other] = one
    return [root(f"group {group}") for group in own]
