"""Images that belong to no class, made from nothing and from the validation part's own pixels.

They stand in for what nobody can collect: everything else that a camera may be pointed at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from darkroom.errors import DataError

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt8

    Pixels = UInt8[np.ndarray, "images height width channels"]

_AT_ONCE = 32  # images in float32 at a time: 224 px in colour are 19 MB
_GRID = 4  # patches a side that are shuffled, and random colours a side that are smoothed
_RIVALS = 8  # images of which the most different is blended in
_THUMBNAIL = 8  # pixels a side by which images are compared

DRAWN = (
    "uniform noise", "coloured noise", "flat colour", "gradient", "shuffled patches",
    "stretched crop", "blend",
)  # fmt: skip
_Kind = Callable[["Pixels", int, np.random.Generator], "Pixels"]


def draw_outliers(images: Pixels, *, count: int, seed: int = 0) -> dict[str, Pixels]:
    """Draw images that show none of the classes, of seven kinds.

    Three kinds come from nothing (uniform noise, coloured noise, flat colours and gradients) and
    are easy to tell. Those from the images' own pixels (shuffled patches, blends, strong crops and
    stretches) have their colours and edges and are harder; of textures, a strong crop may still be
    of its class.

    Args:
        images: The validation part as it is fed to the network, before scaling; grey or colour,
            any size.
        count: Images of each kind; they take height x width x channels bytes each.
        seed: The same seed draws the same outliers.

    Returns:
        Pixels by the name of their kind. `blend` is left out where all images are alike.

    Raises:
        DataError: There are no images to draw from, or not as bytes with four axes.

    Source: noise and flat images, Hendrycks and Gimpel 2017, arXiv:1610.02136; patches and blends,
    Hendrycks et al. 2019, arXiv:1812.04606.
    """
    if images.ndim != 4 or images.dtype != np.uint8 or not images.size:
        raise DataError(
            f"outliers cannot be drawn from {images.dtype} pixels of shape {images.shape}",
            hint="hand in uint8 pixels: images x height x width x channels, and at least one image",
        )
    ways: tuple[_Kind, ...] = (
        _uniform_noise,
        _coloured_noise,
        _flat_colour,
        _gradient,
        _shuffled_patches,
        _stretched_crop,
        _blend,
    )
    kinds = dict(zip(DRAWN, ways, strict=True))
    if (images == images[:1]).all():
        del kinds["blend"]
    # Every kind has random numbers of its own, so that a new kind changes none of the others.
    return {
        name: draw(images, count, np.random.default_rng([seed, *name.encode()]))
        for name, draw in kinds.items()
    }


def _uniform_noise(images: Pixels, count: int, rng: np.random.Generator) -> Pixels:
    return rng.integers(0, 256, (count, *images.shape[1:]), np.uint8)


def _coloured_noise(images: Pixels, count: int, rng: np.random.Generator) -> Pixels:
    """Blow a few random colours up until they run into each other."""
    _, height, width, channels = images.shape
    made = np.empty((count, *images.shape[1:]), np.uint8)
    for start in range(0, count, _AT_ONCE):
        some = min(_AT_ONCE, count - start)
        coarse = rng.integers(0, 256, (some, _GRID, _GRID, channels), np.uint8)
        rows, columns = (
            np.tile(np.linspace(0, _GRID - 1, side), (some, 1)) for side in (height, width)
        )
        made[start : start + some] = _resample(coarse, rows, columns)
    return made


def _flat_colour(images: Pixels, count: int, rng: np.random.Generator) -> Pixels:
    colours = rng.integers(0, 256, (count, 1, 1, images.shape[3]), np.uint8)
    return np.array(np.broadcast_to(colours, (count, *images.shape[1:])))


def _gradient(images: Pixels, count: int, rng: np.random.Generator) -> Pixels:
    """Run from one random colour to another, in a random direction."""
    _, height, width, channels = images.shape
    angles = rng.uniform(0, 2 * np.pi, (count, 1, 1)).astype(np.float32)
    one, other = rng.integers(0, 256, (2, count, 1, 1, channels)).astype(np.float32)
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    made = np.empty((count, *images.shape[1:]), np.uint8)
    for start in range(0, count, _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        way = np.sin(angles[some]) * down + np.cos(angles[some]) * across
        share = ((way / np.sqrt(2) + 1) / 2)[..., None]
        made[some] = np.rint(one[some] + (other[some] - one[some]) * share)
    return made


def _shuffled_patches(images: Pixels, count: int, rng: np.random.Generator) -> Pixels:
    """Deal the patches of each image anew; what does not fit into whole patches stays."""
    made = np.asarray(images[_pick(len(images), count, rng)])
    rows, columns = min(_GRID, made.shape[1]), min(_GRID, made.shape[2])
    high, wide, channels = made.shape[1] // rows, made.shape[2] // columns, made.shape[3]
    inner = made[:, : rows * high, : columns * wide]
    patches = inner.reshape(count, rows, high, columns, wide, channels).swapaxes(2, 3)
    patches = patches.reshape(count, rows * columns, high, wide, channels)
    # Turning a shuffled circle by one leaves no patch in its place.
    circle = rng.permuted(np.tile(np.arange(rows * columns), (count, 1)), axis=1)
    source = np.empty_like(circle)
    np.put_along_axis(source, circle, np.roll(circle, 1, axis=1), axis=1)
    dealt = np.take_along_axis(patches, source[:, :, None, None, None], axis=1)
    dealt = dealt.reshape(count, rows, columns, high, wide, channels).swapaxes(2, 3)
    made[:, : rows * high, : columns * wide] = dealt.reshape(inner.shape)
    return made


def _stretched_crop(images: Pixels, count: int, rng: np.random.Generator) -> Pixels:
    """Blow up a piece whose sides are a sixteenth to a quarter of the image's, each by its own."""
    picks = _pick(len(images), count, rng)
    made = np.empty((count, *images.shape[1:]), np.uint8)
    ends = [
        (low, low + span)
        for side in images.shape[1:3]
        for span in [(side - 1) * rng.uniform(1 / 16, 1 / 4, count)]
        for low in [rng.uniform(0, 1, count) * (side - 1 - span)]
    ]
    for start in range(0, count, _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        rows, columns = (
            np.linspace(low[some], high[some], side, axis=-1)
            for (low, high), side in zip(ends, images.shape[1:3], strict=True)
        )
        made[some] = _resample(images[picks[some]], rows, columns)
    return made


def _blend(images: Pixels, count: int, rng: np.random.Generator) -> Pixels:
    """Lay two images over each other in equal shares, of several pairs the most different."""
    step = [max(side // _THUMBNAIL, 1) for side in images.shape[1:3]]
    thumbnails = images[:, :: step[0], :: step[1]].astype(np.int16)
    ones = _pick(len(images), count, rng)
    rivals = rng.integers(0, len(images), (count, _RIVALS))
    made = np.empty((count, *images.shape[1:]), np.uint8)
    for start in range(0, count, _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        one, other = ones[some], rivals[some]
        apart = np.abs(thumbnails[other] - thumbnails[one, None]).mean(axis=(2, 3, 4))
        farthest = other[np.arange(len(one)), apart.argmax(axis=1)]
        made[some] = (images[one].astype(np.uint16) + images[farthest] + 1) // 2
    return made


def _pick(images: int, count: int, rng: np.random.Generator) -> Int[np.ndarray, "count"]:
    """Pick images at random, every one as often as any other if possible."""
    rounds = [rng.permutation(images) for _ in range(-(-count // images))]
    return np.concatenate([*rounds, np.zeros(0, np.int64)])[:count].astype(np.int64)


def _resample(
    pixels: UInt8[np.ndarray, "images height width channels"],
    rows: Float[np.ndarray, "images rows"],
    columns: Float[np.ndarray, "images columns"],
) -> Pixels:
    """Read pixels at places between them, by linear interpolation along both sides."""
    each = np.arange(len(pixels))[:, None]
    above, share = _between(rows, pixels.shape[1])
    below = np.minimum(above + 1, pixels.shape[1] - 1)
    share = share[:, :, None, None]
    lines = pixels[each, above] * (1 - share) + pixels[each, below] * share
    left, share = _between(columns, pixels.shape[2])
    right = np.minimum(left + 1, pixels.shape[2] - 1)
    lines, share = lines.swapaxes(1, 2), share[:, :, None, None]
    read = lines[each, left] * (1 - share) + lines[each, right] * share
    return np.asarray(np.rint(read).astype(np.uint8).swapaxes(1, 2))


def _between(
    places: Float[np.ndarray, "images places"], pixels: int
) -> tuple[Int[np.ndarray, "images places"], Float[np.ndarray, "images places"]]:
    """Name the pixel before each place, and how far it is from there to the next, 0..1."""
    before = np.clip(np.floor(places).astype(np.int64), 0, pixels - 1)
    return before, np.clip(places - before, 0, 1).astype(np.float32)
