"""From prepared pixels to a fingerprint of 256 bits that survives small changes of a picture.

All sums are whole numbers that float64 holds exactly, so a fingerprint depends on nothing but the
picture: not on its neighbours in a batch, on threads or on the linear algebra library.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int, UInt8, UInt64

BITS = 256
_LUMA = np.array([299.0, 587.0, 114.0])  # ITU-R BT.601 in 1/1,000
_RADIUS = {"luma": 6, "chroma": 3}  # waves per two sides, below which they are looked at
_LIMIT = {"luma": 1.5, "chroma": 0.75}  # standard deviations of the luma; tames a pasted logo
_STEPS = 64  # whole numbers per standard deviation
_PLAIN = 4.0  # grey levels


def fingerprint_images(
    pixels: UInt8[np.ndarray, "images height width channels"],
) -> UInt64[np.ndarray, "images words"]:
    """Give each picture a fingerprint; alike pictures have fingerprints with few other bits.

    Slow waves of brightness and colour are weighted alike, as photographs have ever less of the
    faster ones, and cut by random planes: two pictures whose waves differ by an angle get another
    bit with a probability of that angle over 180 degrees.

    Args:
        pixels: One or three channels, all of one size.

    Returns:
        Four words of 64 bits for each picture. Brightness and contrast do not matter.

    Source: random hyperplanes, Charikar 2002, doi:10.1145/509907.509965; the rest own.
    """
    images, height, width = pixels.shape[:3]
    planes = _planes(pixels)
    spread = np.maximum(_spread(planes["luma"]), _PLAIN * 1000)[:, None, None]
    cuts = np.zeros((images, BITS))
    for kind, name in (("luma", "luma"), ("chroma", "blue"), ("chroma", "red")):
        if name not in planes:
            continue
        plane = planes[name]
        level = plane.mean(axis=(1, 2), keepdims=True)
        limit = _LIMIT[kind]
        whole = np.rint(np.clip((plane - level) / spread, -limit, limit) * _STEPS)
        down, across = _waves(height, _RADIUS[kind]), _waves(width, _RADIUS[kind])
        cuts += (down @ whole @ across.T).reshape(images, -1) @ _planes_through(kind, name)
    return np.packbits(cuts > 0, axis=1, bitorder="little").view(np.uint64)


def is_plain(
    pixels: UInt8[np.ndarray, "images height width channels"],
) -> Bool[np.ndarray, "images"]:
    """Tell which pictures have next to no content: a wall, the sky, a lens cap."""
    return np.asarray(_spread(_planes(pixels)["luma"]) < _PLAIN * 1000)


def _planes(
    pixels: UInt8[np.ndarray, "images height width channels"],
) -> dict[str, Float[np.ndarray, "images height width"]]:
    """Give luma, blue and red differences in 1/1,000 grey levels: whole numbers."""
    values = pixels.astype(np.float64)
    if values.shape[3] == 1:
        return {"luma": values[..., 0] * 1000}
    luma = values @ _LUMA
    return {
        "luma": luma,
        "blue": values[..., 2] * 1000 - luma,
        "red": values[..., 0] * 1000 - luma,
    }


def _spread(plane: Float[np.ndarray, "images height width"]) -> Float[np.ndarray, "images"]:
    """Give the standard deviation of each picture, from sums that are exact."""
    count = plane.shape[1] * plane.shape[2]
    total, squares = plane.sum(axis=(1, 2)), (plane * plane).sum(axis=(1, 2))
    return np.asarray(np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0.0)))


@functools.cache
def _waves(side: int, count: int) -> Float[np.ndarray, "count side"]:
    """Give the first cosine waves over a side, as whole numbers of 1/128."""
    angles = np.pi * np.arange(count)[:, None] * (np.arange(side) + 0.5) / side
    return np.asarray(np.rint(np.cos(angles) * 128))


@functools.cache
def _planes_through(kind: str, name: str) -> Float[np.ndarray, "waves bits"]:
    """Draw random planes, the same ones for ever: whole numbers, zero for waves left out."""
    count = _RADIUS[kind]
    across, down = np.meshgrid(np.arange(count), np.arange(count))
    speed = np.hypot(across, down).ravel()
    is_used = (speed > 0) & (speed < count - 0.5)
    seed = {"luma": 0, "blue": 1, "red": 2}[name]
    drawn = np.random.default_rng((20, seed)).standard_normal((count * count, BITS))
    weights = np.where(is_used, speed, 0.0) ** 0.7
    return np.asarray(np.rint(drawn * weights[:, None] * 64))


def shrink(
    pixels: UInt8[np.ndarray, "images height width channels"], side: int
) -> Float[np.ndarray, "images side side"]:
    """Give the brightness of pictures, averaged down (or stretched) to a square.

    Args:
        pixels: One or three channels.
        side: Of the square, in pixels.

    Returns:
        Grey levels, 0..255, float32.
    """
    values = pixels.astype(np.float32)
    grey = values[..., 0] if values.shape[3] == 1 else values @ (_LUMA / 1000).astype(np.float32)
    height, width = grey.shape[1:]
    if (height, width) == (side, side):
        return grey
    return np.asarray(_areas(height, side) @ grey @ _areas(width, side).T)


@functools.cache
def _areas(size: int, side: int) -> Float[np.ndarray, "side size"]:
    """Give the share that each old pixel has in each new one."""
    edges = np.linspace(0.0, size, side + 1)
    first: Int[np.ndarray, "size"] = np.arange(size)
    low = np.maximum(edges[:-1, None], first)
    high = np.minimum(edges[1:, None], first + 1)
    shares = np.maximum(high - low, 0.0)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)
