"""Vary training images: mirrored and moved, without Python work per image.

What happens to an image is a function of (seed, epoch, the image's identity): it does not depend
on the batch it is in, nor on the order or number of the images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt8, UInt64


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
    height, width = pixels.shape[1:3]
    # All channels of a pixel are taken as one item.
    one = np.dtype((np.void, pixels.shape[3]))
    mirrored = (draw_uniform(identities, *position, 0) < 0.5) & flip
    if not shift:
        turned = pixels.copy()
        turned.view(one)[mirrored] = turned.view(one)[mirrored, :, ::-1]
        return turned
    rows = _moved(identities, height, shift, (*position, 1))
    columns = _moved(identities, width, shift, (*position, 2))
    columns = np.where(mirrored[:, None], width - 1 - columns, columns)
    firsts = (np.arange(len(pixels))[:, None] * height + rows) * width
    places = firsts[:, :, None] + columns[:, None]
    # One gather does everything.
    taken: np.ndarray = np.ascontiguousarray(pixels).view(one).ravel().take(places)
    return taken.view(np.uint8).reshape(pixels.shape)


def _moved(
    identities: UInt64[np.ndarray, "images"], side: int, shift: float, counters: tuple[int, ...]
) -> Int[np.ndarray, "images side"]:
    """Give the line of the old image that each line of the new one shows."""
    reach = min(round(shift * side), side - 1)
    moves = np.floor(draw_uniform(identities, *counters) * (2 * reach + 1)).astype(np.intp) - reach
    lines = np.abs(np.arange(side) + moves[:, None])  # mirrored at the first line
    return np.asarray(np.where(lines < side, lines, 2 * (side - 1) - lines))  # and at the last


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
