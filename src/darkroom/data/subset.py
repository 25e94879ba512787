"""A share of the training part, beside the other parts as they are."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.groups import joined_groups, named_groups
from darkroom.data.kept import store_dataset
from darkroom.errors import DataError

if TYPE_CHECKING:
    from jaxtyping import Float

_STRATA = 5  # of the targets of a regression
_NO_CLASS = -1


def training_subset(dataset: Dataset, share: float, *, seed: int = 0) -> Dataset:
    """Keep a share of the training part; validation and test stay as they are.

    Classes keep their shares, and none goes without an image. Copies, near-duplicates and images
    of one group stay together. Of one seed a smaller subset is always within a larger one.

    Args:
        dataset: Split.
        share: Of the training images, above 0; 1 gives the dataset itself.
        seed: Another seed, another subset.

    Returns:
        A new Dataset, child of `dataset`.

    Raises:
        DataError: The share is outside 0..1, or there is no training part.
    """
    if not 0 < share <= 1:
        raise DataError(
            f"{share:g} is not a share above 0 and at most 1", hint="name shares, such as 0.25"
        )
    if share == 1:
        return dataset
    train = dataset.part("train")
    is_kept = _places(dataset, train, seed) < share
    left_out = train["image"].filter(pl.Series(~is_kept))
    rest = dataset.index.filter(~pl.col("image").is_in(left_out.to_list()))
    record = msgspec.structs.replace(
        dataset.record,
        split=f"{dataset.record.split}; {share:g} of the training part, seed {seed}",
        used=len(rest),
        left_out=dataset.record.left_out + len(left_out),
    )
    return store_dataset(
        dataset.workspace,
        record,
        rest,
        dataset.skipped,
        made_by="study",
        parents=[dataset.as_parent()],
    )


def _places(dataset: Dataset, train: pl.DataFrame, seed: int) -> Float[np.ndarray, "images"]:
    """Give each image a place in 0..1 such that those below a share are about this share.

    The order is drawn within each stratum, group by group. A group that lies in several strata
    belongs to the rarest of them.
    """
    groups = joined_groups(dataset, train, named_groups(dataset, train, None))
    strata = _strata(dataset, train)
    sizes = Counter(strata)
    members: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    by_stratum: dict[int, list[str]] = {}
    for group in sorted(members, key=lambda name: _draw(name, seed)):
        rarest = min((strata[row] for row in members[group]), key=lambda one: (sizes[one], one))
        by_stratum.setdefault(rarest, []).append(group)
    places = np.zeros(len(train))
    for drawn in by_stratum.values():
        total, before = sum(len(members[group]) for group in drawn), 0
        for number, group in enumerate(drawn):
            size = len(members[group])
            # The first stays at 0, so that the smallest subset has every class.
            places[members[group]] = (before + size / 2) / total if number else 0.0
            before += size
    return places


def _strata(dataset: Dataset, train: pl.DataFrame) -> list[int]:
    """Say what each image counts for: its rarest class, or the fifth of all targets it is in."""
    if dataset.task == "regression":
        ranks = train["target"].rank("ordinal").fill_null(1).to_list()
        return [int(_STRATA * (rank - 1) // len(train)) for rank in ranks]
    rows = [row or [_NO_CLASS] for row in train["labels"].to_list()]
    counts = Counter(label for row in rows for label in row)
    return [min(row, key=lambda label: (counts[label], label)) for row in rows]


def _draw(group: str, seed: int) -> bytes:
    """Draw bytes that belong to a group, to be sorted by."""
    return hashlib.sha256(f"{seed} subset {group}".encode()).digest()
