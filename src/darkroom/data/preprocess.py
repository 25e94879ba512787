"""Preprocess: what is done to an image before a network sees it, as data, and its one executor.

Training, evaluation and every kind of prediction call the two functions here with the same record,
so the same bytes become the same array everywhere.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec
import numpy as np
from PIL import Image

from darkroom.data.decode import decode_image
from darkroom.errors import RecipeError

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8

Scaling = Literal["unit", "signed", "bytes"]
Resize = Literal["squash", "crop", "pad"]

_GREY = np.array([19_595, 38_470, 7_471], np.uint32)  # ITU-R BT.601 luma in 1/65,536


class Preprocess(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From decoded pixels to a network's input, in this order: channels, resize, order, scale."""

    SCHEMA: ClassVar[int] = 1

    height: int  # pixels
    width: int  # pixels
    channels: Literal[1, 3] = 3
    resize: Resize = "squash"  # squash: both sides fit; crop: the middle; pad: black borders
    channel_order: Literal["rgb", "bgr"] = "rgb"
    scaling: Scaling = "signed"  # unit: 0..1; signed: -1..1; bytes: 0..255

    def __post_init__(self) -> None:
        if not (1 <= self.height <= 4096 and 1 <= self.width <= 4096):
            raise RecipeError(
                f"an image size of {self.width} x {self.height} px is outside 1..4096",
                hint="--set image_size=64",
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
    return prepare_pixels(decode_image(data), preprocess)


def prepare_pixels(
    pixels: UInt8[np.ndarray, "height width channels"], preprocess: Preprocess
) -> UInt8[np.ndarray, "height width channels"]:
    """Do to decoded pixels what `prepare_image` does after decoding."""
    if pixels.shape[2] != preprocess.channels:
        pixels = _grey(pixels) if preprocess.channels == 1 else np.repeat(pixels, 3, axis=2)
    if pixels.shape[:2] != (preprocess.height, preprocess.width):
        pixels = _resized(pixels, preprocess)
    if preprocess.channel_order == "bgr" and preprocess.channels == 3:
        pixels = pixels[:, :, ::-1]
    return pixels


def scale_pixels(
    pixels: UInt8[np.ndarray, "*images height width channels"], preprocess: Preprocess
) -> Float[np.ndarray, "*images height width channels"]:
    """Scale prepared pixels to the float32 range the network was trained on."""
    factor, offset = scaling_factors(preprocess)
    return pixels.astype(np.float32) * np.float32(factor) + np.float32(offset)


def scaling_factors(preprocess: Preprocess) -> tuple[float, float]:
    """Give the factor and the offset that `scaling` stands for."""
    return {"unit": (1 / 255, 0.0), "signed": (2 / 255, -1.0), "bytes": (1.0, 0.0)}[
        preprocess.scaling
    ]


def pixel_key(preprocess: Preprocess) -> str:
    """Name what `prepare_image` does, whatever the scaling: 16 hex digits."""
    unscaled = msgspec.structs.replace(preprocess, scaling="bytes")
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
    return Preprocess(height=height, width=width, channels=1 if is_grey else 3)


def _grey(
    pixels: UInt8[np.ndarray, "height width 3"],
) -> UInt8[np.ndarray, "height width 1"]:
    luma = (pixels.astype(np.uint32) @ _GREY + 32_768) >> 16
    return luma.astype(np.uint8)[:, :, None]


def _resized(
    pixels: UInt8[np.ndarray, "height width channels"], preprocess: Preprocess
) -> UInt8[np.ndarray, "height width channels"]:
    flat = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
    image = Image.fromarray(np.ascontiguousarray(flat))
    height, width = preprocess.height, preprocess.width
    box = (0.0, 0.0, float(image.width), float(image.height))
    size = (width, height)
    if preprocess.resize == "crop":
        scale = min(image.width / width, image.height / height)
        # Rounding may put a corner outside by the last bit, which Pillow refuses.
        left = max((image.width - scale * width) / 2, 0.0)
        top = max((image.height - scale * height) / 2, 0.0)
        right = min(left + scale * width, float(image.width))
        box = (left, top, right, min(top + scale * height, float(image.height)))
    elif preprocess.resize == "pad":
        scale = max(image.width / width, image.height / height)
        size = (max(round(image.width / scale), 1), max(round(image.height / scale), 1))
    small = np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=box))
    small = small[:, :, None] if small.ndim == 2 else small
    if small.shape[:2] == (height, width):
        return small
    padded = np.zeros((height, width, small.shape[2]), np.uint8)
    top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    padded[top : top + small.shape[0], left : left + small.shape[1]] = small
    return padded
