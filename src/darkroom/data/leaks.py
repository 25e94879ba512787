"""Images of a part that training has seen: copies and near-duplicates in the parts before it."""

from __future__ import annotations

import msgspec
import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.near_duplicates import near_duplicates

# What was looked at before a part is measured: validation images chose the weights.
_SEEN_BEFORE = {"test": ("train", "valid"), "valid": ("train",)}


class Leaks(msgspec.Struct, frozen=True, kw_only=True):
    """Which images of a part stand in an earlier part too."""

    copies: frozenset[str]  # byte for byte
    near: frozenset[str]  # as near-duplicates, and not as copies

    @property
    def images(self) -> frozenset[str]:
        """Both kinds."""
        return self.copies | self.near


def find_leaks(dataset: Dataset, part: str) -> Leaks:
    """Find the images of a part whose answer could have been learned by heart.

    Args:
        dataset: Split.
        part: `test` is held against train and valid, `valid` against train; nothing comes before
            `train`.

    Raises:
        DataError: The part is missing, or an image changed since the dataset was opened.
    """
    table = dataset.part(part)
    before = dataset.index.filter(pl.col("part").is_in(_SEEN_BEFORE.get(part, ())))
    if before.is_empty():
        return Leaks(copies=frozenset(), near=frozenset())
    # By content: of identical files the pairs name one.
    sha256 = dict(dataset.index.select("image", "sha256").iter_rows())
    seen = set(before["sha256"])
    pairs = near_duplicates(dataset).pairs.select("image", "other").iter_rows()
    both = [(sha256[one], sha256[other]) for one, other in pairs]
    alike = {one for pair in both for one, other in (pair, pair[::-1]) if other in seen}
    copies, near = (
        frozenset(table["image"].filter(table["sha256"].is_in(list(leaked))))
        for leaked in (seen, alike - seen)
    )
    return Leaks(copies=copies, near=near)
