"""What a camera wrote beside an image: how to turn it, when it was taken, and with what.

The bytes of an EXIF block come in; a record goes out, whatever the bytes are. Only five tags are
looked at, so damaged or hostile blocks cost nothing and never warn.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

if TYPE_CHECKING:
    from jaxtyping import UInt8

_MAKE, _MODEL, _ORIENTATION, _CHANGED = 0x010F, 0x0110, 0x0112, 0x0132
_EXIF_FOLDER, _TAKEN = 0x8769, 0x9003
_BYTES_OF_TYPE = {1: 1, 2: 1, 3: 2, 4: 4}  # BYTE, ASCII, SHORT, LONG
_MAX_ENTRIES = 512  # cameras write about 20 in a folder
_MAX_TEXT = 128  # bytes


class Exif(msgspec.Struct, frozen=True, kw_only=True):
    """What an EXIF block says; the defaults where it says nothing that makes sense."""

    orientation: int = 1  # 1 is upright, 2 to 8 are mirrored or turned
    taken: datetime | None = None  # local time of the camera, without a zone
    camera: str | None = None  # its maker and model


def read_exif(block: bytes) -> Exif:
    """Read an EXIF block, or a TIFF file, which has the same form.

    Args:
        block: From its byte order mark, `II` or `MM`, on; empty when there is none.

    Source: CIPA DC-008 (Exif 2.32), TIFF 6.0.
    """
    order: Literal["little", "big"]
    if block[:2] == b"II":
        order = "little"
    elif block[:2] == b"MM":
        order = "big"
    else:
        return Exif()
    first = _folder(block, int.from_bytes(block[4:8], order), order)
    at = first.get(_EXIF_FOLDER)
    inner = _folder(block, at, order) if isinstance(at, int) else {}
    turned = first.get(_ORIENTATION)
    return Exif(
        orientation=turned if isinstance(turned, int) and 1 <= turned <= 8 else 1,
        taken=_date(inner.get(_TAKEN)) or _date(first.get(_CHANGED)),
        camera=_camera(first),
    )


def turn_upright(
    pixels: UInt8[np.ndarray, "height width channels"], orientation: int
) -> UInt8[np.ndarray, "upright_height upright_width channels"]:
    """Turn stored pixels as an EXIF orientation asks for.

    Args:
        pixels: As they are stored.
        orientation: 1 to 8.
    """
    if is_sideways(orientation):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def turn_box(
    box: tuple[float, float, float, float], width: float, height: float, orientation: int
) -> tuple[float, float, float, float]:
    """Say where a box of stored pixels lies after `turn_upright`.

    Args:
        box: Left, top, right and bottom, in pixels.
        width: Of all stored pixels.
        height: Of all stored pixels.
        orientation: 1 to 8.
    """
    left, top, right, bottom = box
    if is_sideways(orientation):
        left, top, right, bottom = top, left, bottom, right
        width, height = height, width
    if orientation in (3, 4, 7, 8):
        top, bottom = height - bottom, height - top
    if orientation in (2, 3, 6, 7):
        left, right = width - right, width - left
    return left, top, right, bottom


def is_sideways(orientation: int) -> bool:
    """Tell whether an orientation swaps height and width."""
    return orientation >= 5


def _folder(block: bytes, at: int, order: Literal["little", "big"]) -> Mapping[int, int | str]:
    """Read the short whole numbers and the texts of one folder of tags."""
    found: dict[int, int | str] = {}
    for number in range(min(int.from_bytes(block[at : at + 2], order), _MAX_ENTRIES)):
        entry = block[at + 2 + 12 * number : at + 14 + 12 * number]
        if len(entry) < 12:
            break
        tag, kind = int.from_bytes(entry[:2], order), int.from_bytes(entry[2:4], order)
        count = int.from_bytes(entry[4:8], order)
        width = _BYTES_OF_TYPE.get(kind, 0)
        if kind == 2:
            where = int.from_bytes(entry[8:12], order)
            raw = block[where : where + min(count, _MAX_TEXT)] if count > 4 else entry[8:12][:count]
            found[tag] = raw.partition(b"\x00")[0].decode("latin-1")
        elif count == 1 and width:
            found[tag] = int.from_bytes(entry[8 : 8 + width], order)
    return found


def _date(value: int | str | None) -> datetime | None:
    if isinstance(value, str) and value[4:5] == value[7:8] == ":":
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(f"{value[:10].replace(':', '-')}T{value[11:19]}")
    return None


def _camera(first: Mapping[int, int | str]) -> str | None:
    make, model = (
        " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
        for text in (str(first.get(_MAKE, "")), str(first.get(_MODEL, "")))
    )
    named = model if model.lower().startswith(make.lower()) else f"{make} {model}"
    return named.strip() or None
