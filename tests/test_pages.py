"""What pages are made of: pictures that need no file. Templates are tested with their pages."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from darkroom.data.thumbnails import thumbnail
from darkroom.pages import image_uri


def shown_by(uri: str) -> Image.Image:
    head, _, content = uri.partition(";base64,")
    image = Image.open(io.BytesIO(base64.b64decode(content)))
    assert head == f"data:image/{image.format.lower()}"
    return image


def noise(height: int, width: int, channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def test_without_a_quality_an_image_is_kept_to_the_pixel():
    pixels = noise(9, 7, 3)
    image = Image.fromarray(pixels)
    assert np.array_equal(np.asarray(shown_by(image_uri(image))), pixels)
    lossy = shown_by(image_uri(image, quality=85))  # control
    assert not np.array_equal(np.asarray(lossy), pixels)


def test_a_small_image_is_not_made_smaller_and_a_large_one_is():
    small = noise(64, 20, 1)
    assert np.array_equal(np.asarray(shown_by(thumbnail(small))), small[:, :, 0])
    large = noise(65, 300, 3)
    assert shown_by(thumbnail(large)).size == (112, 24)
    assert shown_by(thumbnail(large, longest_px=160)).size == (160, 35)
