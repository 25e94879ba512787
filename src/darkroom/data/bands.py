"""Images are converted a band of rows at a time, so that no large copies lie side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from jaxtyping import UInt8

_BAND_PIXELS = 1_000_000


def bands_of(shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Give the first row of each band, and the row after its last.

    Args:
        shape: Begins with the height and the width of the image.
    """
    rows = max(_BAND_PIXELS // shape[1], 1)
    for top in range(0, shape[0], rows):
        yield top, min(top + rows, shape[0])


def join_bands(
    shape: tuple[int, int, int], bands: Iterator[Image.Image]
) -> UInt8[np.ndarray, "height width channels"]:
    """Put converted bands under each other.

    Args:
        shape: Height, width and channels of the whole.
        bands: In their order; together they have that height.
    """
    pixels = np.empty(shape, np.uint8)
    top = 0
    for band in bands:
        part = np.asarray(band)
        pixels[top : top + band.height] = part[:, :, None] if part.ndim == 2 else part
        top += band.height
    return pixels
