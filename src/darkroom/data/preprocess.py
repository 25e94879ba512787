"""Preprocess: what is done to an image before a network sees it, as data, and its one executor.

Training, evaluation and every kind of prediction call the functions here with the same record, so
the same bytes become the same array everywhere.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec
import numpy as np
from PIL import Image

from darkroom.data.decode import WHITE, decode_to_box, image_facts, image_format
from darkroom.data.jpeg import Box, whole_box
from darkroom.errors import RecipeError

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8

Scaling = Literal["unit", "signed", "bytes", "standard"]
Resize = Literal["squash", "crop", "pad"]
Decode = Literal["full", "scaled"]
Colour = tuple[int, int, int]

_GREY = np.array([19_595, 38_470, 7_471], np.uint32)  # ITU-R BT.601 luma in 1/65,536


class Preprocess(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From a file to a network's input, in this order: decode, channels, resize, order, scale."""

    SCHEMA: ClassVar[int] = 1

    height: int  # pixels
    width: int  # pixels
    channels: Literal[1, 3] = 3
    # full: every pixel; scaled: a JPEG at the fewest eighths that leave what the resize needs
    decode: Decode = "full"
    background: Colour = WHITE  # sRGB, 0..255; lies under what is transparent
    resize: Resize = "squash"  # squash: both sides fit; crop: the middle; pad: black borders
    channel_order: Literal["rgb", "bgr"] = "rgb"
    scaling: Scaling = "signed"  # unit: 0..1; signed: -1..1; bytes: 0..255; standard: mean 0, std 1
    mean: tuple[float, ...] = ()  # of each channel, 0..255; with standard only
    std: tuple[float, ...] = ()  # of each channel, 0..255, above 0; with standard only

    def __post_init__(self) -> None:
        if not (1 <= self.height <= 4096 and 1 <= self.width <= 4096):
            raise RecipeError(
                f"an image size of {self.width} x {self.height} px is outside 1..4096",
                hint="--set image_size=64",
            )
        refuse_colour(self.background)
        wanted = self.channels if self.scaling == "standard" else 0
        if not len(self.mean) == len(self.std) == wanted:
            raise RecipeError(
                f"scaling = {self.scaling} takes a mean and a std for {wanted} channels, "
                f"not {len(self.mean)} and {len(self.std)}",
                hint="--set scaling=standard",
            )
        if not all(map(math.isfinite, (*self.mean, *self.std))) or not all(
            value > 0 for value in self.std
        ):
            raise RecipeError(
                f"mean = {self.mean} and std = {self.std} cannot standardise: every std has to "
                "be above 0",
                hint="--set scaling=unit",
            )


def refuse_colour(colour: Colour) -> None:
    """Refuse a colour that is no sRGB.

    Raises:
        RecipeError: One of its values is outside 0..255.
    """
    if not all(0 <= value <= 255 for value in colour):
        raise RecipeError(
            f"background = {list(colour)} is no colour: its values go from 0 to 255",
            hint="--set background=[255,255,255]",
        )


def prepare_image(
    data: bytes, preprocess: Preprocess
) -> UInt8[np.ndarray, "height width channels"]:
    """Turn the bytes of an image file into the pixels a network is shown, before scaling.

    Args:
        data: The file.
        preprocess: What to do.

    Returns:
        Exactly `preprocess.height` x `width` x `channels`.

    Raises:
        DataError: The bytes are no readable image.
    """
    least = _least(data, preprocess) if preprocess.decode == "scaled" else None
    decoded = decode_to_box(data, least=least, background=preprocess.background)
    return prepare_pixels(decoded.pixels, preprocess, box=decoded.box)


def prepare_pixels(
    pixels: UInt8[np.ndarray, "height width channels"],
    preprocess: Preprocess,
    *,
    box: Box | None = None,
) -> UInt8[np.ndarray, "height width channels"]:
    """Do to decoded pixels what `prepare_image` does after decoding.

    Args:
        pixels: Decoded.
        preprocess: What to do.
        box: Where in these pixels the image lies; None: all over.
    """
    if pixels.shape[2] != preprocess.channels:
        pixels = _grey(pixels) if preprocess.channels == 1 else np.repeat(pixels, 3, axis=2)
    whole = whole_box(pixels)
    box = box or whole
    if pixels.shape[:2] != (preprocess.height, preprocess.width) or box != whole:
        pixels = _resized(pixels, preprocess, box)
    if preprocess.channel_order == "bgr" and preprocess.channels == 3:
        pixels = pixels[:, :, ::-1]
    return pixels


