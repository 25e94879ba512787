"""The built-in data sets: real image files out of scikit-learn and Keras."""

from __future__ import annotations

import time

import numpy as np
import pytest

from darkroom import open_dataset
from darkroom.backend import keras
from darkroom.data.decode import image_format
from darkroom.data.sources.builtin import CIFAR10_CLASSES
from darkroom.errors import DataError, ServiceError
from tests.data.packing import write_zip
from tests.making import draw_folder, image_bytes, real_data


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    from darkroom import Workspace

    workspace = Workspace(tmp_path_factory.mktemp("digits"))
    return open_dataset("builtin:digits", workspace=workspace)


def small_cifar10():
    """Stand in for Keras' download: twenty images of noise, two per class."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 32, 32, 3), np.uint8)
    labels = np.arange(20).reshape(20, 1) % 10
    return (images, labels), (images[::-1] ^ 1, labels[::-1])


def test_the_digits_are_1797_grey_images_of_ten_classes(digits):
    assert digits.record.used == 1797
    assert digits.classes == tuple("0123456789")
    assert set(digits.index.select("height", "width", "channels").iter_rows()) == {(8, 8, 1)}
    assert digits.record.skipped == 0


def test_the_digits_are_png_files_with_the_values_of_scikit_learn(digits):
    from sklearn.datasets import load_digits

    from darkroom.data.decode import decode_image

    first = digits.index.filter(digits.index["image"] == "0/0000.png")
    (data,) = digits.read(first)
    assert image_format(data) == "PNG"
    expected = np.rint(load_digits().images[0] * 255 / 16)
    assert np.array_equal(decode_image(data)[..., 0], expected)


def test_the_digits_open_at_once_the_second_time(digits):
    started = time.perf_counter()
    again = open_dataset("builtin:digits", workspace=digits.workspace)
    assert time.perf_counter() - started < 1
    assert again.manifest == digits.manifest


def test_the_digits_have_one_fingerprint_everywhere(digits, workspace):
    assert open_dataset("builtin:digits").fingerprint() == digits.fingerprint()


def test_an_unknown_built_in_names_the_nearest(workspace):
    with pytest.raises(DataError) as caught:
        open_dataset("builtin:digit")
    assert "`digit`" in caught.value.problem
    assert "`digits`" in caught.value.hint


def test_an_unknown_built_in_far_from_all_names_them_all(workspace):
    with pytest.raises(DataError) as caught:
        open_dataset("builtin:zzz")
    assert "cifar10" in caught.value.hint
    assert "digits" in caught.value.hint


def test_a_copy_of_cifar10_is_used_as_it_is(tmp_path, workspace):
    names = [f"{part}/{label}/0.png" for part in ("train", "test") for label in CIFAR10_CLASSES]
    members = [(name, image_bytes("ball", seed)) for seed, name in enumerate(names)]
    copy = write_zip(tmp_path / "cifar10.zip", members)
    dataset = open_dataset("builtin:cifar10", archive=copy)
    assert dataset.classes == CIFAR10_CLASSES
    assert dataset.counts == {"train": 10, "test": 10}
    assert dataset.record.location == str(copy)


def test_a_copy_may_be_a_folder(tmp_path, workspace):
    root = draw_folder(tmp_path / "cifar", CIFAR10_CLASSES, 1)
    assert open_dataset("builtin:cifar10", archive=root).record.used == 10


@pytest.mark.parametrize("name", ["nowhere.zip", "nowhere", "nowhere.txt"])
def test_a_copy_that_is_not_there_is_named(tmp_path, workspace, name):
    with pytest.raises(DataError) as caught:
        open_dataset("builtin:cifar10", archive=tmp_path / name)
    assert str(tmp_path / name) in caught.value.problem


def test_a_copy_that_is_no_archive_is_named(tmp_path, workspace):
    (tmp_path / "notes.txt").write_text("words")
    with pytest.raises(DataError) as caught:
        open_dataset("builtin:cifar10", archive=tmp_path / "notes.txt")
    assert "notes.txt" in caught.value.problem


def test_cifar10_comes_from_keras_with_its_parts_and_class_names(workspace, monkeypatch):
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", small_cifar10)
    dataset = open_dataset("builtin:cifar10")
    assert dataset.classes == CIFAR10_CLASSES
    assert dataset.counts == {"train": 20, "test": 20}


def test_cifar10_keeps_keras_pixels_and_labels(workspace, monkeypatch):
    from darkroom.data.decode import decode_image

    monkeypatch.setattr(keras.datasets.cifar10, "load_data", small_cifar10)
    dataset = open_dataset("builtin:cifar10")
    third = dataset.index.filter(dataset.index["image"] == "train/bird/00002.png")
    (data,) = dataset.read(third)
    assert np.array_equal(decode_image(data), small_cifar10()[0][0][2])


def test_cifar10_is_downloaded_once(workspace, monkeypatch):
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", small_cifar10)
    first = open_dataset("builtin:cifar10")

    def offline():
        raise OSError("no network")

    monkeypatch.setattr(keras.datasets.cifar10, "load_data", offline)
    assert open_dataset("builtin:cifar10").name == first.name


def test_without_a_network_cifar10_says_how_to_name_a_copy(workspace, monkeypatch):
    def offline():
        raise Exception("URL fetch failure: [Errno -3] name resolution")

    monkeypatch.setattr(keras.datasets.cifar10, "load_data", offline)
    with pytest.raises(ServiceError) as caught:
        open_dataset("builtin:cifar10")
    assert "name resolution" in caught.value.problem
    assert "data.archive=" in caught.value.hint
    assert not (workspace.root / "sources").exists()


def test_the_real_cifar10_archive_is_listed_whole(workspace):
    from darkroom.data.sources.archive import ArchiveSource

    listing = ArchiveSource(real_data("cifar10-jpeg.zip")).listing()
    assert len(listing.entries) == 60_000
    assert {entry.name.split("/")[1] for entry in listing.entries} == set(CIFAR10_CLASSES)
