"""A Dataset: its parts, targets and fingerprint, and what happens when a source file changes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from darkroom import Recipe, check_dataset, open_dataset, split_dataset, train
from darkroom.data.pixels import load_images
from darkroom.data.preprocess import Preprocess, prepare_image
from darkroom.errors import DataError
from tests.data.indexes import Row, make_index
from tests.data.packing import pack_folder
from tests.making import CLASSES, draw_folder, image_bytes

OTHER_SIZE = Preprocess(height=9, width=7)  # nothing is cached for it


@pytest.fixture
def root(tmp_path, workspace) -> Path:
    return draw_folder(tmp_path / "shapes", per_class=8)


def change(path: Path) -> None:
    """Put another image of the same size in bytes and with the same time stamp."""
    before = path.stat()
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def load_uncached(dataset):
    return load_images(dataset, "train", OTHER_SIZE)


def read_all(dataset):
    return dataset.read(dataset.index)


def verify(dataset):
    return dataset.verify_source()


LOOKS = (verify, load_uncached, read_all)


def first_of_train(dataset, root: Path) -> Path:
    return root / dataset.part("train")["image"][0]


@pytest.mark.parametrize("look", LOOKS)
def test_a_file_that_changed_after_opening_is_named(root, look):
    dataset = split_dataset(open_dataset(root))
    path = first_of_train(dataset, root)
    change(path)
    with pytest.raises(DataError) as caught:
        look(dataset)
    assert path.relative_to(root).as_posix() in caught.value.problem
    assert str(root) in caught.value.hint


@pytest.mark.parametrize("look", LOOKS)
def test_a_file_that_is_gone_is_named(root, look):
    dataset = split_dataset(open_dataset(root))
    path = first_of_train(dataset, root)
    path.unlink()
    with pytest.raises(DataError) as caught:
        look(dataset)
    assert str(path) in caught.value.problem


@pytest.mark.parametrize("look", LOOKS)
def test_control_a_file_that_was_only_touched_is_fine(root, look):
    dataset = split_dataset(open_dataset(root))
    touch(first_of_train(dataset, root))
    look(dataset)


@pytest.mark.parametrize("look", LOOKS)
def test_a_source_that_is_gone_is_named(root, look):
    dataset = split_dataset(open_dataset(root))
    shutil.rmtree(root)
    with pytest.raises(DataError) as caught:
        look(dataset)
    assert str(root) in caught.value.problem


def test_a_changed_archive_is_read_again_and_the_image_named(root):
    dataset = split_dataset(open_dataset(pack_folder(root, ".zip")))
    name = dataset.part("train")["image"][0]
    (root / name).write_bytes(image_bytes("ball", 99))
    pack_folder(root, ".zip")
    with pytest.raises(DataError) as caught:
        dataset.verify_source()
    assert name in caught.value.problem


def test_an_archive_packed_again_with_the_same_images_is_fine(root):
    dataset = split_dataset(open_dataset(pack_folder(root, ".zip")))
    touch(pack_folder(root, ".zip"))
    dataset.verify_source()


def test_a_file_that_came_later_does_not_matter(root):
    dataset = split_dataset(open_dataset(root))
    (root / "ball" / "new.png").write_bytes(image_bytes("ball", 99))
    dataset.verify_source()


def test_train_refuses_a_changed_file_before_a_run_begins(root, workspace):
    dataset = split_dataset(open_dataset(root))
    path = first_of_train(dataset, root)
    change(path)
    with pytest.raises(DataError) as caught:
        train(dataset, Recipe(epochs=1), workspace=workspace)
    assert path.relative_to(root).as_posix() in caught.value.problem
    assert not workspace.folder("run").exists()


def test_cached_pixels_need_no_source(root):
    dataset = split_dataset(open_dataset(root))
    usual = dataset.default_preprocess()
    before = load_images(dataset, "train", usual).take(slice(None))
    shutil.rmtree(root)
    assert np.array_equal(load_images(dataset, "train", usual).take(slice(None)), before)


def test_loaded_pixels_are_those_of_the_one_decode_path(root):
    dataset = split_dataset(open_dataset(root))
    images = load_images(dataset, "valid", OTHER_SIZE)
    expected = [prepare_image(data, OTHER_SIZE) for data in dataset.read(dataset.part("valid"))]
    assert np.array_equal(images.take(slice(None)), np.stack(expected))
    assert len(images) == len(expected)


def test_identical_images_share_a_row_and_keep_their_labels(root):
    shutil.copy(root / "ball" / "000.png", root / "box" / "copy.png")
    dataset = split_dataset(open_dataset(root))
    shared = dataset.index.filter(dataset.index["sha256"].is_duplicated())
    (part,) = shared["part"].unique()
    images = load_images(dataset, part, OTHER_SIZE)
    where = dataset.part(part)["sha256"].is_duplicated().to_numpy()
    assert len(set(images.rows[where])) == 1
    assert len(set(images.targets[where].argmax(axis=1))) == 2


def test_targets_are_one_hot_in_the_order_of_the_classes(root):
    dataset = split_dataset(open_dataset(root))
    targets = dataset.targets("test")
    assert targets.sum(axis=1).tolist() == [1.0] * dataset.counts["test"]
    assert targets.argmax(axis=1).tolist() == dataset.label_indices("test").tolist()
    named = [CLASSES[label] for label in dataset.label_indices("test")]
    assert named == [name.split("/")[0] for name in dataset.part("test")["image"]]


@pytest.fixture
def partly_labelled(workspace):
    rows = [Row(f"{n}.png", n % 2, "train") for n in range(4)]
    return make_index(workspace, [*rows, Row("x.png", None, "unlabelled")])


def test_unlabelled_images_have_targets_of_zeros(partly_labelled):
    assert partly_labelled.targets("unlabelled").tolist() == [[0.0, 0.0]]


def test_unlabelled_images_have_no_label_index(partly_labelled):
    with pytest.raises(DataError, match="unlabelled"):
        partly_labelled.label_indices("unlabelled")


def test_an_unknown_part_names_the_parts_there_are(partly_labelled):
    with pytest.raises(DataError) as caught:
        partly_labelled.part("valid")
    assert "`valid`" in caught.value.problem
    assert "train, unlabelled" in caught.value.problem


def test_the_fingerprint_does_not_depend_on_names_even_of_copies_with_two_labels(workspace):
    one = [Row("a", 0, "train", "same"), Row("b", 1, "train", "same"), Row("c", 1, "train", "z")]
    two = [Row("b", 0, "train", "same"), Row("a", 1, "train", "same"), Row("c", 1, "train", "z")]
    assert make_index(workspace, one).fingerprint() == make_index(workspace, two).fingerprint()


@pytest.mark.parametrize(
    "other", [Row("a", 1, "train"), Row("a", 0, "test"), Row("a", 0, "train", "new")]
)
def test_the_fingerprint_depends_on_label_part_and_content(workspace, other):
    beside = Row("b", 1, "train")
    usual = make_index(workspace, [Row("a", 0, "train"), beside])
    assert make_index(workspace, [other, beside]).fingerprint() != usual.fingerprint()


def test_the_fingerprint_of_the_test_part_ignores_the_others(workspace):
    test = [Row(f"t{n}", n % 2, "test") for n in range(4)]
    one = make_index(workspace, [*test, Row("a", 0, "train")])
    two = make_index(workspace, [*test, Row("b", 0, "train")])
    assert one.fingerprint("test") == two.fingerprint("test")


def test_the_default_preprocess_follows_the_images(root):
    preprocess = open_dataset(root).default_preprocess()
    assert (preprocess.height, preprocess.width, preprocess.channels) == (20, 24, 3)


def test_a_notebook_shows_counts_and_escapes_names(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", ("<b>ball", "box"), 4)
    shown = split_dataset(open_dataset(root))._repr_html_()
    assert "&lt;b&gt;ball" in shown
    assert "<b>ball" not in shown


def test_the_repr_counts_the_parts(root):
    assert repr(open_dataset(root)).endswith("3 classes · 24 unsplit)")


def test_a_split_is_a_child_of_the_opened_dataset(root):
    opened = open_dataset(root)
    split = split_dataset(opened)
    assert [parent.id for parent in split.manifest.parents] == [opened.manifest.id]


def test_findings_of_clean_drawn_images_are_no_errors(tmp_path, workspace):
    dataset = split_dataset(open_dataset(draw_folder(tmp_path / "many", per_class=25)))
    assert check_dataset(dataset) == ()
