"""The pictures that belong to a finding, those that are alike side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.near_duplicates import near_duplicates
from darkroom.findings import Finding

_GROUPS = 12  # of images that are alike
_OF_ONE_GROUP = 6
_ALONE = 18
_WORDS = 12  # names of what has no picture


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A finding, and what the page shows of what it names."""

    finding: Finding
    groups: tuple[tuple[str, ...], ...]  # images that are alike
    alone: tuple[str, ...]  # images with no such company
    words: tuple[str, ...]  # classes, files without a picture
    named: int  # everything the finding names

    @property
    def images(self) -> tuple[str, ...]:
        """All that need a picture."""
        return (*(image for group in self.groups for image in group), *self.alone)

    @property
    def shown(self) -> int:
        """How many of what the finding names is on the page."""
        return len(self.images) + len(self.words)


def evidence_of(dataset: Dataset, finding: Finding, labels: Mapping[str, str]) -> Evidence:
    """Choose what to show of a finding: the first of what it names, which are the worst.

    Args:
        dataset: It was found in.
        finding: Any.
        labels: Of every image, in words.
    """
    rows = dataset.index.filter(pl.col("image").is_in(list(finding.where)))
    digests = dict(rows.select("image", "sha256").iter_rows())
    images = [name for name in dict.fromkeys(finding.where) if name in digests]
    words = [name for name in dict.fromkeys(finding.where) if name not in digests]
    joined = _alike(dataset, images, digests)
    groups = [group for group in joined if len(group) > 1][:_GROUPS]
    alone = [group[0] for group in joined if len(group) == 1]
    return Evidence(
        finding=finding,
        groups=tuple(tuple(_mixed(group, labels)[:_OF_ONE_GROUP]) for group in groups),
        alone=tuple(alone[: _ALONE if not groups else _ALONE // 3]),
        words=tuple(words[:_WORDS]),
        named=len(images) + len(words),
    )


def _mixed(group: Sequence[str], labels: Mapping[str, str]) -> list[str]:
    """Let the labels of a group take turns, so that its first images show what they disagree on."""
    turns: Counter[str] = Counter()
    placed = []
    for name in group:
        placed.append((turns[labels[name]], name))
        turns[labels[name]] += 1
    return [name for _, name in sorted(placed, key=lambda pair: pair[0])]


def _alike(dataset: Dataset, images: Sequence[str], digests: dict[str, str]) -> list[list[str]]:
    """Gather images that are copies or near-duplicates of each other, in the order they came."""
    cluster = {
        name: f"cluster {number}"
        for number, names in enumerate(near_duplicates(dataset).clusters)
        for name in names
    }
    gathered: dict[str, list[str]] = {}
    for image in images:
        gathered.setdefault(cluster.get(image, digests[image]), []).append(image)
    return list(gathered.values())
