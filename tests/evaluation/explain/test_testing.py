"""Deletion and insertion, likeness, random weights: on answers that are written down."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from darkroom.evaluation.explain.heat import blanked, cell_means, grid, shown_where, unit
from darkroom.evaluation.explain.testing import (
    RANDOM_ORDERS,
    REDRAWS,
    Learned,
    curves,
    hold_against_random_weights,
    likeness,
    order_of,
    random_orders,
    told_apart,
)
from darkroom.evaluation.explain.trust import ALIKE, Measured, judge_map
from tests.evaluation.explain.toys import red_images, red_subject

LEARNED = Learned(images=100, own=0.9, redrawn=(0.3,) * REDRAWS, limit=0.35)


def measured(**changes: object) -> Measured:
    usual = {
        "is_blank": False, "deletion": 0.1, "insertion": 0.9,
        "beaten": RANDOM_ORDERS, "orders": RANDOM_ORDERS, "likeness": 0.1,
    }  # fmt: skip
    return Measured(**(usual | changes))


@pytest.mark.parametrize("size", [(8, 8), (32, 32), (33, 20), (5, 3), (1, 9)])
def test_a_grid_numbers_all_its_cells_and_leaves_no_pixel_out(size):
    number = grid(size, 8)
    assert number.shape == size
    assert set(number.ravel()) == set(range(min(8, size[0]) * min(8, size[1])))


def test_the_mean_of_a_cell_is_that_of_its_pixels():
    heat = np.arange(2 * 16 * 16, dtype=np.float32).reshape(2, 16, 16)
    means = cell_means(heat)
    assert means.shape == (2, 64)
    assert means[1, 9] == heat[1, 2:4, 2:4].mean()


def test_what_is_taken_away_has_the_mean_colour_of_its_image():
    pixels, _, _ = red_images(1)
    number = grid((16, 16), 8)
    kept = np.ones((2, 64), bool)
    kept[1, 0] = False
    whole, without = shown_where(pixels[0], kept, number)
    np.testing.assert_array_equal(whole, pixels[0])
    np.testing.assert_array_equal(without[:2, :2], blanked(pixels)[0, :2, :2])
    np.testing.assert_array_equal(without[2:], pixels[0, 2:])


def test_scaling_leaves_a_map_without_heat_and_drops_what_is_no_number():
    heat = np.zeros((2, 4, 4), np.float32)
    heat[1, 0, :3] = (-4, 2, np.nan)
    scaled = unit(heat)
    assert not scaled[0].any()
    assert scaled[1, 0].tolist() == [-1, 0.5, 0, 0]


@pytest.fixture(scope="module")
def red():
    """Give the subject, an image, its class, and the order that takes the red corner first."""
    pixels, classes, cues = red_images(1)
    return red_subject(), pixels[0], int(classes[0]), order_of(cues.astype(np.float32), 0)


def test_the_right_order_takes_and_brings_the_class_at_once(red):
    subject, image, one, order = red
    worst = order[:, ::-1]
    right, wrong = (curves(subject, image, one, each) for each in (order, worst))
    # The cue takes 4 of 64 cells.
    assert right.deletion[0] < 0.3
    assert right.insertion[0] > 0.7
    assert wrong.deletion[0] > 0.7
    assert wrong.insertion[0] < 0.3
    assert right.gain[0] > 0 > wrong.gain[0]


def test_the_right_order_beats_all_random_ones_and_a_random_one_hardly_any(red):
    subject, image, one, order = red
    drawn = curves(subject, image, one, random_orders(64, seed=1)).gain
    assert (drawn < curves(subject, image, one, order).gain[0]).all()
    beaten = [
        (drawn < other).sum() for other in curves(subject, image, one, random_orders(64, 2)).gain
    ]
    assert np.mean([count == RANDOM_ORDERS for count in beaten]) <= 0.2
    assert 0.2 < np.mean(beaten) / RANDOM_ORDERS < 0.8


def test_an_answer_that_never_changes_is_beaten_by_no_order(red):
    subject, image, one, order = red
    constant = msgspec.structs.replace(
        subject, answer=lambda pixels: np.full((len(pixels), 2), 0.5)
    )
    drawn, own = (curves(constant, image, one, each) for each in (random_orders(64, 1), order))
    assert own.deletion[0] == own.insertion[0] == pytest.approx(0.5)
    assert not (drawn.gain < own.gain[0]).any()


def test_an_order_names_every_cell_once_the_hottest_first():
    heat = np.random.default_rng(0).random((3, 16, 16)).astype(np.float32)
    means = cell_means(heat)
    for row, order in enumerate(order_of(heat, 0)):
        assert sorted(order) == list(range(64))
        assert (np.diff(means[row][order]) <= 0).all()


def test_cells_that_are_equally_hot_are_not_taken_from_top_to_bottom():
    (order,) = order_of(np.zeros((1, 16, 16), np.float32), 0)
    assert abs(np.corrcoef(order, np.arange(64))[0, 1]) < 0.5


def test_likeness_is_one_for_the_same_order_and_none_for_an_empty_map():
    cells = np.random.default_rng(0).random((4, 8, 8)).astype(np.float32)
    heat = cells.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_allclose(likeness(heat, heat**3), 1)
    np.testing.assert_allclose(likeness(heat, -heat), -1)
    assert likeness(heat, np.zeros_like(heat)).tolist() == [0, 0, 0, 0]
    other = np.random.default_rng(1).random((4, 16, 16)).astype(np.float32)
    assert (np.abs(likeness(heat, other)) < 0.5).all()


class Drawn:
    """Networks with random weights whose answers are drawn."""

    def __init__(self, subject, spread: float) -> None:
        self._subject, self._spread = subject, spread

    def subject(self, number: int):
        def answer(pixels: np.ndarray) -> np.ndarray:
            drawn = np.random.default_rng(number).uniform(-1, 1, len(pixels))
            return np.stack([0.5 - self._spread * drawn, 0.5 + self._spread * drawn], axis=1)

        return msgspec.structs.replace(self._subject, answer=answer)


def test_what_answers_better_than_random_weights_has_learned():
    subject = red_subject(known=True)
    learned = hold_against_random_weights(subject, Drawn(subject, 0.1), subject.known)
    assert learned.images == len(subject.known.pixels)
    assert len(learned.redrawn) == REDRAWS
    assert max(learned.redrawn) < learned.limit < learned.own
    assert learned.is_more


def test_what_is_always_answered_tells_nothing_apart_however_frequent_it_is():
    targets = np.eye(3)[[0, 0, 0, 0, 0, 1, 2]]
    assert told_apart(np.tile([0.98, 0.01, 0.01], (7, 1)), targets) == pytest.approx(0.5)
    assert told_apart(targets, targets) == 1
    assert told_apart(1 - targets, targets) == 0


def test_a_class_without_images_or_without_others_is_left_out():
    targets = np.array([[1, 0, 1], [1, 0, 0]])
    assert told_apart(np.array([[0.9, 0.9, 0.8], [0.1, 0.9, 0.4]]), targets) == pytest.approx(0.7)
    assert told_apart(np.zeros((2, 2)), np.array([[1, 0], [1, 0]])) == 0.5


def test_a_perfect_network_has_learned_though_random_ones_vary_widely():
    subject = red_subject(known=True)
    learned = hold_against_random_weights(subject, Drawn(subject, 0.5), subject.known)
    assert np.std(learned.redrawn) > 0.02
    assert learned.is_more
    assert learned.limit < 1


def test_control_random_weights_have_hardly_ever_learned():
    subject = red_subject(known=True)
    drawn = Drawn(subject, 0.1)
    taken = [
        hold_against_random_weights(drawn.subject(100 + number), drawn, subject.known).is_more
        for number in range(100)
    ]
    assert sum(taken) <= 5


def test_a_map_that_passes_everything_is_trustworthy():
    trust = judge_map(measured(), LEARNED)
    assert trust.is_trustworthy
    assert (trust.beaten.hits, trust.beaten.of) == (RANDOM_ORDERS, RANDOM_ORDERS)


@pytest.mark.parametrize(
    ("changes", "learned", "told"),
    [
        ({"beaten": RANDOM_ORDERS - 1}, LEARNED, "18 of 19"),
        ({"likeness": ALIKE}, LEARNED, "random weights draw"),
        ({"is_blank": True, "beaten": 0}, LEARNED, "empty"),
        ({}, msgspec.structs.replace(LEARNED, own=0.34), "answers no better"),
    ],
)
def test_each_check_alone_marks_a_map(changes, learned, told):
    trust = judge_map(measured(**changes), learned)
    (doubt,) = trust.doubts
    assert told in doubt
    assert not trust.is_trustworthy


def test_what_could_not_be_tested_speaks_against_nothing():
    assert judge_map(measured(likeness=None), None).is_trustworthy
