"""The one way from the bytes of an image file to pixels.

Bytes come in; a uint8 array of one (grey) or three (sRGB) channels goes out, upright, alpha laid
over a colour. Formats are allow-listed and sizes are read from the header before decoding.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from PIL import Image, UnidentifiedImageError

from darkroom.data.bands import bands_of, join_bands
from darkroom.data.colour import to_srgb
from darkroom.data.exif import is_sideways, read_exif, turn_upright
from darkroom.data.headers import Header, damaged, read_header, refuse_size
from darkroom.data.jpeg import Decoded, decode_jpeg, whole_box
from darkroom.errors import DataError

if TYPE_CHECKING:
    from jaxtyping import UInt8

DECODER = 2  # raise it when the same bytes become other pixels: cached pixels are then made anew
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
ENDINGS = (".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
WHITE = (255, 255, 255)

_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
)
_GREY = ("1", "L", "LA", "La")


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says of its image, without decoding it."""

    format: str
    height: int  # pixels, upright, in full
    width: int  # pixels, upright, in full
    channels: int  # 1 or 3, as `decode_image` gives
    taken: datetime | None = None  # local time of the camera, without a zone
    camera: str | None = None  # its maker and model


def image_format(data: bytes) -> str | None:
    """Tell the format of a file from its first bytes, or None when it is not one we read."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return next((name for magic, name in _MAGIC if data.startswith(magic)), None)


def decode_image(
    data: bytes,
    *,
    least: tuple[int, int] | None = None,
    background: tuple[int, int, int] = WHITE,
) -> UInt8[np.ndarray, "height width channels"]:
    """Decode the bytes of an image file.

    Args:
        data: A JPEG, PNG, WebP, GIF (first frame), BMP or TIFF file.
        least: Height and width in pixels that are enough: a JPEG may come out smaller, at an
            eighth or more of its size, with both sides still at least as large.
        background: The sRGB colour, 0..255, that lies under what is transparent.

    Returns:
        Upright pixels; one channel when the file is grey, else sRGB. 16-bit grey is scaled by
        value, so that 65,535 becomes 255.

    Raises:
        DataError: The bytes are no such image, are cut short, hold over 25 megapixels, or are
            built to keep a decoder busy.
    """
    return decode_to_box(data, least=least, background=background).pixels


def decode_to_box(
    data: bytes,
    *,
    least: tuple[int, int] | None = None,
    background: tuple[int, int, int] = WHITE,
) -> Decoded:
    """Do as `decode_image`, and say where in the pixels the image lies."""
    kind = _known(data)
    with _refusals():
        header = read_header(data, kind)
        if kind == "JPEG":
            decoded = decode_jpeg(data, header, least)
            if decoded is not None:
                return decoded
        pixels = _decode_with_pillow(data, kind, header, background)
    return Decoded(pixels=pixels, box=whole_box(pixels))


def image_facts(data: bytes) -> Facts:
    """Read what a file says of its image, without decoding it.

    Raises:
        DataError: As `decode_image`, as far as the header tells.
    """
    kind = _known(data)
    with _refusals():
        header = read_header(data, kind)
        height, width, channels, block = header.height, header.width, header.channels, header.exif
        if channels is None:
            with _opened(data, kind) as image:
                channels = 1 if image.mode in _GREY or image.mode.startswith("I") else 3
                block = block or _exif_of(image)
                # A TIFF comes out of Pillow upright.
                height, width = image.height, image.width
    exif = read_exif(block)
    if is_sideways(exif.orientation) and kind != "TIFF":
        height, width = width, height
    return Facts(
        format=kind,
        height=height,
        width=width,
        channels=1 if channels == 1 else 3,
        taken=exif.taken,
        camera=exif.camera,
    )


def _known(data: bytes) -> str:
    kind = image_format(data)
    if kind is None:
        what = "is empty (0 bytes)" if not data else "is not an image of a known format"
        raise DataError(what, hint=f"use one of {', '.join(FORMATS)}")
    return kind


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Turn whatever a decoder raises over bytes from anywhere into a DataError."""
    try:
        yield
    except DataError:
        raise
    except UnidentifiedImageError as unknown:
        raise damaged("its header makes no sense") from unknown
    except MemoryError as large:
        raise DataError("does not fit in memory", hint="make it smaller") from large
    except Exception as broken:
        reason = str(broken).strip()
        raise damaged(reason.splitlines()[0] if reason else "damaged") from broken


def _decode_with_pillow(
    data: bytes, kind: str, header: Header, background: tuple[int, int, int]
) -> UInt8[np.ndarray, "height width channels"]:
    with _opened(data, kind) as image:
        exif = read_exif(header.exif or _exif_of(image))
        image.load()
        if kind == "TIFF":  # comes out of Pillow upright
            return _pixels(image, background)
        pixels = _pixels(image, background)
    return pixels if exif.orientation == 1 else turn_upright(pixels, exif.orientation)


@contextlib.contextmanager
def _opened(data: bytes, kind: str) -> Iterator[Image.Image]:
    # What a file is made of is no news to whoever has thousands of them. A filter that stays is
    # the lesser evil: taking one back is not safe while other threads decode.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    with Image.open(io.BytesIO(data), formats=(kind,)) as image:
        refuse_size(image.height, image.width)
        if image.mode == "F":
            raise DataError("has floating-point pixels", hint="save it as 8-bit or 16-bit grey")
        yield image


def _exif_of(image: Image.Image) -> bytes:
    block = image.info.get("exif", b"")
    return block.removeprefix(b"Exif\x00\x00") if isinstance(block, bytes) else b""


def _pixels(
    image: Image.Image, background: tuple[int, int, int]
) -> UInt8[np.ndarray, "height width channels"]:
    profile = image.info.get("icc_profile") or b""
    is_deep = image.mode.startswith("I")
    is_clear = image.has_transparency_data and not is_deep
    mode = "L" if image.mode in _GREY or is_deep else "RGB"
    under = Image.new("RGB", (1, 1), background).convert(mode).getpixel((0, 0))

    def convert(band: Image.Image) -> Image.Image:
        if is_deep:
            return to_srgb(_sixteen_bit(band), profile)
        if not is_clear:
            return to_srgb(band if band.mode == "CMYK" else band.convert(mode), profile)
        clear = band.convert("LA" if mode == "L" else "RGBA")
        laid = Image.new(mode, band.size, under)
        laid.paste(to_srgb(clear.convert(mode), profile), mask=clear.getchannel("A"))
        return laid

    shape = (image.height, image.width, len(mode))
    bands = (image.crop((0, top, image.width, bottom)) for top, bottom in bands_of(shape))
    return join_bands(shape, map(convert, bands))


def _sixteen_bit(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65_535:
        raise DataError("has grey values outside 0..65,535", hint="save it as 16-bit grey")
    scaled = (values.astype(np.uint32) * 255 + 32_767) // 65_535
    return Image.fromarray(scaled.astype(np.uint8))
