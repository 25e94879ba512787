"""What lies near what: nearest neighbours, images far from all others, clusters, a flat map.

An Embedding comes in; places in its list of images go out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.data.embedding import Embedding, fair_sample
from darkroom.progress import track_sized

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_NEIGHBOURS = 10
_AT_ONCE = 4_096  # images
_CLUSTER_ON = 5_000  # images; the others join the nearest centre
_MOST_CLUSTERS = 12
_IMAGES_PER_CLUSTER = 20  # own: fewer make a crumb, no cluster
_ROUNDS = 500  # of t-SNE
_FEW = 8  # images with which a t-SNE says nothing


class Neighbours(msgspec.Struct, frozen=True, kw_only=True):
    """The nearest other images of each image, the nearest first."""

    places: Int[np.ndarray, "images near"]
    distances: Float[np.ndarray, "images near"]  # 0 (alike) to 2, between vectors of length 1


class Clusters(msgspec.Struct, frozen=True, kw_only=True):
    """Groups of images that lie together, the largest first."""

    of_each: Int[np.ndarray, "images"]  # the number of each image's cluster, from 0
    distances: Float[np.ndarray, "images"]  # of each image to the centre of its cluster
    count: int


def nearest_neighbours(embedding: Embedding) -> Neighbours:
    """Find the ten nearest other images of each image, or all there are.

    Args:
        embedding: The cost grows with the square of its images; 60,000 take some ten seconds.
    """
    from sklearn.neighbors import NearestNeighbors  # half a second to import

    vectors = embedding.vectors
    near = min(_NEIGHBOURS, len(vectors) - 1)
    if near == 0:
        empty = np.zeros((len(vectors), 0))
        return Neighbours(places=empty.astype(np.int64), distances=empty)
    search = NearestNeighbors(n_neighbors=near + 1, algorithm="brute").fit(vectors)
    starts = range(0, len(vectors), _AT_ONCE)
    sized = ((start, min(_AT_ONCE, len(vectors) - start)) for start in starts)
    found = []
    for start, _ in track_sized(sized, "comparing images", len(vectors)):
        distances, places = search.kneighbors(vectors[start : start + _AT_ONCE])
        found.append(_without_itself(distances, places, start))
    return Neighbours(
        places=np.concatenate([places for places, _ in found]),
        distances=np.concatenate([distances for _, distances in found]),
    )


def _without_itself(
    distances: Float[np.ndarray, "images near"], places: Int[np.ndarray, "images near"], first: int
) -> tuple[Int[np.ndarray, "images near"], Float[np.ndarray, "images near"]]:
    """Drop each image from its own neighbours, or the last one where many copies hid it."""
    own = places == np.arange(first, first + len(places))[:, None]
    own[~own.any(axis=1), -1] = True
    shape = (len(places), places.shape[1] - 1)
    return places[~own].reshape(shape), distances[~own].reshape(shape)


def outliers(neighbours: Neighbours) -> Int[np.ndarray, "images"]:
    """Order images by how far their neighbours are, those unlike all others first.

    The distance to the neighbour in the middle counts: two copies of one odd image stay odd.

    Source: after Ramaswamy et al. 2000, doi:10.1145/342009.335437.
    """
    if neighbours.distances.shape[1] == 0:
        return np.zeros(0, np.int64)
    return np.argsort(-np.median(neighbours.distances, axis=1), kind="stable")


def other_label_pairs(
    neighbours: Neighbours, labels: Int[np.ndarray, "images"]
) -> list[tuple[int, int]]:
    """Pair images with a nearest neighbour of another class, the most alike first.

    Args:
        neighbours: Of all images.
        labels: The class of each, -1 where there is none: such images are in no pair.

    Returns:
        Places; every image at most once.
    """
    if neighbours.places.shape[1] == 0:
        return []
    nearest = neighbours.places[:, 0]
    differ = (labels != labels[nearest]) & (labels >= 0) & (labels[nearest] >= 0)
    candidates = np.flatnonzero(differ)
    pairs: list[tuple[int, int]] = []
    taken: set[int] = set()
    for one in candidates[np.argsort(neighbours.distances[candidates, 0], kind="stable")].tolist():
        other = int(nearest[one])
        if one not in taken and other not in taken:
            pairs.append((min(one, other), max(one, other)))
            taken |= {one, other}
    return pairs


def find_clusters(embedding: Embedding, *, seed: int = 0) -> Clusters:
    """Group images that lie together: one cluster per 20 images, at most 12.

    Args:
        embedding: Of any number of images; centres are found on 5,000 of them.
        seed: For the sample and the first centres.
    """
    from sklearn.cluster import KMeans  # half a second to import
    from threadpoolctl import threadpool_limits

    vectors = embedding.vectors
    sample = fair_sample(np.zeros(len(vectors), np.int64), _CLUSTER_ON, seed=seed)
    different = len(np.unique(vectors[sample], axis=0))
    wanted = max(min(_MOST_CLUSTERS, len(vectors) // _IMAGES_PER_CLUSTER, different), 1)
    with threadpool_limits(1):  # on a busy machine two threads wait for each other
        means = KMeans(wanted, n_init=3, random_state=seed).fit(vectors[sample])
        found = means.predict(vectors)
    sizes = np.bincount(found, minlength=wanted)
    by_size = np.argsort(-sizes, kind="stable")
    rank = np.argsort(by_size, kind="stable")
    distances = np.linalg.norm(vectors - means.cluster_centers_[found], axis=1)
    return Clusters(of_each=rank[found], distances=distances, count=int((sizes > 0).sum()))


def flat_map(embedding: Embedding, *, seed: int = 0) -> Float[np.ndarray, "images 2"]:
    """Lay images out on a plane so that neighbours stay neighbours.

    Distances across the plane mean little, and so do its axes.

    Args:
        embedding: Of at most a few thousand images.
        seed: For the layout.

    Source: t-SNE, van der Maaten and Hinton 2008; with fewer than 8 images their first two
        principal components.
    """
    from sklearn.manifold import TSNE  # half a second to import
    from threadpoolctl import threadpool_limits

    vectors = embedding.vectors
    plane = np.zeros((len(vectors), 2), np.float32)
    if len(vectors) < _FEW or not vectors.any():
        plane[:, : min(vectors.shape[1], 2)] = vectors[:, :2]
        return plane
    start = np.zeros((len(vectors), 2), np.float32)
    start[:, : min(vectors.shape[1], 2)] = 1e-4 * vectors[:, :2]
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init=start, max_iter=_ROUNDS, random_state=seed)
    # Its rounds are so short that threads wait for each other: on a busy machine two of them
    # took four times as long as one.
    with threadpool_limits(1):
        layout: Float[np.ndarray, "images 2"] = tsne.fit_transform(vectors)
    return layout
