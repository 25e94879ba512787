"""How sharp an image is, in a number that compares across sizes, contrasts and contents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from jaxtyping import Int, UInt8

LEAST_SIDE = 64  # pixels; own: smaller images have too few edges to be judged by
_SIDE = 256  # pixels of the short side that larger images are reduced to; own: networks see less
_WINDOW = 9  # pixels, odd: the low-pass filter of the paper


def measure_sharpness(pixels: UInt8[np.ndarray, "height width channels"]) -> float:
    """Tell how much of the steps between neighbours a strong blur takes away.

    A sharp image loses most of them, an image that is blurred already hardly any; light and
    contrast cancel out. Larger images are first reduced to 256 px on the short side, so that
    what counts is the sharpness a network can see.

    Args:
        pixels: One or three channels; both sides have at least 64 px.

    Returns:
        0 (blurred, or without any step) to 1 (sharp), the worse of the two directions.

    Source: Crete et al. 2007, doi:10.1117/12.702790; 1 less their measure of blur.
    """
    luma = _reduced(pixels).astype(np.int16)
    return min(_share_lost(luma), _share_lost(luma.T))


def _reduced(pixels: UInt8[np.ndarray, "height width channels"]) -> UInt8[np.ndarray, "h w"]:
    flat = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
    image = Image.fromarray(np.ascontiguousarray(flat)).convert("L")
    scale = min(image.size) / _SIDE
    if scale > 1:
        size = (round(image.width / scale), round(image.height / scale))
        image = image.resize(size, Image.Resampling.BOX)
    return np.asarray(image)


def _share_lost(luma: Int[np.ndarray, "height width"]) -> float:
    """Blur along the columns, and give the share of the steps that this takes away.

    Where a window moves on by one pixel, its sum changes by what enters less what leaves.
    """
    padded = np.pad(luma, ((_WINDOW // 2, _WINDOW // 2), (0, 0)), mode="edge")
    steps = _WINDOW * np.abs(luma[1:] - luma[:-1])
    blurred = np.abs(padded[_WINDOW:] - padded[:-_WINDOW])
    total = steps.sum(dtype=np.int64)
    return float(np.maximum(steps - blurred, 0).sum(dtype=np.int64) / total) if total else 0.0
