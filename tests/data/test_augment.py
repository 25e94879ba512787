"""Augmentation: what happens to an image follows from seed, epoch and the image alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.data.augment import augment_images, draw_uniform

IDENTITIES = np.random.default_rng(1).integers(0, 2**64, 400, np.uint64)
PIXELS = np.random.default_rng(2).integers(0, 256, (400, 6, 7, 3), np.uint8)


def varied(chosen=slice(None), *, flip=True, shift=0.3, position=(0, 0)) -> np.ndarray:
    return augment_images(
        PIXELS[chosen], IDENTITIES[chosen], flip=flip, shift=shift, position=position
    )


@settings(deadline=None)
@given(st.permutations(range(20)), st.integers(1, 20))
def test_an_image_is_varied_the_same_in_any_batch(order, size):
    assert np.array_equal(varied(order[:size]), varied()[order[:size]])


@pytest.mark.parametrize("position", [(1, 0), (0, 1), (1, 1)])
def test_another_seed_or_epoch_varies_differently(position):
    assert not np.array_equal(varied(), varied(position=position))


def test_seed_and_epoch_do_not_stand_for_each_other():
    assert not np.array_equal(varied(position=(1, 2)), varied(position=(2, 1)))


def test_the_batch_is_not_changed():
    before = PIXELS.copy()
    varied()
    assert np.array_equal(PIXELS, before)


def test_without_flip_and_shift_nothing_happens():
    assert np.array_equal(varied(flip=False, shift=0.0), PIXELS)


def test_about_half_of_the_images_are_mirrored():
    mirrored = (varied(shift=0.0) == PIXELS[:, :, ::-1]).all(axis=(1, 2, 3))
    kept = (varied(shift=0.0) == PIXELS).all(axis=(1, 2, 3))
    assert (mirrored | kept).all()
    assert 0.4 < mirrored.mean() < 0.6


def test_a_move_reaches_no_further_than_its_share():
    ramp = np.tile(np.arange(20, dtype=np.uint8), (400, 20, 1))[..., None]
    moved = augment_images(ramp, IDENTITIES, flip=False, shift=0.1, position=(0, 0))
    offsets = moved[:, 10, 10, 0].astype(int) - 10
    assert set(offsets.tolist()) == {-2, -1, 0, 1, 2}


@pytest.mark.parametrize("side", [1, 2])
def test_the_smallest_images_can_be_varied(side):
    pixels = np.zeros((3, side, side, 1), np.uint8)
    varied_pixels = augment_images(pixels, IDENTITIES[:3], flip=True, shift=0.5, position=(0, 0))
    assert varied_pixels.shape == pixels.shape


def test_draws_are_spread_evenly_over_0_to_1():
    draws = draw_uniform(np.arange(20_000, dtype=np.uint64), 3, 4)
    counts, _ = np.histogram(draws, bins=10, range=(0, 1))
    assert draws.min() >= 0
    assert draws.max() < 1
    assert np.abs(counts - 2000).max() < 250


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("shape", [(5, 8, 3), (1, 1, 1), (6, 2, 4)])
def test_images_that_are_not_moved_are_those_moved_by_less_than_a_pixel(shape, flip):
    pixels = np.random.default_rng(3).integers(0, 256, (len(IDENTITIES), *shape), dtype=np.uint8)
    before = pixels.copy()
    still, nearly = (
        augment_images(pixels, IDENTITIES, flip=flip, shift=shift, position=(4, 2))
        for shift in (0.0, 1e-9)
    )
    assert np.array_equal(still, nearly)
    assert np.array_equal(pixels, before)
    assert np.array_equal(still, before) is (not flip or shape[1] == 1)
