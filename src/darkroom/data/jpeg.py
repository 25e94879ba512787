"""JPEG, the format of nearly all photographs: decoded fast, and smaller where that is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import simplejpeg
from PIL import Image

from darkroom.data.bands import bands_of, join_bands
from darkroom.data.colour import is_plain, to_srgb
from darkroom.data.exif import is_sideways, read_exif, turn_box, turn_upright
from darkroom.data.headers import Header

if TYPE_CHECKING:
    from jaxtyping import UInt8

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels

# Eighths at which a JPEG decodes; at 7/8 libjpeg takes longer than for the whole.
_EIGHTHS = (1, 2, 3, 4, 5, 6, 8)


class Decoded(msgspec.Struct, frozen=True, kw_only=True):
    """Pixels, and where in them the image lies: a scaled JPEG may end within its last pixel."""

    pixels: UInt8[np.ndarray, "height width channels"]
    box: Box


def decode_jpeg(data: bytes, header: Header, least: tuple[int, int] | None) -> Decoded | None:
    """Decode a JPEG to upright grey or sRGB pixels.

    Args:
        data: The file.
        header: What `read_header` read in it.
        least: Height and width in pixels, upright, that are enough; None: all there are.

    Returns:
        None when its colours are stored at a size that simplejpeg does not know.
    """
    orientation = read_exif(header.exif).orientation if header.exif else 1
    if least and is_sideways(orientation):
        least = (least[1], least[0])
    eighths = _scale(header, least) if least else 8
    try:
        stored = np.asarray(
            simplejpeg.decode_jpeg(
                data,
                colorspace={1: "GRAY", 3: "RGB"}.get(header.channels or 0, "CMYK"),
                min_height=_scaled(header.height, eighths),
                min_width=_scaled(header.width, eighths),
            )
        )
    except ValueError as refused:
        if "subsampling" in str(refused):
            return None
        raise
    if header.channels == 4 or not is_plain(header.profile, "RGB" if stored.shape[2] == 3 else "L"):
        stored = _in_srgb(stored, header.profile)
    box = whole_box(stored)
    if eighths < 8:
        box = (0.0, 0.0, header.width * eighths / 8, header.height * eighths / 8)
    if orientation != 1:
        box = turn_box(box, stored.shape[1], stored.shape[0], orientation)
        stored = turn_upright(stored, orientation)
    return Decoded(pixels=stored, box=box)


def whole_box(pixels: UInt8[np.ndarray, "height width channels"]) -> Box:
    """Give the box of an image that fills its pixels."""
    return (0.0, 0.0, float(pixels.shape[1]), float(pixels.shape[0]))


def _scale(header: Header, least: tuple[int, int]) -> int:
    """Choose the fewest eighths that leave both sides large enough; 8 when none does."""
    for eighths in _EIGHTHS:
        tall, wide = _scaled(header.height, eighths), _scaled(header.width, eighths)
        if tall >= least[0] and wide >= least[1]:
            return eighths
    return 8


def _scaled(side: int, eighths: int) -> int:
    return -(-side * eighths // 8)


def _in_srgb(
    stored: UInt8[np.ndarray, "height width stored"], profile: bytes
) -> UInt8[np.ndarray, "height width channels"]:
    shape = (stored.shape[0], stored.shape[1], 1 if stored.shape[2] == 1 else 3)
    bands = (stored[top:bottom] for top, bottom in bands_of(shape))
    return join_bands(shape, (to_srgb(_as_image(band), profile) for band in bands))


def _as_image(stored: UInt8[np.ndarray, "height width stored"]) -> Image.Image:
    if stored.shape[2] == 4:  # Adobe's programs store CMYK inverted, and nobody else stores it
        return Image.frombytes("CMYK", (stored.shape[1], stored.shape[0]), (255 - stored).tobytes())
    return Image.fromarray(stored[:, :, 0] if stored.shape[2] == 1 else stored)
