"""The images of a part as a training takes them: pixels, targets, identities."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.data.dataset import Dataset
from darkroom.data.prepared import pixel_rows
from darkroom.data.preprocess import Preprocess

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt8, UInt64

_COUNTED_BYTES = 4 * 1024 * 1024  # of pixels at a time; counting takes nine times as much


class Images(msgspec.Struct, frozen=True, kw_only=True):
    """The images of one part, in the order of the index."""

    pixels: UInt8[np.ndarray, "rows height width channels"]  # every row of the cache
    rows: Int[np.ndarray, "images"]  # the row of each image
    targets: Float[np.ndarray, "images classes"]
    identities: UInt64[np.ndarray, "images"]  # from each image's sha256

    def __len__(self) -> int:
        return len(self.rows)

    def take(
        self, chosen: Int[np.ndarray, "images"] | slice
    ) -> UInt8[np.ndarray, "images height width channels"]:
        """Copy the pixels of some images."""
        return np.asarray(self.pixels[self.rows[chosen]])


def load_images(dataset: Dataset, part: str, preprocess: Preprocess) -> Images:
    """Give a part's pixels, targets and identities.

    Args:
        dataset: Split.
        part: One of its parts.
        preprocess: What to prepare the images for.

    Raises:
        DataError: The part is missing, or an image changed since the dataset was opened.
        ArtifactError: The disk is full, or the cache was removed while it was filled.
    """
    table = dataset.part(part)
    pixels, rows = pixel_rows(dataset, table, preprocess)
    digests = (bytes.fromhex(digest[:16]) for digest in table["sha256"])
    return Images(
        pixels=pixels,
        rows=rows,
        targets=dataset.targets(part),
        identities=np.array([int.from_bytes(digest, "big") for digest in digests], np.uint64),
    )


def channel_statistics(images: Images) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Measure the mean and the standard deviation of each channel over all pixels of a part.

    Every level is counted, a few MiB at a time, so the sums are exact at any number of images.

    Args:
        images: At least one.

    Returns:
        The means and the standard deviations, in 0..255.

    Source: own.
    """
    channels = images.pixels.shape[3]
    counts = np.zeros((channels, 256), np.int64)
    step = max(_COUNTED_BYTES // int(np.prod(images.pixels.shape[1:])), 1)
    for start in range(0, len(images), step):
        some = images.take(slice(start, start + step))
        for channel in range(channels):
            counts[channel] += np.bincount(some[..., channel].ravel(), minlength=256)
    means, deviations = [], []
    for levels in counts.tolist():  # whole numbers without bounds
        total = sum(levels)
        first = sum(level * count for level, count in enumerate(levels))
        second = sum(level * level * count for level, count in enumerate(levels))
        means.append(first / total)
        deviations.append(math.sqrt((second * total - first * first) / (total * total)))
    return tuple(means), tuple(deviations)
