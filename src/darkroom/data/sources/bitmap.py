"""Pixels that never were a file, as a file: BMP, without loss and the same bytes every time."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from jaxtyping import UInt8

_HEADERS_BYTES = 54
_GREYS_BYTES = 4 * 256  # the palette of a grey file


def encode_bitmap(pixels: UInt8[np.ndarray, "height width *channels"]) -> bytes:
    """Write pixels as a BMP file.

    Args:
        pixels: Grey, also with one channel, or RGB; 0..255.
    """
    flat = pixels[:, :, 0] if pixels.shape[2:] == (1,) else pixels
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(flat)).save(buffer, "BMP")
    return buffer.getvalue()


def bitmap_bytes(height: int, width: int, channels: int) -> int:
    """Say how large the file of `encode_bitmap` is.

    Args:
        height: Pixels.
        width: Pixels.
        channels: 1 or 3.

    Source: the BMP format; a row is filled up to a multiple of 4 bytes.
    """
    row = (width * channels + 3) // 4 * 4
    return _HEADERS_BYTES + (_GREYS_BYTES if channels == 1 else 0) + row * height
