"""Images become points: finite, repeatable, near each other where they look alike."""

from __future__ import annotations

import numpy as np
import pytest

import darkroom
from darkroom.data.embedding import class_of_each, embedding_of, fair_sample, simple_embedding
from darkroom.errors import DataError
from tests.making import draw_folder, draw_image


def nearest_of_the_same_class(vectors: np.ndarray, classes: np.ndarray) -> float:
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -np.inf)
    return float((classes[likeness.argmax(axis=1)] == classes).mean())


def test_every_image_of_the_index_is_a_point_of_length_one(dataset):
    embedding = simple_embedding(dataset)
    assert embedding.images == tuple(dataset.index["image"])
    assert embedding.vectors.dtype == np.float32
    assert np.linalg.norm(embedding.vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_the_same_images_give_the_same_points(dataset):
    assert (simple_embedding(dataset).vectors == simple_embedding(dataset).vectors).all()


def test_neighbours_look_alike(dataset):
    embedding, classes = simple_embedding(dataset), class_of_each(dataset)
    assert nearest_of_the_same_class(embedding.vectors, classes) > 0.7


def test_that_test_would_notice_features_that_say_nothing(dataset):
    noise = np.random.default_rng(0).normal(size=(len(dataset.index), 50)).astype(np.float32)
    embedding = embedding_of(dataset.index["image"].to_list(), noise, "noise")
    assert nearest_of_the_same_class(embedding.vectors, class_of_each(dataset)) < 0.5


def test_copies_are_one_point(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=4)
    (root / "box" / "copy.png").write_bytes((root / "ball" / "000.png").read_bytes())
    embedding = simple_embedding(darkroom.open_dataset(root))
    place = dict(zip(embedding.images, embedding.vectors, strict=True))
    assert place["box/copy.png"] == pytest.approx(place["ball/000.png"], abs=1e-5)
    assert place["box/copy.png"] != pytest.approx(place["ball/001.png"], abs=1e-2)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (5, 3), (64, 64), (300, 40)])
def test_images_of_any_size_can_be_described(tmp_path, workspace, size):
    for label in ("ball", "box"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(3):
            image = draw_image(label, number, (24, 20)).resize(size)
            image.save(tmp_path / "photos" / label / f"{number}.png")
    assert np.isfinite(simple_embedding(darkroom.open_dataset(tmp_path / "photos")).vectors).all()


def test_grey_images_can_be_described(tmp_path, workspace):
    for label in ("ball", "box"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(3):
            image = draw_image(label, number).convert("L")
            image.save(tmp_path / "photos" / label / f"{number}.png")
    assert simple_embedding(darkroom.open_dataset(tmp_path / "photos")).vectors.any()


def test_one_image_is_a_point_like_the_mean(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", ["ball"], per_class=1)
    assert simple_embedding(darkroom.open_dataset(root)).vectors.tolist() == [[0.0]]


def test_images_that_are_all_alike_are_one_point():
    embedding = embedding_of(["a", "b", "c"], np.ones((3, 7), np.float32), "ones")
    assert not embedding.vectors.any()


def test_no_image_is_refused():
    with pytest.raises(DataError):
        embedding_of([], np.zeros((0, 3), np.float32), "nothing")


def test_a_fair_sample_keeps_what_is_rare():
    groups = np.array([0] * 10_000 + [1] * 5)
    chosen = fair_sample(groups, 100)
    assert len(chosen) == 100
    assert (groups[chosen] == 1).sum() == 5
    blind = np.random.default_rng(0).permutation(len(groups))[:100]
    assert (groups[blind] == 1).sum() < 5


def test_a_fair_sample_takes_the_same_number_of_every_group_that_has_it():
    groups = np.repeat([3, 1, 2], [500, 40, 60])
    sizes = np.bincount(groups[fair_sample(groups, 90)])
    assert sizes[1:].tolist() == [30, 30, 30]


def test_a_sample_of_few_images_is_all_of_them():
    assert fair_sample(np.array([1, 1, 2]), 3).tolist() == [0, 1, 2]
