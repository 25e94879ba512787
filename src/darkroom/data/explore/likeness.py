"""What the page shows of likeness: a map, clusters, images like no other, doubtful neighbours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.data.dataset import Dataset
from darkroom.data.embedding import Embedding, class_of_each, fair_sample
from darkroom.data.neighbours import (
    find_clusters,
    flat_map,
    nearest_neighbours,
    other_label_pairs,
    outliers,
)
from darkroom.data.showing import class_names
from darkroom.plots import Figure, embedding_map

if TYPE_CHECKING:
    from jaxtyping import Int

_COMPARED = 60_000  # images at most; the cost grows with the square
_ON_THE_MAP = 1_200
_OF_A_CLUSTER = 8
_OUTLIERS = 18
_PAIRS = 12
_MIX = 3


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """Images that lie together."""

    size: int  # images
    mix: tuple[tuple[str, float], ...]  # the commonest labels with their shares, 0..1
    images: tuple[str, ...]  # those nearest to its centre


class Likeness(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows of likeness; images by name."""

    map: Figure
    on_the_map: int
    compared: int
    clusters: tuple[Cluster, ...]
    outliers: tuple[str, ...]  # the oddest first
    pairs: tuple[tuple[str, str], ...]  # alike under other labels; the most alike first

    @property
    def images(self) -> tuple[str, ...]:
        """All that need a picture."""
        clusters = (image for cluster in self.clusters for image in cluster.images)
        return (*clusters, *self.outliers, *(image for pair in self.pairs for image in pair))


def likeness_of(
    dataset: Dataset, embedding: Embedding, labels: Mapping[str, str], *, seed: int = 0
) -> Likeness:
    """Compare images by an embedding, and choose what to show.

    Args:
        dataset: The embedding's.
        embedding: Of more than 60,000 images a sample is compared.
        labels: Of every image, in words.
        seed: For samples, clusters and the map.
    """
    numbers = dict(zip(dataset.index["image"], class_of_each(dataset).tolist(), strict=True))
    every = np.array([numbers[name] for name in embedding.images], np.int64)
    compared = _only(embedding, fair_sample(every, _COMPARED, seed=seed))
    classes = np.array([numbers[name] for name in compared.images], np.int64)
    names = compared.images
    neighbours = nearest_neighbours(compared)
    drawn = _only(compared, fair_sample(classes, _ON_THE_MAP, seed=seed))
    of_each = dict(zip(dataset.index["image"], class_names(dataset, dataset.index), strict=True))
    groups = [of_each[name] for name in drawn.images]
    odd = outliers(neighbours)[: min(_OUTLIERS, len(names) // 10)]
    pairs = other_label_pairs(neighbours, classes)[:_PAIRS]
    return Likeness(
        map=embedding_map(flat_map(drawn, seed=seed), drawn.images, groups),
        on_the_map=len(drawn.images),
        compared=len(names),
        clusters=_clusters(compared, labels, seed),
        outliers=tuple(names[place] for place in odd.tolist()),
        pairs=tuple((names[one], names[other]) for one, other in pairs),
    )


def _only(embedding: Embedding, places: Int[np.ndarray, "chosen"]) -> Embedding:
    return msgspec.structs.replace(
        embedding,
        images=tuple(embedding.images[place] for place in places.tolist()),
        vectors=embedding.vectors[places],
    )


def _clusters(embedding: Embedding, labels: Mapping[str, str], seed: int) -> tuple[Cluster, ...]:
    found = find_clusters(embedding, seed=seed)
    if found.count < 2:
        return ()
    clusters = []
    for number in range(found.count):
        members = np.flatnonzero(found.of_each == number)
        near = members[np.argsort(found.distances[members], kind="stable")][:_OF_A_CLUSTER]
        mix = Counter(labels[embedding.images[place]] for place in members.tolist())
        clusters.append(
            Cluster(
                size=len(members),
                mix=tuple((name, count / len(members)) for name, count in mix.most_common(_MIX)),
                images=tuple(embedding.images[place] for place in near.tolist()),
            )
        )
    return tuple(clusters)
