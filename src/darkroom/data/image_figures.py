"""Figures of a single image: its channels, their order, its values rescaled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.data.dataset import Dataset
from darkroom.data.image_maths import CHANNELS, split_channels, swap_red_and_blue
from darkroom.data.pixels import channel_statistics, load_images
from darkroom.data.preprocess import (
    Preprocess,
    Scaling,
    prepare_image,
    prepare_pixels,
    scale_pixels,
)
from darkroom.data.showing import image_row, small_images
from darkroom.errors import DataError
from darkroom.plots import Figure, Picture, picture_sheet, value_histograms

if TYPE_CHECKING:
    from jaxtyping import UInt8

_SIDE, _SIDE_PX = 150, 300  # as shown, and as read


def draw_channels(dataset: Dataset, image: str) -> Figure:
    """Draw what `dataset.plot.channels` shows."""
    pixels = _large(dataset, image)
    alone = split_channels(pixels)
    luma = prepare_pixels(
        pixels, Preprocess(height=pixels.shape[0], width=pixels.shape[1], channels=1)
    )
    tinted = [Picture(pixels=pixels, name=image, caption="image")]
    tinted += [Picture(pixels=of, name=name, caption=name) for name, of in alone.items()]
    grey = [Picture(pixels=luma, name="luma", caption="all three, weighed")]
    grey += [
        Picture(pixels=pixels[:, :, [number]], name=name, caption=name)
        for number, name in enumerate(CHANNELS)
    ]
    sheet = {"The channels alone; together they are the image": tinted, "As brightness": grey}
    return picture_sheet(sheet, title=image, side=_SIDE)


def draw_rgb_bgr(dataset: Dataset, image: str) -> Figure:
    """Draw what `dataset.plot.rgb_bgr` shows."""
    pixels = _large(dataset, image)
    pictures = [
        Picture(pixels=pixels, name=image, caption="read as RGB"),
        Picture(pixels=swap_red_and_blue(pixels), name=image, caption="read as BGR"),
    ]
    return picture_sheet({"": pictures}, title=image, side=_SIDE)


def draw_rescaled(dataset: Dataset, image: str) -> Figure:
    """Draw what `dataset.plot.rescaled` shows."""
    unit = _with_scaling(dataset.default_preprocess(), "unit")
    pixels = prepare_image(dataset.read(image_row(dataset, image))[0], unit)
    if "train" not in dataset.counts:
        raise DataError(
            f"{dataset.name} has no training part, so nothing to standardise by",
            hint="dataset = dr.split_dataset(dataset)",
        )
    mean, std = channel_statistics(load_images(dataset, "train", unit))
    ways = {
        "unit: 0..1": unit,
        "signed: -1..1": _with_scaling(unit, "signed"),
        "standard: by the training part": _with_scaling(unit, "standard", mean, std),
    }
    values = {
        heading: scale_pixels(pixels, way).reshape(-1, pixels.shape[2])
        for heading, way in ways.items()
    }
    return value_histograms(values, title=image)


def _large(dataset: Dataset, image: str) -> UInt8[np.ndarray, "height width 3"]:
    [pixels] = small_images(dataset, image_row(dataset, image), _SIDE_PX)
    if pixels.shape[2] == 1:
        raise DataError(
            f"{image} is grey: it has one channel",
            hint="dataset.plot.contact_sheet() shows the images as they are",
        )
    return pixels


def _with_scaling(
    preprocess: Preprocess,
    scaling: Scaling,
    mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
) -> Preprocess:
    return msgspec.structs.replace(preprocess, scaling=scaling, mean=mean, std=std)
