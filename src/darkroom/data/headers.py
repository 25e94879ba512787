"""What the header of an image file says, and the bounds a file has to keep before it is decoded.

Nothing is decoded here: sizes, and counts of whatever makes a decoder work without end, are read
from the structure of each format. What breaks a bound is refused with a DataError.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from darkroom.errors import DataError

MAX_PIXELS = 25_000_000

# What Pillow works off piece by piece in Python; honest files stay far below each.
_MAX_SEGMENTS = 4_096  # of a JPEG before its pixels; 255 hold the largest profile
_MAX_CHUNKS = 50_000  # of a PNG; 25 megapixels in pieces of 8 KiB have 9,200
_MAX_PACKED = 64  # compressed texts and profiles of a PNG, each up to 1 MiB unpacked
_MAX_COMMENT_BYTES = 256 * 1024  # of a GIF before its first frame
_MAX_RUN_BYTES = 1024 * 1024  # of a BMP packed in runs
_MAX_STRIPS = 65_536  # strips or tiles of a TIFF
_MAX_TAGS = 1_024  # of a TIFF
# Pixels drawn over all scans of a JPEG; 25 megapixels in the usual 10 scans are a tenth.
_MAX_SCANNED = 2_500_000_000
# Where a decoder takes more memory for a pixel, the cap is lower: all keep to 256 MiB.
_WEBP_PIXELS = 13_000_000  # libwebp and Pillow take 17 bytes for each
_FOUR_SCANNED_PIXELS = 20_000_000  # four channels in several scans take 12 bytes for each
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers of a JPEG that give its size


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What an image file says before its pixels."""

    height: int  # pixels, as stored
    width: int  # pixels, as stored
    channels: int | None = None  # of a JPEG: 1 grey, 3 colour, 4 CMYK
    exif: bytes = b""  # of a JPEG, PNG or TIFF, from its byte order mark on
    profile: bytes = b""  # of a JPEG: its ICC profile


def read_header(data: bytes, kind: str) -> Header:
    """Read the header of a file, and refuse what would take too long or too much memory.

    Args:
        data: The file.
        kind: Its format, from `image_format`.

    Raises:
        DataError: The header is damaged, the image is empty or above the cap, or the file is
            built to keep a decoder busy.
    """
    readers = {
        "JPEG": _jpeg,
        "PNG": _png,
        "GIF": _gif,
        "BMP": _bmp,
        "WEBP": _webp,
        "TIFF": _tiff,
    }
    try:
        header = readers[kind](data)
    except IndexError as short:
        raise damaged("its header is cut short") from short
    refuse_size(header.height, header.width, _WEBP_PIXELS if kind == "WEBP" else MAX_PIXELS)
    return header


def refuse_size(height: int, width: int, cap: int = MAX_PIXELS) -> None:
    """Refuse an image without pixels, or with more than the cap."""
    if height < 1 or width < 1:
        raise damaged(f"its header says {width} x {height} pixels")
    if height * width > cap:
        raise DataError(
            f"has {height * width:,} pixels ({width} x {height}), above the cap of {cap:,}",
            hint="make it smaller",
        )


def damaged(why: str) -> DataError:
    """Make the error for a file that cannot be decoded."""
    return DataError(f"cannot be decoded: {why}", hint="replace or remove it")


def _most(count: int, most: int, what: str) -> None:
    if count > most:
        raise DataError(
            f"has over {most:,} {what}, more than any camera or program writes",
            hint="save it again with an image program",
        )


def _whole(data: bytes, at: int, width: int, order: Literal["little", "big"]) -> int:
    if at + width > len(data):
        raise IndexError(at)
    return int.from_bytes(data[at : at + width], order)


