"""The one way from the bytes of an image file to pixels.

Bytes come in; a uint8 array of one (grey) or three (RGB) channels goes out, upright, alpha laid
over white. Formats are allow-listed and the size is read from the header before decoding.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import simplejpeg
from PIL import Image, ImageOps

from darkroom.errors import DataError

if TYPE_CHECKING:
    from jaxtyping import UInt8

DECODER = 1  # raise it when the same bytes become other pixels: cached pixels are then made anew
MAX_PIXELS = 25_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
ENDINGS = (".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")

_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
)
_ORIENTATION = 0x0112  # EXIF tag; 1 is upright
_EXIF_WITHIN = 65_536  # bytes; an APP1 segment cannot start later in files cameras write


def image_format(data: bytes) -> str | None:
    """Tell the format of a file from its first bytes, or None when it is not one we read."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return next((name for magic, name in _MAGIC if data.startswith(magic)), None)


def decode_image(data: bytes) -> UInt8[np.ndarray, "height width channels"]:
    """Decode the bytes of an image file.

    Args:
        data: A JPEG, PNG, WebP, GIF (first frame), BMP or TIFF file.

    Returns:
        Upright pixels; one channel when the file is grey, else RGB. 16-bit grey is scaled by
        value, so that 65,535 becomes 255.

    Raises:
        DataError: The bytes are no such image, are cut short, or hold over 25 megapixels.
    """
    kind = image_format(data)
    if kind is None:
        what = "is empty (0 bytes)" if not data else "is not an image of a known format"
        raise DataError(what, hint=f"use one of {', '.join(FORMATS)}")
    try:
        pixels = _decode_jpeg(data) if kind == "JPEG" else None
        return _decode_with_pillow(data, kind) if pixels is None else pixels
    except DataError:
        raise
    except MemoryError as large:
        raise DataError("does not fit in memory", hint="make it smaller") from large
    except Exception as broken:
        reason = str(broken).strip().splitlines()[0] if str(broken).strip() else "damaged"
        raise DataError(f"cannot be decoded: {reason}", hint="replace or remove it") from broken


def _decode_jpeg(data: bytes) -> UInt8[np.ndarray, "height width channels"] | None:
    """Decode an ordinary JPEG fast; None when Pillow has to (CMYK, or turned by EXIF)."""
    height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
    _refuse_large(height, width)
    if colorspace not in ("YCbCr", "RGB", "Gray"):
        return None
    if b"Exif\x00\x00" in data[:_EXIF_WITHIN] and _is_turned(data):
        return None
    wanted = "GRAY" if colorspace == "Gray" else "RGB"
    return np.asarray(simplejpeg.decode_jpeg(data, colorspace=wanted))


def _is_turned(data: bytes) -> bool:
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        return bool(image.getexif().get(_ORIENTATION, 1) != 1)


def _decode_with_pillow(data: bytes, kind: str) -> UInt8[np.ndarray, "height width channels"]:
    with Image.open(io.BytesIO(data), formats=(kind,)) as image:
        _refuse_large(image.height, image.width)
        image.load()
        upright: Image.Image = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        return _sixteen_bit(np.asarray(upright))[:, :, None]
    if upright.mode == "F":
        raise DataError("has floating-point pixels", hint="save it as 8-bit or 16-bit grey")
    grey = upright.mode in ("1", "L", "LA", "La")
    if upright.has_transparency_data:
        over = upright.convert("RGBA")
        white = Image.new("RGBA", over.size, (255, 255, 255, 255))
        upright = Image.alpha_composite(white, over).convert("L" if grey else "RGB")
    pixels = np.asarray(upright.convert("L" if grey else "RGB"))
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _sixteen_bit(values: np.ndarray) -> UInt8[np.ndarray, "height width"]:
    if values.min() < 0 or values.max() > 65_535:
        raise DataError("has grey values outside 0..65,535", hint="save it as 16-bit grey")
    return ((values.astype(np.uint32) * 255 + 32_767) // 65_535).astype(np.uint8)


def _refuse_large(height: int, width: int) -> None:
    if height * width > MAX_PIXELS:
        raise DataError(
            f"has {height * width:,} pixels ({width} x {height}), above the cap of {MAX_PIXELS:,}",
            hint="make it smaller",
        )
