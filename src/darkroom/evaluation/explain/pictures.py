"""An image with its heat on it, and a mark that stays with the picture where it is doubted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from darkroom.data.preprocess import Preprocess

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8

_SIDE_PX = 256  # the longer one
_PIXEL_ART_PX = 64  # what is no larger is enlarged in whole pixels
_FOR, _AGAINST = (255, 106, 0), (0, 110, 255)  # told apart by the colour blind too
_FULL, _GREYED = 0.85, 0.6  # the share of colour at full heat, and of grey beneath it
_FULL_AT = 0.99  # the share of pixels that are fainter: one hot pixel must not pale all others
_DOUBT = (200, 24, 24)
_FRAME_PX, _BAND_PX = 7, 30
DOUBTED = "not trustworthy"


def enlarged(
    image: UInt8[np.ndarray, "height width channels"], preprocess: Preprocess
) -> Image.Image:
    """Draw prepared pixels large enough to look at, in the colours that people see."""
    pixels = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    if preprocess.channel_order == "bgr" and preprocess.channels == 3:
        pixels = pixels[:, :, ::-1]
    drawn = Image.fromarray(np.ascontiguousarray(pixels))
    is_art = max(drawn.size) <= _PIXEL_ART_PX
    kind = Image.Resampling.NEAREST if is_art else Image.Resampling.LANCZOS
    return drawn.resize(_size(drawn), kind)


def heated(
    image: Image.Image, heat: Float[np.ndarray, "height width"], *, is_trustworthy: bool
) -> Image.Image:
    """Lay heat over a picture: orange speaks for the class, blue against it.

    Args:
        image: As `enlarged` draws it.
        heat: -1..1.
        is_trustworthy: If not, the picture gets a red frame and says so.
    """
    grey = np.asarray(image.convert("L").convert("RGB"), np.float32)
    ground = _GREYED * grey + (1 - _GREYED) * np.asarray(image, np.float32)
    spread = Image.fromarray(heat.astype(np.float32)).resize(image.size, Image.Resampling.BILINEAR)
    full = max(float(np.quantile(np.abs(heat), _FULL_AT)), 1e-6)
    strength = np.clip(np.asarray(spread)[..., None] / full, -1, 1)
    colour = np.where(strength > 0, _FOR, _AGAINST)
    share = _FULL * np.abs(strength)
    mixed = Image.fromarray(np.rint(ground + share * (colour - ground)).astype(np.uint8))
    return mixed if is_trustworthy else _marked(mixed)


def _marked(image: Image.Image) -> Image.Image:
    pen, (width, height) = ImageDraw.Draw(image), image.size
    pen.rectangle((0, 0, width - 1, height - 1), outline=_DOUBT, width=_FRAME_PX)
    pen.rectangle((0, height - _BAND_PX, width, height), fill=_DOUBT)
    font = ImageFont.load_default(_BAND_PX * 0.6)
    middle = (width / 2, height - _BAND_PX / 2)
    pen.text(middle, DOUBTED, fill=(255, 255, 255), font=font, anchor="mm")
    return image


def _size(image: Image.Image) -> tuple[int, int]:
    """Fit the longer side to what is shown, in whole steps where pixels are to stay square."""
    longest = max(image.size)
    scale = _SIDE_PX // longest if longest <= _PIXEL_ART_PX else _SIDE_PX / longest
    wide, tall = (max(round(side * scale), 1) for side in image.size)
    return wide, tall
