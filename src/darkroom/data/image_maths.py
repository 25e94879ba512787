"""The arithmetic of images and labels that every course begins with, exact and checked.

Labels become rows of zeros with a one and come back; an image is taken apart into its channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from darkroom.errors import DataError
from darkroom.wording import counted

if TYPE_CHECKING:
    from jaxtyping import Float32, Int, Int64, Num, Shaped

CHANNELS = ("red", "green", "blue")


def one_hot(labels: Int[np.ndarray, "images"] | Sequence[int], classes: int) -> Float32[
    np.ndarray, "images classes"
]:  # fmt: skip
    """Write each label as a row of zeros with a one at its class.

    Args:
        labels: Class indices, 0 to classes - 1.
        classes: How many there are, 1 or more.

    Returns:
        One row per label; each sums to 1.

    Raises:
        DataError: A label is no whole number or no class; it is named.

    Source: own.
    """
    given = np.asarray(labels)
    if classes < 1:
        raise DataError(f"{classes} classes are too few", hint="classes=len(dataset.classes)")
    if given.size == 0:
        given = given.astype(np.int64)
    if given.ndim != 1 or not np.issubdtype(given.dtype, np.integer):
        raise DataError(
            f"labels of shape {given.shape} and type {given.dtype} are no row of whole numbers",
            hint='dataset.label_indices("train") gives them',
        )
    outside = np.flatnonzero((given < 0) | (given >= classes))
    if len(outside):
        first = int(outside[0])
        raise DataError(
            f"the label {int(given[first])} at position {first:,} is outside 0..{classes - 1}",
            hint=f"classes={int(given.max()) + 1}" if given.min() >= 0 else "count classes from 0",
        )
    rows = np.zeros((len(given), classes), np.float32)
    rows[np.arange(len(given)), given] = 1
    return rows


def from_one_hot(rows: Num[np.ndarray, "images classes"]) -> Int64[np.ndarray, "images"]:
    """Read the label off each row of zeros with a one, the way back from `one_hot`.

    Args:
        rows: Each holds exactly one 1, and 0 everywhere else.

    Returns:
        The place of the one in each row, 0 to classes - 1.

    Raises:
        DataError: A row is no one-hot: several ones, none, or other numbers. Probabilities and
            several labels per image are refused, because their largest place is another thing.

    Source: own.
    """
    given = np.asarray(rows)
    if given.ndim != 2 or not np.issubdtype(given.dtype, np.number):
        raise DataError(
            f"an array of shape {given.shape} and type {given.dtype} is no table of numbers",
            hint='dataset.targets("train") gives one row per image',
        )
    is_hot = ((given == 0) | (given == 1)).all(axis=1) & ((given == 1).sum(axis=1) == 1)
    wrong = np.flatnonzero(~is_hot)
    if len(wrong):
        first = int(wrong[0])
        ones = counted(int((given[first] == 1).sum()), "one", "ones")
        raise DataError(
            f"row {first:,} is no one-hot: it holds {ones} and sums to {given[first].sum():g}",
            hint="rows.argmax(axis=1) names the largest place of any row",
        )
    return np.asarray(given.argmax(axis=1), np.int64)


def split_channels(
    image: Shaped[np.ndarray, "height width 3"],
) -> dict[str, Shaped[np.ndarray, "height width 3"]]:
    """Show each channel alone: the image with the other two at zero.

    The three add up to the image again.

    Args:
        image: Red, green and blue, of any number type.

    Returns:
        An image under each of `red`, `green` and `blue`.

    Raises:
        DataError: The image has no three channels.

    Source: own.
    """
    _refuse_no_colour(image)
    alone = np.eye(3, dtype=image.dtype)
    return {name: image * alone[number] for number, name in enumerate(CHANNELS)}


def swap_red_and_blue(
    images: Shaped[np.ndarray, "*images height width 3"],
) -> Shaped[np.ndarray, "*images height width 3"]:
    """Turn RGB into BGR, or BGR into RGB: the same exchange.

    Args:
        images: One or many, of any number type.

    Raises:
        DataError: They have no three channels.

    Source: own.
    """
    _refuse_no_colour(images)
    return np.ascontiguousarray(images[..., ::-1])


def _refuse_no_colour(images: Shaped[np.ndarray, "..."]) -> None:
    if images.ndim < 3 or images.shape[-1] != 3:
        raise DataError(
            f"an array of shape {images.shape} has no red, green and blue as its last axis",
            hint="np.repeat(image, 3, axis=-1) makes a grey image a coloured one",
        )
