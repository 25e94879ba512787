"""`split_dataset`: three parts that share nothing, the same every time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.kept import store_dataset
from darkroom.data.wording import counted
from darkroom.errors import DataError

_CUT = ("train", "valid", "test")


def split_dataset(
    dataset: Dataset,
    *,
    valid: float = 0.2,
    test: float = 0.2,
    group_by: str | Mapping[str, str] | None = None,
    sample: float = 1.0,
    seed: int = 0,
) -> Dataset:
    """Give every labelled image a part: train, valid or test.

    Parts that the source brought stay; what is missing is cut from the training part. Classes
    keep their shares in every part; a class with three images that are alone, without a copy or a
    group, is in every part that is cut. Identical files, and images of one group, stay together.
    The part of an image depends on the seed and on the images there are, never on their order.

    Args:
        dataset: Any Dataset.
        valid: Share for validation, 0..1, of the images that are cut.
        test: Share for the test, 0..1, of the images that are cut.
        group_by: What must not be torn apart: `folder`, or a mapping from image names to group
            names. With `folder` the path below the class is the group's name: `cat/monday/1.jpg`
            and `dog/monday/7.jpg` are of one group, since one session may show several classes.
            An image directly in its class's folder is a group of its own.
        sample: Keep only this share of every part, for quick trials, 0..1; a smaller sample is
            always within a larger one.
        seed: Another seed, another split.

    Returns:
        A new Dataset, child of `dataset`.

    Raises:
        DataError: A part would be empty; images are to be grouped by folder and none has a folder
            below its class; or a group lies in several of the parts that the source brought.
    """
    _check_shares(valid, test, sample)
    index = dataset.index.filter(pl.col("part").is_null() | (pl.col("part") != "unlabelled"))
    named = _named_groups(dataset, index, group_by)
    groups = _groups(index, named)
    parts = np.array([part or "" for part in index["part"]], dtype=object)
    labels = [list(row) if row is not None else [] for row in index["labels"]]
    cut, shares = _missing_parts(parts, valid=valid, test=test)
    _assign(parts, cut, groups=groups, labels=labels, shares=shares, seed=seed)
    _refuse_torn(dataset, index["image"], parts, named)
    keep = np.array([_draw(group, "sample", seed) < sample for group in groups])
    index = index.with_columns(pl.Series("part", parts.tolist(), dtype=pl.String)).filter(keep)
    _refuse_empty(dataset, index)
    by = f" by {group_by}" if isinstance(group_by, str) else ""
    how = f"valid {valid:g}, test {test:g}, seed {seed}" + (f", grouped{by}" if group_by else "")
    unlabelled = dataset.index.filter(pl.col("part") == "unlabelled")
    used = len(index) + len(unlabelled)
    record = msgspec.structs.replace(
        dataset.record,
        split=how if len(cut) else "as the source has it",
        sample=sample,
        used=used,
        left_out=dataset.record.left_out + dataset.record.used - used,
    )
    return store_dataset(
        dataset.workspace,
        record,
        pl.concat([index, unlabelled]).sort("image"),
        dataset.skipped,
        made_by="split",
        parents=[dataset.as_parent()],
    )


def _check_shares(valid: float, test: float, sample: float) -> None:
    if not (0 < valid < 1 and 0 < test < 1 and valid + test < 1):
        raise DataError(
            f"valid = {valid:g} and test = {test:g} leave no training part",
            hint="--set data.valid=0.2 --set data.test=0.2",
        )
    if not 0 < sample <= 1:
        raise DataError(f"sample = {sample:g} is not a share in 0..1", hint="--set data.sample=0.1")


def _missing_parts(
    parts: np.ndarray, *, valid: float, test: float
) -> tuple[np.ndarray, dict[str, float]]:
    """Give the rows that are dealt, and the share of them that each part gets."""
    brought = set(parts) - {""}
    wanted = {
        "valid": 0.0 if "valid" in brought else valid,
        "test": 0.0 if "test" in brought else test,
    }
    shares = {"train": 1.0 - sum(wanted.values()), **wanted}
    is_whole = brought >= set(_CUT)
    cut = np.flatnonzero(((parts == "") | (parts == "train")) & (not is_whole))
    return cut, shares


def _named_groups(
    dataset: Dataset, index: pl.DataFrame, group_by: str | Mapping[str, str] | None
) -> Mapping[str, str]:
    """Map the images that the user's groups hold to the groups' names."""
    if not isinstance(group_by, str):
        return group_by or {}
    if group_by != "folder":
        raise DataError(f"cannot group by `{group_by}`", hint="--set data.group_by=folder")
    return _folders_below_classes(dataset, index)


def _groups(index: pl.DataFrame, named: Mapping[str, str]) -> list[str]:
    """Name what stays together: identical bytes always, the user's groups on top."""
    names, hashes = index["image"].to_list(), index["sha256"].to_list()
    if not named:
        return hashes
    own = [named.get(name, digest) for name, digest in zip(names, hashes, strict=True)]
    return _joined(own, hashes)


