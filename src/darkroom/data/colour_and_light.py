"""What the small pixels of an image tell of its colour and light: a few numbers per image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Float32, UInt8

COLOUR_AND_LIGHT = (
    "brightness",
    "contrast",
    "red",
    "green",
    "blue",
    "saturation",
    "entropy",
    "edges",
    "blue_above",
)

_LUMA = (77, 150, 29)  # ITU-R BT.601 in 1/256
_COLOURED = 32  # of 255, own: below it the order of channels is mostly noise of the compression


def measure_colour_and_light(
    pixels: UInt8[np.ndarray, "images height width channels"],
) -> Float32[np.ndarray, "images measures"]:
    """Measure images of one size, in the order of `COLOUR_AND_LIGHT`.

    Args:
        pixels: One channel, or three in the order red, green, blue.

    Returns:
        One row per image; the units stand in `measure_images`.

    Source: the luma weights of ITU-R BT.601; the rest is textbook or own.
    """
    luma, columns = _coloured(pixels) if pixels.shape[3] == 3 else _grey(pixels)
    count, height, width = luma.shape
    flat = luma.reshape(count, height * width)
    brightness = flat.mean(axis=1) / 255
    contrast = flat.std(axis=1, dtype=np.float32) / 255
    red, green, blue, saturation, blue_above = columns or (*[brightness] * 3, *[0 * brightness] * 2)
    rows = (
        *(brightness, contrast, red, green, blue, saturation),
        *(_entropy(flat), _edges(luma), blue_above),
    )
    return np.stack(rows, axis=1).astype(np.float32)


def _grey(
    pixels: UInt8[np.ndarray, "images height width 1"],
) -> tuple[UInt8[np.ndarray, "images height width"], None]:
    return pixels[..., 0], None


def _coloured(
    pixels: UInt8[np.ndarray, "images height width 3"],
) -> tuple[UInt8[np.ndarray, "images height width"], tuple[Float[np.ndarray, "images"], ...]]:
    red, green, blue = (np.ascontiguousarray(pixels[..., channel]) for channel in range(3))
    sums = sum(
        weight * channel.astype(np.uint16)
        for weight, channel in zip(_LUMA, (red, green, blue), strict=True)
    )
    luma = (np.asarray(sums) >> 8).astype(np.uint8)
    chroma = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    is_coloured = chroma >= _COLOURED
    leans = ((blue > red) & is_coloured).mean(axis=(1, 2)) - ((red > blue) & is_coloured).mean(
        axis=(1, 2)
    )
    means = [channel.mean(axis=(1, 2)) / 255 for channel in (red, green, blue, chroma)]
    return luma, (*means, leans)


def _entropy(flat: UInt8[np.ndarray, "images pixels"]) -> Float[np.ndarray, "images"]:
    count, pixels = flat.shape
    bins = flat + (256 * np.arange(count, dtype=np.int64))[:, None]
    shares = np.bincount(bins.ravel(), minlength=256 * count).reshape(count, 256) / pixels
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(-(shares * logs).sum(axis=1)) + 0.0  # never -0


def _edges(luma: UInt8[np.ndarray, "images height width"]) -> Float[np.ndarray, "images"]:
    steps = luma.astype(np.int16)
    totals = np.zeros(len(luma))
    for axis in (1, 2):
        if luma.shape[axis] > 1:
            totals += np.abs(np.diff(steps, axis=axis)).mean(axis=(1, 2))
    return totals / (2 * 255)
