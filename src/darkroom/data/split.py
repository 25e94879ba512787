"""`split_dataset`: three parts that share nothing, the same every time."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.groups import joined_groups, named_groups, refuse_torn
from darkroom.data.kept import store_dataset
from darkroom.data.wording import what_opens
from darkroom.errors import DataError
from darkroom.wording import counted

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
    keep their shares in every part, and so do images of no class and of several; a class with
    three images that are alone, without a copy or a group, is in every part that is cut.
    Near-duplicates, identical files and images of one group stay together. The part of an image
    depends on the seed and on the images there are, never on their order.

    Args:
        dataset: Any Dataset.
        valid: Share for validation, 0..1, of the images that are cut.
        test: Share for the test, 0..1, of the images that are cut.
        group_by: What must not be torn apart: `folder`, or a mapping from image names to group
            names; None: the groups that the source names, if it does. With `folder` the path
            below the class is the group's name: `cat/monday/1.jpg` and `dog/monday/7.jpg` are of
            one group, since one session may show several classes. An image directly in its
            class's folder is a group of its own.
        sample: Keep only this share of every part, for quick trials, 0..1; a smaller sample is
            always within a larger one.
        seed: Another seed, another split.

    Returns:
        A new Dataset, child of `dataset`.

    Raises:
        DataError: A part would be empty; images are to be grouped by folder and none has a folder
            below its class, or by a mapping that names none of them; or a group lies in several of
            the parts that the source brought.
    """
    return _dealt(
        dataset, dataset.index, shares=(valid, test), group_by=group_by, sample=sample, seed=seed
    )


def group_split(
    dataset: Dataset,
    *,
    valid: float = 0.2,
    test: float = 0.2,
    group_by: str | Mapping[str, str] | None = None,
    sample: float = 1.0,
    seed: int = 0,
) -> Dataset:
    """Deal all images anew so that no group and no near-duplicates cross parts.

    It repairs a leak that the source itself brought: its parts are forgotten, and the images are
    dealt as `split_dataset` deals those of a source without parts. A published test part is no
    longer the one that others quote.

    Args:
        dataset: Any Dataset.
        valid: As for `split_dataset`.
        test: As for `split_dataset`.
        group_by: As for `split_dataset`.
        sample: As for `split_dataset`.
        seed: As for `split_dataset`.

    Returns:
        A new Dataset, child of `dataset`.

    Raises:
        DataError: A part would be empty, images are to be grouped by folder and none has a folder
            below its class, or by a mapping that names none of them.
    """
    return _dealt(
        dataset,
        _forgotten(dataset.index),
        shares=(valid, test),
        group_by=group_by,
        sample=sample,
        seed=seed,
    )


def _dealt(
    dataset: Dataset,
    whole: pl.DataFrame,
    *,
    shares: tuple[float, float],
    group_by: str | Mapping[str, str] | None,
    sample: float,
    seed: int,
) -> Dataset:
    """Deal the images of an index that have no part yet, and keep the result."""
    valid, test = shares
    _check_shares(valid, test, sample)
    is_unlabelled = (pl.col("part") == "unlabelled").fill_null(value=False)
    unlabelled, index = whole.filter(is_unlabelled), whole.filter(~is_unlabelled)
    named = named_groups(dataset, index, group_by)
    groups = joined_groups(dataset, index, named)
    parts = np.array([part or "" for part in index["part"]], dtype=object)
    labels = _strata(index) if dataset.task == "regression" else _labels(index, dataset.classes)
    brought = tuple(part for part in _CUT if part in parts)
    cut, wanted = _missing_parts(parts, valid=valid, test=test)
    _assign(parts, cut, groups=groups, labels=labels, shares=wanted, seed=seed)
    if group_by is not None:
        # What the source itself tore apart is a finding.
        refuse_torn(dataset, index["image"], parts, named)
        told = [named.get(image) for image in index["image"]]
        index = index.with_columns(pl.Series("group", told, dtype=pl.String))  # for later draws
    keep = np.array([_draw(group, "sample", seed) < sample for group in groups])
    index = index.with_columns(pl.Series("part", parts.tolist(), dtype=pl.String)).filter(keep)
    _refuse_empty(dataset, index, groups=len(set(groups)), sample=sample)
    how = f"valid {valid:g}, test {test:g}, seed {seed}" if len(cut) else "as the source has it"
    by = group_by if isinstance(group_by, str) else ""
    if named:
        how += f", grouped by {by}" if by else ", grouped"
    used = len(index) + len(unlabelled)
    record = msgspec.structs.replace(
        dataset.record,
        split=how,
        group_by=by,
        sample=sample,
        brought=brought,
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


def _forgotten(index: pl.DataFrame) -> pl.DataFrame:
    """Forget the parts, save that of the images without a label."""
    is_unlabelled = pl.col("part") == "unlabelled"
    return index.with_columns(pl.when(is_unlabelled).then("part").alias("part"))


def _check_shares(valid: float, test: float, sample: float) -> None:
    for name, share in (("valid", valid), ("test", test)):
        if not 0 < share < 1:
            raise DataError(
                f"{name} = {share:g} is not a share above 0 and below 1",
                hint=f"--set data.{name}=0.2",
            )
    if valid + test >= 1:
        raise DataError(
            f"valid = {valid:g} and test = {test:g} leave no training part",
            hint="--set data.valid=0.2 --set data.test=0.2",
        )
    if not 0 < sample <= 1:
        raise DataError(
            f"sample = {sample:g} is not a share above 0 and at most 1",
            hint="--set data.sample=0.1",
        )


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


def _labels(index: pl.DataFrame, classes: Sequence[str]) -> list[list[int]]:
    """Give each image its classes; no class and several are dealt evenly as if they were two more.

    Else images of several classes, which are dealt before others, would nearly all train.
    """
    none, several = len(classes), len(classes) + 1
    rows = (row or [] for row in index["labels"].to_list())
    return [[*row, *[several] * len(row)] if len(row) > 1 else row or [none] for row in rows]


def _strata(index: pl.DataFrame) -> list[list[int]]:
    """Deal small and large targets evenly: give each image the fifth of all targets it is in.

    Few images make fewer strata, so that no part goes without.
    """
    strata = min(max(len(index) // 10, 1), 5)
    ranks = index["target"].rank("ordinal").fill_null(1)
    return [[int(strata * (rank - 1) // len(index))] for rank in ranks]


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
        np.add.at(counts, list(labels[row]), 1)
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


def _refuse_empty(dataset: Dataset, index: pl.DataFrame, *, groups: int, sample: float) -> None:
    have = dict(index.group_by("part").len().iter_rows())
    part = next((part for part in _CUT if not have.get(part)), None)
    if part is None:
        return
    images, why = counted(len(index), "image is", "images are"), ""
    hint = "add images"
    if part != "train":
        hint += f", or ask for a larger share: --set data.{part}=0.3"
    if groups < len(_CUT):
        alike = "copies or near-duplicates of each other, or of one group" if groups == 1 else ""
        why = f", all {alike}" if alike else f", in {groups} groups of what must not be torn apart"
        seen = shlex.join(["darkroom", "explore", what_opens(dataset)])
        hint = f"add images that differ from these: {seen}"
    elif sample < 1:
        why = f", of a sample of {sample:g}"
        hint = "keep more of the images: --set data.sample=1"
    raise DataError(
        f"{dataset.name}: {images} too few for three parts{why}; `{part}` would be empty", hint=hint
    )
