"""Neighbours, odd ones, clusters and the map, on points whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from darkroom.data.embedding import Embedding
from darkroom.data.neighbours import (
    find_clusters,
    flat_map,
    nearest_neighbours,
    other_label_pairs,
    outliers,
)


def points(vectors: np.ndarray) -> Embedding:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.maximum(lengths, 1e-9)).astype(np.float32)
    return Embedding(
        images=tuple(f"{row:04d}" for row in range(len(unit))), vectors=unit, made_by="drawn"
    )


def blobs(count: int, each: int, *, spread: float = 0.05) -> Embedding:
    rng = np.random.default_rng(0)
    centres = np.eye(count, 16)
    return points(np.repeat(centres, each, axis=0) + spread * rng.normal(size=(count * each, 16)))


def test_the_nearest_neighbours_are_those_of_a_full_comparison():
    embedding = points(np.random.default_rng(1).normal(size=(60, 8)))
    distances = np.linalg.norm(embedding.vectors[:, None] - embedding.vectors[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    found = nearest_neighbours(embedding)
    assert (found.places == np.argsort(distances, axis=1)[:, :10]).all()
    assert found.distances == pytest.approx(np.sort(distances, axis=1)[:, :10], abs=1e-3)


def test_no_image_is_its_own_neighbour_even_among_many_copies():
    found = nearest_neighbours(points(np.ones((40, 4))))
    assert (found.places != np.arange(40)[:, None]).all()
    assert found.places.shape == (40, 10)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_images_have_few_neighbours(count):
    found = nearest_neighbours(points(np.random.default_rng(0).normal(size=(count, 4))))
    assert found.places.shape == (count, count - 1)
    assert len(outliers(found)) == (count if count > 1 else 0)


def test_what_is_like_nothing_else_comes_first():
    embedding = blobs(2, 40)
    odd = points(np.concatenate([embedding.vectors, -np.eye(1, 16, 9)]))
    assert outliers(nearest_neighbours(odd))[0] == 80


def test_two_copies_of_an_odd_image_stay_odd():
    embedding = blobs(2, 40)
    odd = points(np.concatenate([embedding.vectors, -np.eye(1, 16, 9), -np.eye(1, 16, 9)]))
    neighbours = nearest_neighbours(odd)
    assert set(outliers(neighbours)[:2].tolist()) == {80, 81}
    by_the_nearest = np.argsort(-neighbours.distances[:, 0])  # what would be fooled
    assert not {80, 81} & set(by_the_nearest[:2].tolist())


def test_pairs_under_different_labels_come_the_most_alike_first_and_once():
    labels = np.repeat([0, 1], 40)
    labels[[3, 50]] = [1, 0]  # wrong on purpose
    pairs = other_label_pairs(nearest_neighbours(blobs(2, 40)), labels)
    assert {3, 50} <= {place for pair in pairs for place in pair}
    places = [place for pair in pairs for place in pair]
    assert len(places) == len(set(places))
    assert all(labels[one] != labels[other] for one, other in pairs)


def test_right_labels_give_no_such_pair():
    assert other_label_pairs(nearest_neighbours(blobs(2, 40)), np.repeat([0, 1], 40)) == []


def test_images_without_a_label_are_in_no_pair():
    assert other_label_pairs(nearest_neighbours(blobs(2, 40)), np.array([-1] * 40 + [0] * 40)) == []


def test_clusters_are_what_lies_together_the_largest_first():
    embedding = points(np.concatenate([blobs(3, 40).vectors, blobs(3, 40).vectors[:30] + 0.01]))
    found = find_clusters(embedding)
    sizes = np.bincount(found.of_each)
    assert (np.diff(sizes) <= 0).all()
    truth = np.r_[np.repeat([0, 1, 2], 40), np.zeros(30, int)]
    pure = [np.bincount(truth[found.of_each == number]).max() for number in range(found.count)]
    assert sum(pure) == len(truth)


def test_images_that_are_all_the_same_are_one_cluster():
    assert find_clusters(points(np.ones((100, 4)))).count == 1


def test_the_map_is_the_same_every_time_and_keeps_neighbours():
    embedding = blobs(3, 30)
    first = flat_map(embedding)
    assert (first == flat_map(embedding)).all()
    distances = np.linalg.norm(first[:, None] - first[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    blob = np.repeat([0, 1, 2], 30)
    assert (blob[distances.argmin(axis=1)] == blob).mean() > 0.95


@pytest.mark.parametrize("count", [1, 2, 7, 9])
def test_a_few_images_have_a_map(count):
    drawn = flat_map(points(np.random.default_rng(0).normal(size=(count, 3))))
    assert drawn.shape == (count, 2)
    assert np.isfinite(drawn).all()
