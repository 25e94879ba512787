"""What a tree of folders means, from names alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.data.layout import (
    PART_NAMES,
    Layout,
    class_folders,
    part_of_file,
    place_image,
    read_layout,
)
from darkroom.data.sources import Place

FASTAI = [
    "train/cats/1.jpg",
    "train/dogs/2.jpg",
    "valid/cats/3.jpg",
    "test1/4.jpg",
    "sample/train/cats/1.jpg",
    "sample/valid/dogs/2.jpg",
]


def placed(*names: str) -> dict[str, Place]:
    layout = read_layout(names)
    return {name: place_image(name, layout) for name in names}


def test_a_folder_per_class_has_no_parts():
    places = placed("cat/1.jpg", "dog/2.jpg")
    assert places["cat/1.jpg"] == Place(labels=("cat",))
    assert places["dog/2.jpg"] == Place(labels=("dog",))


def test_folders_within_a_class_belong_to_it():
    assert placed("cat/indoors/1.jpg", "dog/2.jpg")["cat/indoors/1.jpg"] == Place(labels=("cat",))


@pytest.mark.parametrize("spelled", [str.lower, str.upper, str.capitalize])
@pytest.mark.parametrize("top", PART_NAMES)
def test_every_usual_name_of_a_part_is_known(top, spelled):
    name, part = f"{spelled(top)}/cat/1.jpg", PART_NAMES[top]
    labels = None if part == "unlabelled" else ("cat",)
    assert placed("train/cat/0.jpg", name)[name] == Place(part=part, labels=labels)


def test_a_word_that_is_no_part_is_not_taken_for_one():
    name = "trains/cat/1.jpg"
    assert placed("train/cat/0.jpg", name)[name].ignored == "trains is not a part"


def test_images_right_below_a_part_are_unlabelled():
    assert placed(*FASTAI)["test1/4.jpg"] == Place(part="unlabelled")


def test_the_sample_of_a_tree_of_parts_is_not_counted_twice():
    places = placed(*FASTAI)
    assert "repeats" in (places["sample/train/cats/1.jpg"].ignored or "")
    assert places["train/cats/1.jpg"] == Place(part="train", labels=("cats",))


def test_a_sample_folder_beside_classes_is_a_class():
    assert placed("sample/1.jpg", "cat/2.jpg")["sample/1.jpg"] == Place(labels=("sample",))


def test_a_class_called_train_stays_a_class():
    places = placed("train/1.jpg", "bus/2.jpg")
    assert places["train/1.jpg"] == Place(labels=("train",))


def test_classes_called_train_and_test_stay_classes_when_they_hold_images_only():
    assert placed("train/1.jpg", "test/2.jpg")["test/2.jpg"] == Place(labels=("test",))


@pytest.mark.parametrize("around", ["photos/", "a/b/c/"])
def test_folders_around_everything_do_not_matter(around):
    bare = placed(*FASTAI)
    wrapped = placed(*(around + name for name in FASTAI))
    assert wrapped == {around + name: place for name, place in bare.items()}


def test_a_lone_training_part_is_not_taken_for_a_folder_around_everything():
    assert placed("train/cat/1.jpg", "train/dog/2.jpg")["train/cat/1.jpg"].part == "train"


def test_what_lies_beside_the_folder_around_everything_is_ignored():
    assert place_image("README", Layout(prefix="photos/")).ignored


def test_valid_and_test_without_train_are_parts():
    assert placed("valid/cat/1.jpg", "test/cat/2.jpg")["test/cat/2.jpg"].part == "test"


def test_class_folders_name_empty_classes_too():
    layout = read_layout(["data/train/cat/1.jpg"])
    folders = ["data", "data/train", "data/train/cat", "data/train/dog", "data/models"]
    assert class_folders(folders, layout) == {"cat", "dog"}


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train-00000-of-00002.parquet", "train"),
        ("data/validation-00000.parquet", "valid"),
        ("val/0001.tar", "valid"),
        ("Test_0001.tar", "test"),
        ("train/test-0.tar", "test"),  # the file's own name says more than its folder's
        ("trains-0.tar", None),
        ("0001.tar", None),
    ],
)
def test_a_file_of_many_images_says_its_part_by_its_name(name, part):
    assert part_of_file(name) == part


def test_nothing_has_a_layout():
    assert read_layout([]) == Layout()


paths = st.lists(
    st.lists(
        st.sampled_from(["train", "Valid", "test1", "sample", "models", "cat", "dog"]),
        max_size=4,
    ).map(lambda folders: "/".join([*folders, "image.jpg"])),
    min_size=1,
    max_size=8,
)


@given(paths, st.randoms())
def test_a_place_does_not_depend_on_the_order_of_names(names, random):
    shuffled = list(names)
    random.shuffle(shuffled)
    assert placed(*names) == placed(*shuffled)


@given(paths)
def test_every_image_is_used_or_ignored_with_a_reason(names):
    for place in placed(*names).values():
        used = place.labels is not None or place.part == "unlabelled"
        assert used != (place.ignored is not None)
