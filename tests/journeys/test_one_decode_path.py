"""P4: the same bytes become the same array for training, evaluation and prediction."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

import darkroom
from darkroom.bundles.predictor import Predictor
from darkroom.data.pixels import load_images
from darkroom.data.preprocess import Preprocess, prepare_image
from tests.data.profiles import grey_profile, ink_profile, swapped_profile
from tests.making import draw_image

IMAGES = 200
RECORDS = [
    Preprocess(height=24, width=28, channels=channels, resize=resize, decode=decode)
    for channels in (1, 3)
    for resize in ("squash", "crop", "pad")
    for decode in ("full", "scaled")
]
RECORDS.append(Preprocess(height=24, width=28, background=(20, 90, 160), channel_order="bgr"))


def ways(number: int) -> list[tuple[str, str, Image.Image, dict[str, object]]]:
    """Draw one image and give every way to store it."""
    image = draw_image(("ball", "box")[number % 2], number, (90 + number % 37, 71 + number % 29))
    turned = Image.Exif()
    turned[0x0112] = 1 + number // 23 % 8
    grey = image.convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    frames = {"save_all": True, "append_images": [image.rotate(90)]}
    return [
        ("jpg", "JPEG", image, {"quality": 90}),
        ("jpg", "JPEG", image, {"exif": turned}),
        ("jpg", "JPEG", image, {"progressive": True}),
        ("jpg", "JPEG", image, {"icc_profile": swapped_profile()}),
        ("jpg", "JPEG", image.convert("CMYK"), {"exif": turned}),
        ("jpg", "JPEG", image.convert("CMYK"), {"icc_profile": ink_profile()}),
        ("jpg", "JPEG", grey, {"exif": turned}),
        ("png", "PNG", grey, {"icc_profile": grey_profile()}),
        ("png", "PNG", with_alpha(image).convert("LA"), {}),
        ("png", "PNG", image.quantize(16), {}),
        ("png", "PNG", image.quantize(16), {"transparency": 3}),
        ("png", "PNG", with_alpha(image), {"exif": turned}),
        ("png", "PNG", deep, {}),
        ("png", "PNG", image.convert("1"), {}),
        ("png", "PNG", image, frames),
        ("gif", "GIF", image, frames),
        ("webp", "WEBP", with_alpha(image), {"exif": turned}),
        ("webp", "WEBP", image, frames),
        ("bmp", "BMP", image, {}),
        ("tif", "TIFF", deep, {"compression": "tiff_lzw"}),
        ("tif", "TIFF", image.convert("CMYK"), {}),
        ("tif", "TIFF", image, {"exif": turned, "compression": "tiff_adobe_deflate"}),
        ("tif", "TIFF", image.convert("1"), {"compression": "group4"}),
    ]


def encoded(number: int) -> tuple[str, bytes]:
    """Draw one of 200 images and store it in one of the ways."""
    every = ways(number)
    ending, kind, picture, options = every[number % len(every)]
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return ending, buffer.getvalue()


def with_alpha(image: Image.Image) -> Image.Image:
    clear = image.convert("RGBA")
    clear.putalpha(image.convert("L"))
    return clear


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    root = tmp_path_factory.mktemp("modes")
    for number in range(IMAGES):
        ending, data = encoded(number)
        path = root / "photos" / ("ball", "box")[number % 2] / f"{number:03d}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    workspace = darkroom.Workspace(root / "workspace")
    return darkroom.split_dataset(darkroom.open_dataset(root / "photos", workspace=workspace))


def named(preprocess: Preprocess) -> str:
    return f"{preprocess.channels}-{preprocess.resize}-{preprocess.decode}"


@pytest.mark.parametrize("preprocess", RECORDS, ids=named)
def test_no_byte_differs_between_cache_and_file_over_200_images(mixed, preprocess):
    differing, naive, seen = 0, 0, 0
    for part in ("train", "valid", "test"):
        cached = load_images(mixed, part, preprocess).take(slice(None))
        for row, data in enumerate(mixed.read(mixed.part(part))):
            seen += 1
            differing += not np.array_equal(cached[row], prepare_image(data, preprocess))
            naive += not np.array_equal(cached[row], as_others_do(data, preprocess))
    assert (seen, differing) == (IMAGES, 0)
    # The control: Pillow's own conversions, which peers use, differ on many.
    assert naive > IMAGES // 4


def test_no_byte_differs_for_what_was_prepared_when_the_dataset_was_opened(mixed):
    preprocess = mixed.default_preprocess()
    assert preprocess.decode == "scaled"
    for part in ("train", "valid", "test"):
        cached = load_images(mixed, part, preprocess).take(slice(None))
        for row, data in enumerate(mixed.read(mixed.part(part))):
            assert np.array_equal(cached[row], prepare_image(data, preprocess))


def test_no_byte_differs_when_many_threads_prepare_at_once(mixed):
    preprocess = RECORDS[-2]
    data = list(mixed.read(mixed.part("train")))
    alone = [prepare_image(one, preprocess) for one in data]
    with ThreadPoolExecutor(8) as pool:
        at_once = list(pool.map(lambda one: prepare_image(one, preprocess), data * 3))
    assert all(map(np.array_equal, at_once, alone * 3))


def test_control_a_full_decode_is_not_a_scaled_one(mixed):
    data = list(mixed.read(mixed.part("train")))
    full, scaled = (
        [prepare_image(one, Preprocess(height=24, width=28, decode=decode)) for one in data]
        for decode in ("full", "scaled")
    )
    assert not all(map(np.array_equal, full, scaled))


def as_others_do(data: bytes, preprocess: Preprocess) -> np.ndarray:
    image = Image.open(io.BytesIO(data)).convert("RGB" if preprocess.channels == 3 else "L")
    small = np.asarray(image.resize((preprocess.width, preprocess.height)))
    return small.reshape(preprocess.height, preprocess.width, preprocess.channels)


def test_a_predictor_prepares_an_image_as_training_did(mixed, bundle):
    preprocess = bundle.record.preprocess
    predictor = Predictor(bundle.path, bundle.record)
    cached = load_images(mixed, "test", preprocess).take(slice(None))
    answers = predictor.predict_pixels(cached)
    from_files = predictor.predict(mixed.read(mixed.part("test")))
    assert [one.labels for one in answers] == [one.labels for one in from_files]
    for one, other in zip(answers, from_files, strict=True):
        assert one.probability == pytest.approx(other.probability, abs=1e-5)