def _refuse_torn(
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
                    hint="--set data.group_by=none, or move the images out of the folders of the "
                    "parts and split anew",
                )


def _folders_below_classes(dataset: Dataset, index: pl.DataFrame) -> dict[str, str]:
    """Map each image that has a folder below its class to that folder's path.

    Every class's folder lies equally deep: below the same part or outer folder.
    """
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


def _assign(
    parts: np.ndarray,
    cut: np.ndarray,
    *,
    groups: Sequence[str],
    labels: Sequence[Sequence[int]],
    shares: Mapping[str, float],
    seed: int,
) -> None:
    """Deal whole groups to the parts, so that every class comes as near its shares as it can."""
    members: dict[str, list[int]] = {}
    for row in cut.tolist():
        members.setdefault(groups[row], []).append(row)
    counts = np.zeros(1 + max((label for row in labels for label in row), default=0))
    for row in cut.tolist():
        counts[list(labels[row])] += 1
    names = list(shares)
    missing = np.array([[shares[name]] for name in names]) * counts
    # Large groups first, while there is room for them; within a size by a draw of their own.
    order = sorted(members, key=lambda group: (-len(members[group]), _draw(group, "part", seed)))
    singles: dict[int, list[int]] = {}
    for group in order:
        rows = members[group]
        if len(rows) == 1 and len(labels[rows[0]]) == 1:
            singles.setdefault(labels[rows[0]][0], []).append(rows[0])
            continue
        best = _neediest(missing, [label for row in rows for label in labels[row]])
        parts[rows] = names[best]
    is_cut = np.array([share > 0 for share in shares.values()])
    for label, rows in singles.items():
        ends = np.cumsum(_sizes(missing[:, label], len(rows), is_cut))
        for name, dealt in zip(names, np.split(np.array(rows), ends[:-1]), strict=True):
            parts[dealt] = name


def _sizes(missing: np.ndarray, count: int, is_cut: np.ndarray) -> np.ndarray:
    """Share single images of a class out by what each part misses, and none goes without.

    Args:
        missing: How many images of the class each part misses; below 0 it has too many.
        count: How many there are; with fewer than parts that are cut, some go without.
        is_cut: Which parts get images at all.
    """
    ends = np.cumsum(np.clip(missing, 0, None))
    ends = np.rint(ends / max(ends[-1], 1e-9) * count).astype(int)
    sizes: np.ndarray = np.diff(ends, prepend=0)
    if count >= is_cut.sum():
        for part in np.flatnonzero(is_cut & (sizes == 0)):
            sizes[sizes.argmax()] -= 1
            sizes[part] = 1
    return sizes


def _neediest(missing: np.ndarray, labels: Sequence[int]) -> int:
    """Choose the part that misses these labels most, and book them there."""
    weight = np.bincount(labels, minlength=missing.shape[1])
    relative = missing / np.maximum(missing.sum(axis=0), 1e-9)
    need, room = (relative * weight).sum(axis=1), missing.sum(axis=1)
    best = max(range(len(missing)), key=lambda part: (round(need[part], 9), room[part]))
    missing[best] -= weight
    return best


def _draw(group: str, purpose: str, seed: int) -> float:
    """Draw a number in 0..1 that belongs to a group."""
    digest = hashlib.sha256(f"{seed} {purpose} {group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _refuse_empty(dataset: Dataset, index: pl.DataFrame) -> None:
    have = dict(index.group_by("part").len().iter_rows())
    for part in _CUT:
        if not have.get(part):
            raise DataError(
                f"{dataset.name}: {counted(len(index), 'image is', 'images are')} too few for "
                f"three parts; "
                f"`{part}` would be empty",
                hint="add images, or ask for larger shares: --set data.valid=0.3",
            )
