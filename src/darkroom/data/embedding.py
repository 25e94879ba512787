"""An Embedding: every image as a point, so that images that look alike lie near each other.

Here it is made of colours and gradients, which needs no network; `darkroom.models.trunk` makes
one of a pretrained network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.prepared import pixel_rows
from darkroom.errors import DataError
from darkroom.progress import track_sized

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Shaped, UInt8

_CHUNK = 1024
_LARGEST_PX = 32  # gradients of more than this say little about what an image shows
_COMPONENTS = 64  # own: twice as many moved no accuracy that was tried by 2 %
_CELLS = 6  # per side, for gradients
_ANGLES = 8  # unsigned directions of a gradient, 22.5 degrees each
_LAYOUT = 4  # cells per side, for mean colours
_SHADES = 4  # steps per channel in the histogram of colours


class Embedding(msgspec.Struct, frozen=True, kw_only=True):
    """One point per image."""

    images: tuple[str, ...]  # names, in the order of the index; of a sample when there are many
    vectors: np.ndarray  # images x numbers, float32; length 1, or 0 for an image like the mean
    made_by: str  # what the numbers come from, in words


def simple_embedding(dataset: Dataset) -> Embedding:
    """Describe each image by its colours and gradients.

    They tell a night from a beach, and hardly a cat from a dog: a network does that better.

    Args:
        dataset: Its images are taken at the size of its default Preprocess.

    Returns:
        All its images.

    Raises:
        DataError: There is no image, or one changed since the dataset was opened.
        ArtifactError: The disk is full.

    Source: own, after histograms of oriented gradients, Dalal and Triggs 2005,
    doi:10.1109/CVPR.2005.177.
    """
    pixels, rows = pixel_rows(dataset, dataset.index, dataset.default_preprocess())
    starts = range(0, len(rows), _CHUNK)
    sized = ((slice(start, start + _CHUNK), min(_CHUNK, len(rows) - start)) for start in starts)
    features = [
        describe_pixels(pixels[rows[chunk]])
        for chunk, _ in track_sized(sized, "describing images", len(rows))
    ]
    numbers = np.concatenate(features) if features else np.zeros((0, 1), np.float32)
    return embedding_of(dataset.index["image"].to_list(), numbers, "colours and gradients")


def embedding_of(
    images: list[str], features: Float[np.ndarray, "images numbers"], made_by: str
) -> Embedding:
    """Make an Embedding of any features: standardised, at most 64 numbers, of length 1.

    Args:
        images: Names.
        features: A row per image; finite.
        made_by: What they are, in words.

    Raises:
        DataError: There is no image.
    """
    from sklearn.decomposition import PCA  # a second to import, and not every caller comes here
    from threadpoolctl import threadpool_limits

    if not images:
        raise DataError("there is no image to describe", hint="darkroom check FOLDER")
    spread = features.std(axis=0)
    kept = features[:, spread > 1e-6 * max(float(spread.max()), 1e-6)]
    if len(images) < 2 or kept.shape[1] == 0:
        return Embedding(
            images=tuple(images), vectors=np.zeros((len(images), 1), np.float32), made_by=made_by
        )
    standard = (kept - kept.mean(axis=0)) / kept.std(axis=0)
    components = min(_COMPONENTS, len(images) - 1, kept.shape[1])
    with threadpool_limits(1):  # on a busy machine two threads wait for each other
        reduced = PCA(components, random_state=0).fit_transform(standard)
    lengths = np.linalg.norm(reduced, axis=1, keepdims=True)
    vectors = np.divide(reduced, lengths, out=np.zeros_like(reduced), where=lengths > 1e-6)
    return Embedding(images=tuple(images), vectors=vectors.astype(np.float32), made_by=made_by)


def fair_sample(
    groups: Shaped[np.ndarray, "images"], limit: int, *, seed: int = 0
) -> Int[np.ndarray, "chosen"]:
    """Choose images at random so that small groups are not lost among large ones.

    Every group gives the same number, or all it has.

    Args:
        groups: What each image belongs to, for example its class.
        limit: How many images at most; all are taken when there are no more.
        seed: Another one, other images.

    Returns:
        Places, ascending.
    """
    if len(groups) <= limit:
        return np.arange(len(groups))
    order = np.random.default_rng(seed).permutation(len(groups))
    turn = np.empty(len(groups), np.int64)  # how many of the same group came before
    by_group = order[np.argsort(groups[order], kind="stable")]
    sorted_groups = groups[by_group]
    starts = np.flatnonzero(np.r_[True, sorted_groups[1:] != sorted_groups[:-1]])
    sizes = np.diff(np.r_[starts, len(groups)])
    turn[by_group] = np.arange(len(groups)) - np.repeat(starts, sizes)
    first = np.lexsort((np.argsort(order), turn))
    return np.sort(first[:limit])


def class_of_each(dataset: Dataset) -> Int[np.ndarray, "images"]:
    """Give the first label of every image of the index, -1 where there is none."""
    first = dataset.index["labels"].list.get(0, null_on_oob=True)
    return first.cast(pl.Int64).fill_null(-1).to_numpy()


def describe_pixels(
    pixels: UInt8[np.ndarray, "images height width channels"],
) -> Float[np.ndarray, "images numbers"]:
    """Describe pixels by their colours, where these are, and gradients; nothing is fitted."""
    small = _at_most(pixels, _LARGEST_PX)
    colour = np.repeat(small, 3, axis=3) if small.shape[3] == 1 else small
    blocks = (_histogram(colour), _layout(colour), _gradients(colour.mean(axis=3)))
    return np.concatenate(blocks, axis=1)


def _at_most(
    pixels: UInt8[np.ndarray, "images height width channels"], largest_px: int
) -> Float[np.ndarray, "images rows columns channels"]:
    """Average whole blocks of pixels until no side is longer; what is left over falls off."""
    _, height, width, channels = pixels.shape
    tall, wide = -(-height // largest_px), -(-width // largest_px)
    if tall == wide == 1:
        return pixels.astype(np.float32)
    cut = pixels[:, : height // tall * tall, : width // wide * wide]
    blocks = cut.reshape(len(cut), height // tall, tall, width // wide, wide, channels)
    small: Float[np.ndarray, "images rows columns channels"] = blocks.mean(
        axis=(2, 4), dtype=np.float32
    )
    return small


def _histogram(
    colour: Float[np.ndarray, "images height width 3"],
) -> Float[np.ndarray, "images bins"]:
    """Count colours, and take roots, so that a common colour does not drown the others."""
    images = len(colour)
    steps = (colour * (_SHADES / 256)).astype(np.int64)
    bins = (steps[..., 0] * _SHADES + steps[..., 1]) * _SHADES + steps[..., 2]
    flat = (bins.reshape(images, -1) + np.arange(images)[:, None] * _SHADES**3).ravel()
    counts = np.bincount(flat, minlength=images * _SHADES**3).reshape(images, -1)
    return np.asarray(np.sqrt(counts / bins[0].size), np.float32)


def _layout(
    colour: Float[np.ndarray, "images height width 3"],
) -> Float[np.ndarray, "images cells"]:
    """Give the mean colour of each cell."""
    return _cell_sums(colour, _LAYOUT, mean=True).reshape(len(colour), -1).astype(np.float32)


def _gradients(
    grey: Float[np.ndarray, "images height width"],
) -> Float[np.ndarray, "images cells"]:
    """Sum the gradients of each cell by direction, relative to those of the whole image."""
    down, right = np.zeros_like(grey), np.zeros_like(grey)
    down[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    right[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    strength = np.hypot(down, right)
    turn = np.arctan2(down, right) / np.pi  # -1..1; opposite directions count as one
    angle = np.floor((turn % 1.0) * _ANGLES).astype(np.int64) % _ANGLES
    spread = np.where(angle[..., None] == np.arange(_ANGLES), strength[..., None], 0.0)
    cells = np.sqrt(_cell_sums(spread, _CELLS, mean=False))
    flat = cells.reshape(len(grey), -1)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(length, 1e-6), np.float32)


def _cell_sums(
    values: Float[np.ndarray, "images height width numbers"], cells: int, *, mean: bool
) -> Float[np.ndarray, "images rows columns numbers"]:
    """Sum or average over a grid of cells; a side shorter than the grid has a cell per pixel."""
    height, width = values.shape[1:3]
    tops = np.unique(np.linspace(0, height, min(cells, height) + 1)[:-1].astype(np.int64))
    lefts = np.unique(np.linspace(0, width, min(cells, width) + 1)[:-1].astype(np.int64))
    sums = np.add.reduceat(np.add.reduceat(values, tops, axis=1), lefts, axis=2)
    if not mean:
        return sums
    areas = np.outer(np.diff(np.r_[tops, height]), np.diff(np.r_[lefts, width]))
    return sums / areas[None, :, :, None]
