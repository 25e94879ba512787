"""Heat: what a method of explaining gives, and what all methods share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec
import numpy as np
from PIL import Image

from darkroom.evaluation.explain.subject import Subject

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int, UInt8

    Pixels = UInt8[np.ndarray, "images height width channels"]
    Heat = Float[np.ndarray, "images height width"]

CELLS = 8  # along each side of an image: the patches in which heat is tested and compared


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a method may spend."""

    answers: int  # of the network for each image, at most; a slope counts as one
    seed: int = 0


class Explain(Protocol):
    """Says of each place of an image how much it speaks for a class."""

    def __call__(
        self, subject: Subject, pixels: Pixels, classes: Int[np.ndarray, "images"], asked: Asked
    ) -> Heat:
        """Give a map for each image.

        Args:
            subject: Has what the method needs.
            pixels: Prepared.
            classes: One for each image.
            asked: What may be spent.

        Returns:
            Float32 in any scale: above 0 a place speaks for the class, below 0 against it.
        """
        ...


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the catalog."""

    name: str
    explain: Explain
    needs: Literal["answers", "slopes", "maps"]  # maps: slopes, and convolutions
    answers: int  # of the network for each image, unless the user says otherwise
    fewest: int  # below which it says nothing
    says: str  # one line for people who choose
    source: str
    package: str | None = None  # that has to be installed; None: none


def blanked(pixels: Pixels) -> Pixels:
    """Give what stands where something was taken away: each image's own median colour.

    Black would be a statement in itself, a blurred image still shows large patches of colour, and
    the mean is tinged by what was taken away.
    """
    middle = np.median(pixels, axis=(1, 2), keepdims=True)
    return np.broadcast_to(middle.astype(np.uint8), pixels.shape)


def grid(size: Sequence[int], cells: int) -> Int[np.ndarray, "height width"]:
    """Number the cell that each pixel lies in, row by row.

    Args:
        size: Height and width of an image.
        cells: Along each side; fewer where a side has fewer pixels.
    """
    rows, columns = (np.arange(side) * min(cells, side) // side for side in size)
    return np.asarray(rows[:, None] * min(cells, size[1]) + columns)


def cell_means(heat: Heat, cells: int = CELLS) -> Float[np.ndarray, "images cells"]:
    """Average heat over the cells of a grid."""
    number = grid(heat.shape[1:], cells).ravel()
    sizes = np.bincount(number)
    flat = heat.reshape(len(heat), -1).astype(np.float64)
    return np.stack([np.bincount(number, weights=each) / sizes for each in flat])


def shown_where(
    image: UInt8[np.ndarray, "height width channels"],
    kept: Bool[np.ndarray, "images cells"],
    number: Int[np.ndarray, "height width"],
) -> Pixels:
    """Show an image again and again, each time only some of its cells.

    Args:
        image: Prepared.
        kept: The cells to show; the others have the image's median colour.
        number: Of the cell that each pixel lies in.
    """
    return np.where(kept[:, number][..., None], image, blanked(image[None])[0])


def enlarge(maps: Float[np.ndarray, "images rows columns"], height: int, width: int) -> Heat:
    """Spread small maps over an image, smoothly."""
    images = (Image.fromarray(each.astype(np.float32)) for each in maps)
    return np.stack(
        [np.asarray(each.resize((width, height), Image.Resampling.BILINEAR)) for each in images]
    )


def unit(heat: Heat) -> Heat:
    """Scale each map so that its largest magnitude is 1; one without any heat stays 0."""
    finite = np.nan_to_num(heat.astype(np.float32), posinf=0.0, neginf=0.0)
    most = np.abs(finite).max(axis=(1, 2), keepdims=True)
    return np.asarray(np.divide(finite, most, out=np.zeros_like(finite), where=most > 0))
