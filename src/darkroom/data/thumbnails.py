"""Small pictures of a dataset's images, as data URIs for pages that need no other file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from PIL import Image

from darkroom.data.dataset import Dataset
from darkroom.data.showing import small_images
from darkroom.pages import image_uri

if TYPE_CHECKING:
    from jaxtyping import UInt8

_SIDE_PX = 112
_PIXEL_ART_PX = 64  # what is no larger is kept as it is, and enlarged in whole pixels by the page
_QUALITY = 78


def thumbnails(
    dataset: Dataset, names: Iterable[str], *, longest_px: int = _SIDE_PX
) -> dict[str, str]:
    """Draw a small picture of each of some images.

    Args:
        dataset: Where they are from.
        names: Of images in its index; names that are not there are passed over.
        longest_px: The longer side, at most.

    Returns:
        A data URI for each name.

    Raises:
        DataError: One of them changed since the dataset was opened.
    """
    rows = dataset.index.filter(pl.col("image").is_in(list(set(names))))
    small = small_images(dataset, rows, longest_px)
    return {
        name: thumbnail(pixels, longest_px=longest_px)
        for name, pixels in zip(rows["image"], small, strict=True)
    }


def thumbnail(
    pixels: UInt8[np.ndarray, "height width channels"], *, longest_px: int = _SIDE_PX
) -> str:
    """Draw pixels small, as a data URI.

    Args:
        pixels: Grey or RGB.
        longest_px: The longer side, at most, of what is larger than 64 px.
    """
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    if max(image.size) <= _PIXEL_ART_PX:
        return image_uri(image)
    image.thumbnail((longest_px, longest_px))
    return image_uri(image, quality=_QUALITY)
