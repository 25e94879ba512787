"""P4: the same bytes become the same array for training, evaluation and prediction."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import darkroom
from darkroom.bundles.predictor import Predictor
from darkroom.data.pixels import load_images
from darkroom.data.preprocess import Preprocess, prepare_image
from tests.making import draw_image

IMAGES = 200


def encoded(number: int) -> tuple[str, bytes]:
    """Draw one of 200 images in one of ten ways to store it."""
    image = draw_image(("ball", "box")[number % 2], number, (40 + number % 7, 31 + number % 5))
    turned = Image.Exif()
    turned[0x0112] = 1 + number % 8
    ways = [
        ("jpg", "JPEG", image, {"quality": 90}),
        ("jpg", "JPEG", image, {"exif": turned}),
        ("jpg", "JPEG", image.convert("CMYK"), {}),
        ("jpg", "JPEG", image.convert("L"), {}),
        ("png", "PNG", image.convert("L"), {}),
        ("png", "PNG", image.quantize(16), {}),
        ("png", "PNG", with_alpha(image), {}),
        ("png", "PNG", Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257), {}),
        ("png", "PNG", image.convert("1"), {}),
        ("gif", "GIF", image, {"save_all": True, "append_images": [image.rotate(90)]}),
    ]
    ending, kind, picture, options = ways[number % len(ways)]
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


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("resize", ["squash", "crop", "pad"])
def test_no_byte_differs_between_cache_and_file_over_200_images(mixed, channels, resize):
    preprocess = Preprocess(height=24, width=28, channels=channels, resize=resize)
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
