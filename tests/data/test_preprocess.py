"""Preprocess: sizes, channels, what each resize rule keeps, and ranges."""

from __future__ import annotations

import io

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
    unscale_pixels,
)
from darkroom.data.sources.folder import FolderSource
from darkroom.errors import DataError, RecipeError
from darkroom.records import from_json, to_json
from tests.making import draw_image, image_bytes, real_data

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
    assert default_preprocess({(20, 24)}, is_grey=False) == Preprocess(
        height=20, width=24, decode="scaled"
    )


@pytest.mark.parametrize("sizes", [set(), {(20, 24), (24, 20)}, {(65, 20)}])
def test_the_default_size_is_64_otherwise(sizes):
    expected = Preprocess(height=64, width=64, decode="scaled")
    assert default_preprocess(sizes, is_grey=False) == expected


def test_the_default_is_grey_for_grey_images():
    assert default_preprocess({(8, 8)}, is_grey=True).channels == 1


STANDARD = Preprocess(
    height=8, width=8, scaling="standard", mean=(120.5, 110.25, 99.0), std=(60.0, 55.5, 70.0)
)


def test_scaling_does_not_change_the_key_of_the_pixels():
    keys = {
        pixel_key(Preprocess(height=8, width=8, scaling=scaling))
        for scaling in ("unit", "signed", "bytes")
    }
    assert keys == {pixel_key(STANDARD)}


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
            Preprocess(height=8, width=8, decode="scaled"),
            Preprocess(height=8, width=8, background=(0, 0, 0)),
        )
    ]
    assert len(set(keys)) == len(keys)


def photograph(size: tuple[int, int], **options: object) -> bytes:
    """Draw a JPEG with soft detail at every scale, as photographs have it."""
    noise = Image.effect_noise((size[0] // 30, size[1] // 30), 120).resize(
        size, Image.Resampling.BICUBIC
    )
    image = Image.merge("RGB", [noise, noise.rotate(180), noise.transpose(0)])
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92, **options)
    return buffer.getvalue()


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


def decoded_at(data: bytes, decode: str, **settings: object) -> np.ndarray:
    return prepare_image(data, Preprocess(decode=decode, **settings))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("size", [(640, 480), (333, 517), (1201, 301)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_scaled_decode_is_close_to_a_full_one(rule, size, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = photograph(size, exif=exif)
    full = decoded_at(data, "full", height=60, width=72, resize=rule)
    scaled = decoded_at(data, "scaled", height=60, width=72, resize=rule)
    assert not np.array_equal(full, scaled)
    assert psnr(full, scaled) > 36


def test_control_half_a_pixel_aside_is_further_off_than_a_scaled_decode():
    data = photograph((333, 517))
    full = decoded_at(data, "full", height=60, width=72)
    aside = np.asarray(
        Image.open(io.BytesIO(data)).resize(
            (72, 60), Image.Resampling.BILINEAR, box=(2.3, 4.3, 333, 517)
        )
    )
    assert psnr(full, decoded_at(data, "scaled", height=60, width=72)) > psnr(full, aside)


@pytest.mark.parametrize("rule", RULES)
def test_an_image_smaller_than_asked_is_decoded_in_full(rule):
    data = photograph((60, 50))
    asked = {"height": 90, "width": 96, "resize": rule}
    assert np.array_equal(decoded_at(data, "full", **asked), decoded_at(data, "scaled", **asked))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_scaled_decode_changes_no_other_format(kind):
    data = image_bytes("ball", 3, kind)
    asked = {"height": 5, "width": 5}
    assert np.array_equal(decoded_at(data, "full", **asked), decoded_at(data, "scaled", **asked))


def test_real_photographs_are_close_when_decoded_scaled():
    source = FolderSource(real_data("dogscats"))
    names = [entry.name for entry in source.listing().entries if entry.name.endswith(".jpg")]
    for side in (64, 160):
        asked = {"height": side, "width": side}
        values = [
            psnr(decoded_at(data, "full", **asked) + 0.001, decoded_at(data, "scaled", **asked))
            for data in map(source.read, names[::30])
        ]
        assert np.median(values) > 42
        assert min(values) > 34


def test_the_background_of_the_record_lies_under_what_is_transparent():
    buffer = io.BytesIO()
    Image.new("RGBA", (8, 8), (9, 9, 9, 0)).save(buffer, "PNG")
    pixels = prepare_image(buffer.getvalue(), Preprocess(height=8, width=8, background=(1, 2, 3)))
    assert (pixels == (1, 2, 3)).all()


@pytest.mark.parametrize("colour", [(256, 0, 0), (0, -1, 0)])
def test_a_background_that_is_no_colour_is_refused(colour):
    with pytest.raises(RecipeError, match="background"):
        Preprocess(height=8, width=8, background=colour)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_of_every_kind_stays_as_it_is_for_one_channel(mode, kind):
    grey = draw_image("ball", 3).convert("L")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    else:
        image = grey.convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, kind)
    pixels = prepare_image(buffer.getvalue(), Preprocess(height=20, width=24, channels=1))
    expected = np.asarray(grey.convert("1").convert("L") if mode == "1" else grey)
    assert np.array_equal(pixels[..., 0], expected)


def test_standard_gives_each_channel_its_mean_and_deviation():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    scaled = scale_pixels(pixels, STANDARD)
    expected = (pixels - np.array(STANDARD.mean)) / STANDARD.std
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, expected, atol=1e-5)


@pytest.mark.parametrize(
    "preprocess",
    [
        *(Preprocess(height=8, width=8, scaling=name) for name in ("unit", "signed", "bytes")),
        STANDARD,
    ],
    ids=lambda preprocess: preprocess.scaling,
)
def test_unscaling_gives_back_every_level(preprocess):
    pixels = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1).reshape(4, 8, 8, 3)
    assert np.array_equal(unscale_pixels(scale_pixels(pixels, preprocess), preprocess), pixels)


def test_control_unscaling_with_another_record_gives_other_levels():
    pixels = np.full((8, 8, 3), 100, np.uint8)
    other = Preprocess(height=8, width=8, scaling="unit")
    assert not np.array_equal(unscale_pixels(scale_pixels(pixels, STANDARD), other), pixels)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scaling": "standard"},
        {"scaling": "standard", "mean": (1.0,), "std": (1.0,)},
        {"scaling": "standard", "mean": (1.0,) * 3, "std": (1.0, 0.0, 1.0)},
        {"scaling": "standard", "mean": (float("nan"),) * 3, "std": (1.0,) * 3},
        {"scaling": "unit", "mean": (1.0,) * 3, "std": (1.0,) * 3},
        {"scaling": "signed", "std": (1.0,) * 3},
    ],
)
def test_a_mean_and_a_deviation_belong_to_standard_and_to_nothing_else(wrong):
    with pytest.raises(RecipeError):
        Preprocess(height=8, width=8, **wrong)


def test_a_record_comes_back_from_its_text():
    assert from_json(to_json(STANDARD), Preprocess, where="here") == STANDARD


def test_a_record_of_the_first_version_means_what_it_meant():
    old = b'{"schema": 1, "height": 8, "width": 9, "channels": 3, "resize": "pad", '
    old += b'"channel_order": "rgb", "scaling": "unit"}'
    read = from_json(old, Preprocess, where="here")
    assert (read.decode, read.background, read.mean) == ("full", (255, 255, 255), ())
