"""One-hot and back, channels apart and together, red and blue exchanged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.data.image_maths import from_one_hot, one_hot, split_channels, swap_red_and_blue
from darkroom.errors import DataError

IMAGE = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def test_labels_become_rows_with_a_one():
    rows = one_hot([2, 0], 3)
    assert rows.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert rows.dtype == np.float32


@given(st.lists(st.integers(0, 6), max_size=30))
def test_labels_come_back(labels):
    assert from_one_hot(one_hot(labels, 7)).tolist() == labels


def test_it_agrees_with_the_targets_of_a_dataset(dataset):
    labels = dataset.label_indices("train")
    rows = one_hot(labels, len(dataset.classes))
    assert np.array_equal(rows, dataset.targets("train"))
    assert np.array_equal(from_one_hot(dataset.targets("train")), labels)


@pytest.mark.parametrize(
    ("labels", "place"),
    [([0, 3, 1], "3 at position 1"), ([0, 1, -1], "-1 at position 2")],
)
def test_a_label_that_is_no_class_is_named(labels, place):
    with pytest.raises(DataError) as caught:
        one_hot(labels, 3)
    assert place in caught.value.problem


@pytest.mark.parametrize(
    "labels", [[True, False], [0.0, 1.0], ["0"], [[0, 1]], np.zeros((0, 2), int)]
)
def test_what_is_no_row_of_whole_numbers_is_refused(labels):
    with pytest.raises(DataError):
        one_hot(labels, 2)


def test_there_is_at_least_one_class():
    with pytest.raises(DataError):
        one_hot([], 0)


def test_no_label_makes_no_row():
    assert one_hot([], 3).shape == (0, 3)


@pytest.mark.parametrize(
    ("row", "fact"),
    [
        ([1, 1, 0], "2 ones"),
        ([0, 0, 0], "0 ones"),
        ([0.2, 0.8, 0.0], "sums to 1"),
        ([2, 0, 0], "sums to 2"),
        ([np.nan, 1, 0], "sums to nan"),
        ([1, -1, 1], "2 ones"),
    ],
)
def test_a_row_that_is_no_one_hot_is_named(row, fact):
    with pytest.raises(DataError) as caught:
        from_one_hot(np.array([[0, 1, 0], row]))
    assert "row 1 " in caught.value.problem
    assert fact in caught.value.problem


@pytest.mark.parametrize(
    "rows", [np.array([0, 1]), np.array([[True, False]]), np.array([["1", "0"]])]
)
def test_what_is_no_table_of_numbers_is_refused(rows):
    with pytest.raises(DataError):
        from_one_hot(rows)


def test_the_channels_alone_add_up_to_the_image():
    alone = split_channels(IMAGE)
    assert list(alone) == ["red", "green", "blue"]
    assert np.array_equal(sum(alone.values()), IMAGE)
    assert alone["green"].dtype == IMAGE.dtype


def test_a_channel_alone_holds_nothing_of_the_others():
    green = split_channels(IMAGE)["green"]
    assert np.array_equal(green[..., 1], IMAGE[..., 1])
    assert not green[..., 0].any()
    assert not green[..., 2].any()


def test_red_and_blue_are_exchanged_and_green_stays():
    swapped = swap_red_and_blue(IMAGE)
    assert swapped[0, 0].tolist() == [2, 1, 0]
    assert np.array_equal(swap_red_and_blue(swapped), IMAGE)


def test_many_images_are_exchanged_at_once():
    many = np.stack([IMAGE, IMAGE + 24])
    assert np.array_equal(swap_red_and_blue(many)[1], swap_red_and_blue(IMAGE + 24))


@pytest.mark.parametrize("take", [split_channels, swap_red_and_blue])
@pytest.mark.parametrize("shape", [(4, 4, 1), (4, 3), (4, 4, 4)])
def test_an_image_without_three_channels_is_refused(take, shape):
    with pytest.raises(DataError) as caught:
        take(np.zeros(shape, np.uint8))
    assert str(shape) in caught.value.problem