def _jpeg(data: bytes) -> Header:
    """Walk the segments before the pixels. Source: ITU-T T.81, annex B."""
    exif, profile = b"", b""
    frame: tuple[int, int, int, bool] | None = None
    for marker, body, end in _jpeg_segments(data):
        if marker == 0xE1 and data.startswith(b"Exif\x00\x00", body):
            exif = exif or data[body + 6 : end]
        elif marker == 0xE2 and data.startswith(b"ICC_PROFILE\x00", body):
            profile += data[body + 14 : end]  # numbered, and in order in every file that is whole
        elif marker in _FRAMES:
            frame = _jpeg_frame(data, body, marker)
    if frame is None:
        raise damaged("its pixels come before its size")
    height, width, channels, is_layered = frame
    if is_layered or data[body] < channels:
        _refuse_scans(data, body, height * width, channels)
    return Header(height=height, width=width, channels=channels, exif=exif, profile=profile)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Give the marker of each segment up to the first scan, and where it begins and ends."""
    at = 2
    for _ in range(_MAX_SEGMENTS):
        if data[at] != 0xFF:
            raise damaged(f"no segment begins at byte {at:,}")
        while data[at + 1] == 0xFF:  # filling
            at += 1
        marker = data[at + 1]
        if marker == 0xD9:
            raise damaged("it ends before its pixels")
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:  # these have no length
            at += 2
            continue
        end = at + 2 + _whole(data, at + 2, 2, "big")
        yield marker, at + 4, end
        if marker == 0xDA:
            return
        at = end
    _most(_MAX_SEGMENTS + 1, _MAX_SEGMENTS, "segments before its pixels")


def _jpeg_frame(data: bytes, body: int, marker: int) -> tuple[int, int, int, bool]:
    height, width = _whole(data, body + 1, 2, "big"), _whole(data, body + 3, 2, "big")
    channels = data[body + 5]
    if data[body] != 8:
        raise DataError(f"is a JPEG of {data[body]} bits", hint="save it as an 8-bit JPEG")
    if channels not in (1, 3, 4):
        raise DataError(f"is a JPEG of {channels} channels", hint="save it as grey, RGB or CMYK")
    return height, width, channels, marker in (0xC2, 0xC6, 0xCA, 0xCE)


def _refuse_scans(data: bytes, at: int, pixels: int, channels: int) -> None:
    """Bound the work of a JPEG that draws its pixels again and again, finer each time."""
    refuse_size(1, max(pixels, 1), _FOUR_SCANNED_PIXELS if channels == 4 else MAX_PIXELS)
    scans = 1 + data.count(b"\xff\xda", at)  # never inside of a scan, where FF is followed by 00
    _most(scans * pixels, _MAX_SCANNED, "pixels in its scans")


def _png(data: bytes) -> Header:
    """Walk all chunks. Source: W3C PNG specification, third edition."""
    exif = b""
    packed = 0
    for count, (name, start, end) in enumerate(_png_chunks(data)):
        _most(count, _MAX_CHUNKS, "chunks")
        packed += name in (b"iCCP", b"zTXt", b"iTXt")
        _most(packed, _MAX_PACKED, "compressed texts")
        if name == b"eXIf":
            exif = data[start:end]
    return Header(height=_whole(data, 20, 4, "big"), width=_whole(data, 16, 4, "big"), exif=exif)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Give the name of each chunk, and where its content begins and ends."""
    at = 8
    while at + 8 <= len(data):
        name = data[at + 4 : at + 8]
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        yield name, at + 8, end
        if name == b"IEND":
            return
        at = end + 4


def _gif(data: bytes) -> Header:
    """Walk to the first frame. Source: GIF89a specification."""
    width, height = _whole(data, 6, 2, "little"), _whole(data, 8, 2, "little")
    flags = data[10]
    at = start = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    while data[at] != 0x2C:
        if data[at] == 0x3B:
            raise damaged("it ends before its first frame")
        at += 1
        if data[at - 1] == 0x21:
            at += 1
            while size := data[at]:
                at += 1 + size
                _most(at - start, _MAX_COMMENT_BYTES, "bytes before its first frame")
            at += 1
        _most(at - start, _MAX_COMMENT_BYTES, "bytes before its first frame")
    left, top, wide, high = (_whole(data, at + n, 2, "little") for n in (1, 3, 5, 7))
    return Header(height=max(height, top + high), width=max(width, left + wide))


def _bmp(data: bytes) -> Header:
    """Source: the BITMAPINFOHEADER of Windows 3, and the older one of OS/2."""
    if _whole(data, 14, 4, "little") == 12:
        return Header(height=_whole(data, 20, 2, "little"), width=_whole(data, 18, 2, "little"))
    width, height = _whole(data, 18, 4, "little"), _whole(data, 22, 4, "little")
    if _whole(data, 30, 4, "little") in (1, 2):  # runs, which Pillow unpacks in Python
        _most(len(data), _MAX_RUN_BYTES, "bytes of runs")
    if height >= 2**31:  # negative: the rows are stored from the top
        height = 2**32 - height
    return Header(height=height, width=width)


def _webp(data: bytes) -> Header:
    """Source: RFC 9649."""
    kind = data[12:16]
    if kind == b"VP8X":
        return Header(
            height=_whole(data, 27, 3, "little") + 1, width=_whole(data, 24, 3, "little") + 1
        )
    if kind == b"VP8L":
        bits = _whole(data, 21, 4, "little")
        return Header(height=(bits >> 14 & 0x3FFF) + 1, width=(bits & 0x3FFF) + 1)
    return Header(
        height=_whole(data, 28, 2, "little") & 0x3FFF, width=_whole(data, 26, 2, "little") & 0x3FFF
    )


def _tiff(data: bytes) -> Header:
    """Read the first folder of tags. Source: TIFF 6.0."""
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    at = _whole(data, 4, 4, order)
    tags = _whole(data, at, 2, order)
    _most(tags, _MAX_TAGS, "tags")
    values: dict[int, int] = {}
    claimed = 0
    for entry in range(at + 2, at + 2 + 12 * tags, 12):
        tag, kind = _whole(data, entry, 2, order), _whole(data, entry + 2, 2, order)
        count = _whole(data, entry + 4, 4, order)
        value = _whole(data, entry + 8, 2 if kind == 3 else 4, order)
        values[tag] = max(value, values.get(tag, 0))  # of two, some readers take the other
        if tag in (273, 324):  # where the strips or tiles are
            _most(count, _MAX_STRIPS, "strips")
        claimed += count
    # Values may lie on top of each other, and each is copied.
    _most(claimed, 2 * len(data), "values in its tags for its size")
    if values.get(277, 1) > 8:
        raise damaged(f"it has {values[277]:,} channels")
    refuse_size(values.get(323, 1), values.get(322, 1))  # a tile is decoded whole
    return Header(height=values.get(257, 0), width=values.get(256, 0), exif=data)
