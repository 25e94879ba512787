"""From the bytes of an image file to pixels: every mode, and nothing but DataError otherwise."""

from __future__ import annotations

import contextlib
import io
import struct
import time
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from darkroom.data.decode import FORMATS, decode_image, image_facts, image_format
from darkroom.data.headers import MAX_PIXELS
from darkroom.data.sources.folder import FolderSource
from darkroom.errors import DataError
from tests.data.profiles import grey_profile, ink_profile, srgb_profile, swapped_profile
from tests.making import draw_image, image_bytes, real_data

LOSSLESS = ("PNG", "BMP", "TIFF")
KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def drawn() -> np.ndarray:
    return np.asarray(draw_image("ball", 3))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_claiming(width: int, height: int) -> bytes:
    """Write a PNG of 100 bytes that claims any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def jpeg_claiming(width: int, height: int) -> bytes:
    """Change the size in a JPEG's header."""
    data = bytearray(image_bytes(kind="JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_colour_comes_back_to_the_byte(kind):
    assert np.array_equal(decode_image(image_bytes("ball", 3, kind)), drawn())


def test_lossless_webp_comes_back_to_the_byte():
    assert np.array_equal(decode_image(image_bytes("ball", 3, "WEBP", lossless=True)), drawn())


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_colour_comes_back_close(kind):
    pixels = decode_image(image_bytes("ball", 3, kind, quality=95)).astype(int)
    assert np.abs(pixels - drawn()).mean() < 8


@pytest.mark.parametrize("kind", LOSSLESS)
def test_grey_has_one_channel(kind):
    grey = draw_image("box", 1).convert("L")
    pixels = decode_image(encoded(grey, kind))
    assert np.array_equal(pixels, np.asarray(grey)[:, :, None])


def test_a_grey_jpeg_has_one_channel():
    pixels = decode_image(encoded(Image.new("L", (9, 5), 77), "JPEG"))
    assert pixels.shape == (5, 9, 1)
    assert (pixels == 77).all()


def test_a_palette_gives_its_colours():
    image = draw_image("ball", 3).convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
    assert np.array_equal(decode_image(encoded(image)), np.asarray(image.convert("RGB")))


def test_a_transparent_palette_entry_is_white():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    pixels = decode_image(encoded(image, transparency=0))
    assert pixels.tolist() == [[[255, 255, 255], [0, 0, 255]]]


def test_alpha_is_laid_over_white():
    image = Image.new("RGBA", (3, 1))
    image.putdata([(200, 100, 0, 255), (200, 100, 0, 0), (0, 0, 0, 128)])
    assert decode_image(encoded(image)).tolist() == [
        [[200, 100, 0], [255, 255, 255], [127, 127, 127]]
    ]


def test_grey_with_alpha_stays_grey():
    image = Image.new("LA", (3, 1))
    image.putdata([(200, 255), (200, 0), (0, 128)])
    assert decode_image(encoded(image)).tolist() == [[[200], [255], [127]]]


def test_a_transparent_grey_level_is_white():
    image = Image.new("L", (2, 1), 100)
    image.putpixel((1, 0), 30)
    assert decode_image(encoded(image, transparency=100)).tolist() == [[[255], [30]]]


def test_a_transparent_colour_is_white():
    image = Image.new("RGB", (2, 1), (9, 8, 7))
    image.putpixel((1, 0), (1, 2, 3))
    pixels = decode_image(encoded(image, transparency=(9, 8, 7)))
    assert pixels.tolist() == [[[255, 255, 255], [1, 2, 3]]]


def test_a_cmyk_jpeg_keeps_its_colour():
    image = Image.new("RGB", (16, 16), (200, 60, 30)).convert("CMYK")
    pixels = decode_image(encoded(image, "JPEG", quality=95))
    assert pixels.shape == (16, 16, 3)
    assert np.abs(pixels.astype(int) - (200, 60, 30)).max() <= 6


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_by_value(kind):
    values = np.array([[0, 128, 257, 32_768, 65_535]], np.uint16)
    pixels = decode_image(encoded(Image.fromarray(values), kind))
    assert pixels[..., 0].tolist() == [[0, 0, 1, 128, 255]]


@given(st.integers(0, 65_535))
def test_sixteen_bit_grey_is_within_half_a_level_of_its_value(value):
    pixels = decode_image(encoded(Image.fromarray(np.full((1, 1), value, np.uint16))))
    assert abs(int(pixels[0, 0, 0]) - value * 255 / 65_535) <= 0.5


def test_control_crushing_sixteen_bits_is_not_scaling_them():
    values = np.array([[0, 128, 257, 32_768, 65_535]], np.uint16)
    crushed = np.clip(values, 0, 255).astype(np.uint8)
    assert crushed.tolist() != [[0, 0, 1, 128, 255]]


def test_grey_beyond_sixteen_bits_is_refused():
    with pytest.raises(DataError, match="65,535"):
        decode_image(encoded(Image.fromarray(np.array([[70_000]], np.int32)), "TIFF"))


def test_floating_point_grey_is_refused_rather_than_crushed():
    with pytest.raises(DataError, match="floating") as caught:
        decode_image(encoded(Image.fromarray(np.array([[0.5]], np.float32)), "TIFF"))
    assert "8-bit" in caught.value.hint


def test_one_bit_is_black_and_white():
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert decode_image(encoded(image)).tolist() == [[[0], [255]]]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_an_image_turned_by_exif_comes_out_upright(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4) * 20).convert("RGB")
    upright = upright.resize((32, 24), Image.Resampling.NEAREST)
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(turns[orientation]) if orientation in turns else upright
    options = {"quality": 100} if kind in ("JPEG", "WEBP") else {}
    pixels = decode_image(encoded(stored, kind, exif=exif, **options))
    assert pixels.shape == (24, 32, 3)
    assert np.abs(pixels.astype(int) - np.asarray(upright)).mean() < 4


def test_control_an_image_that_is_not_turned_upright_is_far_off():
    upright = np.asarray(draw_image("ball", 3))
    upside_down = np.asarray(ImageOps.flip(draw_image("ball", 3)))
    assert np.abs(upright.astype(int) - upside_down).mean() > 4


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_counts(kind):
    frames = [Image.new("RGB", (4, 4), (250, 0, 0)), Image.new("RGB", (4, 4), (0, 0, 250))]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert (decode_image(data) == (250, 0, 0)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_format_is_told_from_the_first_bytes(kind):
    assert image_format(image_bytes(kind=kind)) == kind
    assert kind in FORMATS


def test_an_empty_file_is_called_empty():
    with pytest.raises(DataError, match="0 bytes"):
        decode_image(b"")


@pytest.mark.parametrize("data", [b"hello", b"%PDF-1.7", b"<svg/>", b"RIFF0000WAVE"])
def test_what_is_no_image_is_refused_with_the_formats(data):
    with pytest.raises(DataError) as caught:
        decode_image(data)
    assert all(name in caught.value.hint for name in FORMATS)


def test_a_format_off_the_list_is_refused():
    with pytest.raises(DataError, match="known format"):
        decode_image(encoded(draw_image("ball", 0), "PPM"))


@pytest.mark.parametrize("claiming", [png_claiming, jpeg_claiming])
@pytest.mark.parametrize("side", [30_000, 6_000])
def test_the_size_cap_is_read_from_the_header(claiming, side):
    started = time.perf_counter()
    with pytest.raises(DataError) as caught:
        decode_image(claiming(side, side))
    assert str(side * side) in caught.value.problem.replace(",", "")
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize("claiming", [png_claiming, jpeg_claiming])
def test_control_below_the_cap_the_same_file_fails_for_another_reason(claiming):
    with pytest.raises(DataError) as caught:
        decode_image(claiming(4_000, 4_000))
    assert "cap" not in caught.value.problem


def test_an_image_as_large_as_the_cap_is_read():
    side = int(MAX_PIXELS**0.5)
    assert decode_image(encoded(Image.new("1", (side, side)))).shape == (side, side, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_cut_in_half_is_refused(kind):
    data = image_bytes(kind=kind)
    with pytest.raises(DataError):
        decode_image(data[: len(data) // 2])


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_image_is_refused_unless_every_pixel_is_there(kind):
    data = image_bytes(kind=kind)
    whole = decode_image(data)
    for length in range(len(data)):
        try:
            pixels = decode_image(data[:length])
        except DataError:
            continue
        assert np.array_equal(pixels, whole)
        assert length > len(data) - 24  # only the mark of the end may be missing


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(KINDS), st.binary(max_size=300))
def test_random_bytes_raise_nothing_but_a_data_error(kind, noise):
    start = image_bytes(kind=kind)[:16]
    for data in (noise, start + noise):
        with pytest.raises(DataError):
            decode_image(data)


@settings(deadline=None, max_examples=150)
@given(st.data(), st.sampled_from(KINDS))
def test_a_damaged_image_is_decoded_or_refused_with_a_data_error(data, kind):
    damaged = bytearray(image_bytes(kind=kind))
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DataError):
        pixels = decode_image(bytes(damaged))
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[2] in (1, 3)


@pytest.mark.parametrize("folder", ["dogscats", "sign-digits"])
def test_real_photographs_decode_as_pillow_reads_them(folder):
    source = FolderSource(real_data(folder))
    photographs = [entry for entry in source.listing().entries if entry.name.endswith(".jpg")]
    for entry in photographs[:: max(len(photographs) // 15, 1)]:
        data = source.read(entry.name)
        with Image.open(io.BytesIO(data)) as image:
            expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB")).astype(int)
        pixels = decode_image(data)
        assert pixels.shape[:2] == expected.shape[:2]
        assert np.abs(pixels - expected).mean() < 2  # another libjpeg may round otherwise


def as_float(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(float)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_colours_of_a_profile_become_srgb(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    options |= {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    image = Image.new("RGB", (16, 16), (200, 40, 20))
    pixels = decode_image(encoded(image, kind, icc_profile=swapped_profile(), **options))
    assert np.abs(as_float(pixels) - (40, 200, 20)).max() <= 3


def test_control_without_its_profile_the_same_image_is_red():
    image = Image.new("RGB", (16, 16), (200, 40, 20))
    assert (decode_image(encoded(image)) == (200, 40, 20)).all()


def test_an_srgb_profile_changes_no_pixel():
    data = encoded(draw_image("ball", 3), icc_profile=srgb_profile())
    assert np.array_equal(decode_image(data), drawn())


@pytest.mark.parametrize("mode", ["L", "1", "I;16", "LA"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_grey_profile_gives_one_channel_of_srgb_levels(mode, kind):
    half = {"L": 128, "1": 255, "I;16": 128 * 257, "LA": (128, 255)}[mode]
    data = encoded(Image.new(mode, (5, 5), half), kind, icc_profile=grey_profile())
    expected = 255 if mode == "1" else 188  # half of the light, in sRGB
    assert decode_image(data).tolist() == [[[expected]] * 5] * 5


def test_a_grey_jpeg_follows_its_profile():
    data = encoded(Image.new("L", (8, 8), 128), "JPEG", icc_profile=grey_profile())
    assert (decode_image(data) == 188).all()


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_inks_become_what_their_profile_says(kind):
    inks = Image.new("CMYK", (8, 8), (0, 255, 0, 0))
    with_profile = decode_image(encoded(inks, kind, icc_profile=ink_profile()))
    assert np.abs(as_float(with_profile) - 189).max() <= 1  # lightness 195 of 255, no colour
    assert np.abs(as_float(decode_image(encoded(inks, kind))) - (255, 0, 255)).max() <= 2


def test_a_profile_applies_before_alpha_is_laid_over_the_background():
    image = Image.new("RGBA", (2, 1), (200, 40, 20, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    data = encoded(image, icc_profile=swapped_profile())
    assert decode_image(data, background=(200, 1, 2)).tolist() == [[[40, 200, 20], [200, 1, 2]]]


@pytest.mark.parametrize("profile", [b"", b"noise" * 99, grey_profile(), ink_profile()])
def test_a_profile_that_does_not_fit_is_ignored(profile):
    data = encoded(draw_image("ball", 3), icc_profile=profile)
    assert np.array_equal(decode_image(data), drawn())


def test_what_is_transparent_shows_the_background():
    image = Image.new("RGBA", (2, 1), (200, 100, 0, 0))
    image.putpixel((1, 0), (200, 100, 0, 128))
    assert decode_image(encoded(image), background=(0, 0, 100)).tolist() == [
        [[0, 0, 100], [100, 50, 50]]
    ]


def test_a_coloured_background_lies_under_grey_as_its_luma():
    image = Image.new("LA", (1, 1), (9, 0))
    assert decode_image(encoded(image), background=(0, 255, 0)).tolist() == [[[150]]]


@pytest.mark.parametrize("least", [(10, 10), (48, 40), (33, 90), (100, 100), (500, 500)])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_scaled_jpeg_is_as_large_as_asked_and_no_larger_than_stored(least, mode):
    size = (203, 155)
    data = encoded(Image.effect_noise(size, 60).convert(mode), "JPEG")
    tall, wide, channels = decode_image(data, least=least).shape
    assert channels == (1 if mode == "L" else 3)
    assert min(least[0], 155) <= tall <= 155
    assert min(least[1], 203) <= wide <= 203
    if max(least) <= 48:
        assert tall < 155 / 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "CMYK", "L"])
def test_a_scaled_jpeg_is_turned_upright_as_the_whole_is(orientation, mode):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = draw_image("ball", 3, (160, 96)).convert(mode)
    data = encoded(image, "JPEG", quality=95, exif=exif)
    whole = decode_image(data)
    half = decode_image(data, least=(whole.shape[0] // 2, whole.shape[1] // 2))
    assert half.shape[:2] == (whole.shape[0] // 2, whole.shape[1] // 2)
    mean = whole.reshape(half.shape[0], 2, half.shape[1], 2, -1).mean(axis=(1, 3))
    assert np.abs(mean - half).mean() < 3


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_other_formats_are_never_scaled(kind):
    data = image_bytes(kind=kind)
    assert np.array_equal(decode_image(data, least=(2, 2)), decode_image(data))


def test_a_jpeg_of_unusual_sampling_is_read():
    data = bytearray(image_bytes(kind="JPEG", quality=95, subsampling=0))
    at = data.index(b"\xff\xc0") + 11
    data[at] = 0x31  # one row of three blocks for each of the others
    assert decode_image(bytes(data), least=(4, 4)).shape == (20, 24, 3)


def test_of_an_animated_png_the_still_image_counts():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], save_all=True, append_images=frames[1:], default_image=True)
    assert (decode_image(data) == (255, 0, 0)).all()


@pytest.mark.parametrize("packing", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_a_tiff_is_read_however_it_is_packed(packing, mode):
    image = draw_image("ball", 3)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    pixels = decode_image(encoded(image.convert(mode), "TIFF", compression=packing))
    grey = mode in ("1", "L", "I;16")
    assert pixels.shape == (20, 24, 1 if grey else 3)
    if mode in ("RGB", "RGBA"):
        assert np.array_equal(pixels, drawn())


@pytest.mark.parametrize("kind", KINDS)
def test_the_facts_are_those_of_the_decoded_image(kind):
    for image in (draw_image("ball", 3), draw_image("ball", 3).convert("L")):
        data = encoded(image, kind)
        facts, pixels = image_facts(data), decode_image(data)
        assert (facts.height, facts.width, facts.channels) == pixels.shape
        assert facts.format == kind


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_the_facts_tell_the_channels_of_every_mode(mode):
    data = encoded(Image.new(mode, (3, 4)))
    assert image_facts(data).channels == decode_image(data).shape[2]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_facts_are_upright_and_name_camera_and_time(kind, orientation):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0110] = orientation, "Lumen ", "Lumen\x01  X2"
    exif[0x0132] = "2020:01:01 00:00:00"
    if kind != "TIFF":
        exif.get_ifd(0x8769)[0x9003] = "2019:07:14 12:30:59"
    data = encoded(draw_image("ball", 3), kind, exif=exif)
    facts = image_facts(data)
    assert (facts.height, facts.width) == decode_image(data).shape[:2]
    assert facts.camera == "Lumen X2"
    expected = "2020-01-01T00:00:00" if kind == "TIFF" else "2019-07-14T12:30:59"
    assert facts.taken.isoformat() == expected


@pytest.mark.parametrize("text", ["0000:00:00 00:00:00", "yesterday", "", "2019:13:40 25:00:00"])
def test_a_date_that_makes_no_sense_is_none(text):
    exif = Image.Exif()
    exif[0x0132] = text
    assert image_facts(encoded(draw_image("ball", 3), "JPEG", exif=exif)).taken is None


def test_an_image_without_exif_has_neither_camera_nor_time():
    facts = image_facts(image_bytes(kind="JPEG"))
    assert (facts.camera, facts.taken) == (None, None)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200), st.sampled_from((b"II*\0", b"MM\0*", b"")))
def test_no_exif_block_can_spoil_an_image(noise, start):
    data = image_bytes(kind="JPEG")
    block = b"Exif\0\0" + start + noise
    segment = b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
    spoiled = data[:2] + segment + data[2:]
    assert sorted(decode_image(spoiled).shape) == [3, 20, 24]
    image_facts(spoiled)


@pytest.mark.parametrize("claiming", [png_claiming, jpeg_claiming])
def test_the_facts_of_an_image_above_the_cap_are_refused(claiming):
    with pytest.raises(DataError, match="cap"):
        image_facts(claiming(6_000, 6_000))


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7"])
def test_what_is_no_image_has_no_facts(data):
    with pytest.raises(DataError):
        image_facts(data)


def test_a_size_between_the_caps_of_us_and_of_pillow_gives_no_warning():
    with pytest.raises(DataError, match="cap"):
        decode_image(png_claiming(11_000, 11_000))
