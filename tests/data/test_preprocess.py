"""Preprocess: sizes, channels, what each resize rule keeps, and ranges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from darkroom.data.preprocess import (
    Preprocess,
    default_preprocess,
    pixel_key,
    prepare_image,
    prepare_pixels,
    scale_pixels,
)
from darkroom.errors import DataError, RecipeError
from tests.making import image_bytes

RULES = ("squash", "crop", "pad")
sides = st.integers(1, 90)


def stripes(height: int, width: int) -> np.ndarray:
    """Draw columns: red on the left third, green in the middle, blue on the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for channel in range(3):
        pixels[:, channel * width // 3 : (channel + 1) * width // 3, channel] = 255
    return pixels


@settings(deadline=None, max_examples=300)
@given(sides, sides, sides, sides, st.sampled_from(RULES), st.sampled_from((1, 3)))
def test_the_result_has_the_size_and_channels_asked_for(height, width, tall, wide, rule, channels):
    wanted = Preprocess(height=tall, width=wide, channels=channels, resize=rule)
    for held in (1, 3):
        pixels = prepare_pixels(np.full((height, width, held), 9, np.uint8), wanted)
        assert pixels.shape == (tall, wide, channels)
        assert pixels.dtype == np.uint8


@pytest.mark.parametrize(("size", "wanted"), [((63, 73), (77, 43)), ((44, 58), (28, 90))])
def test_a_crop_whose_corner_rounds_outside_is_still_made(size, wanted):
    pixels = prepare_pixels(
        np.full((*size, 3), 9, np.uint8),
        Preprocess(height=wanted[0], width=wanted[1], resize="crop"),
    )
    assert (pixels == 9).all()


def test_control_the_plain_crop_box_of_that_image_lies_outside():
    left = (73 - min(73 / 43, 63 / 77) * 43) / 2
    top = (63 - min(73 / 43, 63 / 77) * 77) / 2
    assert min(left, top) < 0


@pytest.mark.parametrize("rule", RULES)
@given(seed=st.integers(0, 2**16))
def test_an_image_of_the_right_size_passes_unchanged(rule, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (7, 5, 3), np.uint8)
    assert np.array_equal(
        prepare_pixels(pixels, Preprocess(height=7, width=5, resize=rule)), pixels
    )


@pytest.mark.parametrize("rule", RULES)
def test_an_image_of_the_right_shape_is_only_scaled(rule):
    pixels = prepare_pixels(stripes(60, 60), Preprocess(height=20, width=20, resize=rule))
    squashed = prepare_pixels(stripes(60, 60), Preprocess(height=20, width=20))
    assert np.array_equal(pixels, squashed)


def test_squash_keeps_everything():
    pixels = prepare_pixels(stripes(20, 60), Preprocess(height=12, width=12))
    assert pixels[6, 0].tolist() == [255, 0, 0]
    assert pixels[6, -1].tolist() == [0, 0, 255]


def test_crop_keeps_the_middle_and_its_proportions():
    pixels = prepare_pixels(stripes(20, 60), Preprocess(height=20, width=20, resize="crop"))
    assert (pixels == (0, 255, 0)).all()


def test_pad_keeps_everything_between_black_borders():
    pixels = prepare_pixels(stripes(20, 60), Preprocess(height=60, width=60, resize="pad"))
    assert (pixels[:20] == 0).all()
    assert (pixels[40:] == 0).all()
    assert np.array_equal(pixels[20:40], stripes(20, 60))


def test_control_the_three_rules_differ():
    made = [
        prepare_pixels(stripes(20, 60), Preprocess(height=12, width=12, resize=rule)).tobytes()
        for rule in RULES
    ]
    assert len(set(made)) == 3


def test_bgr_turns_the_channels_round():
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    turned = prepare_pixels(pixels, Preprocess(height=2, width=2, channel_order="bgr"))
    assert np.array_equal(turned, pixels[:, :, ::-1])


def test_bgr_leaves_grey_alone():
    pixels = np.arange(4, dtype=np.uint8).reshape(2, 2, 1)
    wanted = Preprocess(height=2, width=2, channels=1, channel_order="bgr")
    assert np.array_equal(prepare_pixels(pixels, wanted), pixels)


def test_colour_becomes_grey_by_luma_within_one_level_of_pillow():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    grey = prepare_pixels(pixels, Preprocess(height=16, width=16, channels=1))
    expected = np.asarray(Image.fromarray(pixels).convert("L")).astype(int)
    assert np.abs(grey[..., 0] - expected).max() <= 1


def test_grey_becomes_three_equal_channels():
    pixels = np.arange(4, dtype=np.uint8).reshape(2, 2, 1)
    assert np.array_equal(
        prepare_pixels(pixels, Preprocess(height=2, width=2)), np.repeat(pixels, 3, axis=2)
    )


@pytest.mark.parametrize(
    ("scaling", "low", "high"), [("unit", 0.0, 1.0), ("signed", -1.0, 1.0), ("bytes", 0.0, 255.0)]
)
def test_scaling_reaches_exactly_its_range(scaling, low, high):
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    scaled = scale_pixels(pixels, Preprocess(height=16, width=16, channels=1, scaling=scaling))
    assert (scaled.dtype, scaled.shape) == (np.float32, (16, 16, 1))
    assert (scaled.min(), scaled.max()) == (low, high)
    assert (np.diff(scaled.ravel()) > 0).all()


@pytest.mark.parametrize("rule", RULES)
def test_the_same_bytes_give_the_same_array(rule):
    wanted = Preprocess(height=11, width=17, resize=rule)
    data = image_bytes("box", 4, "JPEG")
    assert np.array_equal(prepare_image(data, wanted), prepare_image(bytes(data), wanted))


def test_unreadable_bytes_are_refused():
    with pytest.raises(DataError):
        prepare_image(b"nothing", Preprocess(height=8, width=8))


@pytest.mark.parametrize(("height", "width"), [(0, 8), (8, 0), (4097, 8), (8, -1)])
def test_a_size_out_of_range_is_refused_with_its_value(height, width):
    with pytest.raises(RecipeError) as caught:
        Preprocess(height=height, width=width)
    assert f"{width} x {height}" in caught.value.problem


def test_the_default_size_is_that_of_small_images_that_are_all_alike():
    assert default_preprocess({(20, 24)}, is_grey=False) == Preprocess(height=20, width=24)


@pytest.mark.parametrize("sizes", [set(), {(20, 24), (24, 20)}, {(65, 20)}])
def test_the_default_size_is_64_otherwise(sizes):
    assert default_preprocess(sizes, is_grey=False) == Preprocess(height=64, width=64)


def test_the_default_is_grey_for_grey_images():
    assert default_preprocess({(8, 8)}, is_grey=True).channels == 1


def test_scaling_does_not_change_the_key_of_the_pixels():
    keys = {
        pixel_key(Preprocess(height=8, width=8, scaling=scaling))
        for scaling in ("unit", "signed", "bytes")
    }
    assert len(keys) == 1


def test_everything_else_changes_the_key_of_the_pixels():
    keys = [
        pixel_key(preprocess)
        for preprocess in (
            Preprocess(height=8, width=8),
            Preprocess(height=9, width=8),
            Preprocess(height=8, width=9),
            Preprocess(height=8, width=8, channels=1),
            Preprocess(height=8, width=8, resize="crop"),
            Preprocess(height=8, width=8, channel_order="bgr"),
        )
    ]
    assert len(set(keys)) == len(keys)
