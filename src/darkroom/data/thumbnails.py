"""Small pictures of a dataset's images, as data URIs for pages that need no other file."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from PIL import Image

from darkroom.data.dataset import Dataset
from darkroom.data.showing import small_images

if TYPE_CHECKING:
    from jaxtyping import UInt8

_SIDE_PX = 112
_PIXEL_ART_PX = 64  # what is no larger is kept as it is, and enlarged in whole pixels by the page
_QUALITY = 78


def thumbnails(dataset: Dataset, names: Iterable[str]) -> dict[str, str]:
    """Draw a small picture of each of some images.

    Args:
        dataset: Where they are from.
        names: Of images in its index; names that are not there are passed over.

    Returns:
        A data URI for each name.

    Raises:
        DataError: One of them changed since the dataset was opened.
    """
    rows = dataset.index.filter(pl.col("image").is_in(list(set(names))))
    small = small_images(dataset, rows, _SIDE_PX)
    return {name: thumbnail(pixels) for name, pixels in zip(rows["image"], small, strict=True)}


def thumbnail(pixels: UInt8[np.ndarray, "height width channels"]) -> str:
    """Draw pixels small, as a data URI.

    Args:
        pixels: Grey or RGB; what is larger than 64 px is drawn at most 112 px wide and high.
    """
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    is_small = max(image.size) <= _PIXEL_ART_PX
    buffer = io.BytesIO()
    if is_small:
        image.save(buffer, "PNG")
    else:
        image.thumbnail((_SIDE_PX, _SIDE_PX))
        image.save(buffer, "JPEG", quality=_QUALITY)
    kind = "png" if is_small else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