def scale_pixels(
    pixels: UInt8[np.ndarray, "*images height width channels"], preprocess: Preprocess
) -> Float[np.ndarray, "*images height width channels"]:
    """Scale prepared pixels to the float32 range the network was trained on."""
    factor, offset = _factors(preprocess)
    return np.asarray(pixels.astype(np.float32) * factor + offset)


def unscale_pixels(
    scaled: Float[np.ndarray, "*images height width channels"], preprocess: Preprocess
) -> UInt8[np.ndarray, "*images height width channels"]:
    """Undo `scale_pixels`, for showing what a network sees.

    Args:
        scaled: As a network takes it; what lies beyond its range becomes black or full.
        preprocess: What scaled it.

    Returns:
        The pixels that were scaled, to the level.
    """
    factor, offset = _factors(preprocess)
    return np.asarray(np.clip(np.rint((scaled - offset) / factor), 0, 255), np.uint8)


def _factors(
    preprocess: Preprocess,
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Give the factor and the offset that `scaling` stands for, for all channels or each."""
    if preprocess.scaling == "standard":
        mean, std = np.array(preprocess.mean), np.array(preprocess.std)
        factor, offset = 1 / std, -mean / std
    else:
        ranges = {"unit": (1 / 255, 0.0), "signed": (2 / 255, -1.0), "bytes": (1.0, 0.0)}
        factor, offset = map(np.asarray, ranges[preprocess.scaling])
    return factor.astype(np.float32), offset.astype(np.float32)


def pixel_key(preprocess: Preprocess) -> str:
    """Name what `prepare_image` does, whatever the scaling: 16 hex digits."""
    unscaled = msgspec.structs.replace(preprocess, scaling="bytes", mean=(), std=())
    return hashlib.sha256(msgspec.json.encode(unscaled, order="deterministic")).hexdigest()[:16]


def default_preprocess(sizes: set[tuple[int, int]], *, is_grey: bool) -> Preprocess:
    """Choose a size and the channels from what a dataset holds.

    Args:
        sizes: Every (height, width) that occurs.
        is_grey: Whether all images have one channel.

    Returns:
        The images' own size when they are all alike and at most 64 px, else 64 x 64.
    """
    height, width = next(iter(sizes)) if len(sizes) == 1 else (64, 64)
    if max(height, width) > 64:
        height = width = 64
    channels: Literal[1, 3] = 1 if is_grey else 3
    return Preprocess(height=height, width=width, channels=channels, decode="scaled")


def _grey(
    pixels: UInt8[np.ndarray, "height width 3"],
) -> UInt8[np.ndarray, "height width 1"]:
    luma = (pixels.astype(np.uint32) @ _GREY + 32_768) >> 16
    return luma.astype(np.uint8)[:, :, None]


def _least(data: bytes, preprocess: Preprocess) -> tuple[int, int] | None:
    """Say how large a scaled JPEG must at least be, so that no side has to be enlarged.

    Squash and crop fill both sides. Pad fills one, and the other follows from the image.
    """
    if preprocess.resize != "pad" or image_format(data) != "JPEG":
        return preprocess.height, preprocess.width
    facts = image_facts(data)
    return _inside(facts.height, facts.width, preprocess)


def _inside(tall: float, wide: float, preprocess: Preprocess) -> tuple[int, int]:
    """Give the height and width to which an image shrinks so that all of it fits."""
    scale = max(tall / preprocess.height, wide / preprocess.width)
    return max(round(tall / scale), 1), max(round(wide / scale), 1)


def _resized(
    pixels: UInt8[np.ndarray, "height width channels"],
    preprocess: Preprocess,
    box: Box,
) -> UInt8[np.ndarray, "height width channels"]:
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    wide, tall = box[2] - box[0], box[3] - box[1]
    height, width = preprocess.height, preprocess.width
    if preprocess.resize == "crop":
        scale = min(wide / width, tall / height)
        # Rounding may put a corner outside by the last bit, which Pillow refuses.
        left = box[0] + max((wide - scale * width) / 2, 0.0)
        top = box[1] + max((tall - scale * height) / 2, 0.0)
        box = (left, top, min(left + scale * width, box[2]), min(top + scale * height, box[3]))
    elif preprocess.resize == "pad":
        height, width = _inside(tall, wide, preprocess)
    small = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box=box))
    small = small[:, :, None] if small.ndim == 2 else small
    if small.shape[:2] == (preprocess.height, preprocess.width):
        return small
    padded = np.zeros((preprocess.height, preprocess.width, small.shape[2]), np.uint8)
    top, left = (preprocess.height - height) // 2, (preprocess.width - width) // 2
    padded[top : top + height, left : left + width] = small
    return padded
