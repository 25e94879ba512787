"""Vary training images: mirrored and moved, without Python work per image.

What happens to an image is a function of (seed, epoch, the image's identity): it does not depend
on the batch it is in, nor on the order or number of the images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8, UInt64


def augment_images(
    pixels: UInt8[np.ndarray, "images height width channels"],
    identities: UInt64[np.ndarray, "images"],
    *,
    flip: bool,
    shift: float,
    position: tuple[int, int],
) -> UInt8[np.ndarray, "images height width channels"]:
    """Mirror about half of the images, and move each by a few pixels.

    Args:
        pixels: A batch; it is not changed.
        identities: One number per image that is its own in every epoch and run.
        flip: Whether left and right may be exchanged.
        shift: Largest move in each direction, as a share of the side, 0..0.5; what moves in is
            the mirrored border.
        position: Seed and epoch.

    Returns:
        A batch of the same shape.
    """
    pixels = pixels.copy()
    if flip:
        mirrored = draw_uniform(identities, *position, 0) < 0.5
        pixels[mirrored] = pixels[mirrored, :, ::-1]
    height, width = pixels.shape[1:3]
    reach_y, reach_x = (min(round(shift * side), side - 1) for side in (height, width))
    if not (reach_y or reach_x):
        return pixels
    down = np.floor(draw_uniform(identities, *position, 1) * (2 * reach_y + 1)).astype(np.intp)
    right = np.floor(draw_uniform(identities, *position, 2) * (2 * reach_x + 1)).astype(np.intp)
    borders = ((0, 0), (reach_y, reach_y), (reach_x, reach_x), (0, 0))
    padded = np.pad(pixels, borders, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    moved = windows[np.arange(len(pixels)), down, right]  # images channels height width
    return np.ascontiguousarray(np.moveaxis(moved, 1, 3))


def draw_uniform(
    identities: UInt64[np.ndarray, "images"], *counters: int
) -> Float[np.ndarray, "images"]:
    """Draw one number in 0..1 per image, from nothing but its arguments.

    Source: the finaliser of SplitMix64, Steele et al. 2014, doi:10.1145/2660193.2660195.
    """
    mixed = identities.astype(np.uint64)
    for counter in counters:
        mixed = mixed + np.uint64(((counter + 1) * 0x9E3779B97F4A7C15) % 2**64)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
