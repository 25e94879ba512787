"""What a network has learned to look for, and what it sees: first kernels and feature maps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.backend import to_numpy
from darkroom.evaluation.explain.inside import Inside

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8

    Sheet = UInt8[np.ndarray, "height width 3"]

INSIDES = ("kernels", "feature-maps")

_KERNELS = 64  # on the sheet, the strongest first
_MAPS = 8  # of each layer, the most active first
_LAYERS = 3  # the first convolution, the last, and the one halfway
_BETWEEN, _GROUND = 1, 255  # pixels between tiles, and their grey


class FeatureMaps(msgspec.Struct, frozen=True, kw_only=True):
    """What one layer sees in an image."""

    layer: str
    of: int  # maps that the layer has
    sheet: Sheet


def first_kernels(inside: Inside) -> Sheet:
    """Draw what the first convolution looks for, each kernel in its own contrast.

    Colours are drawn as such where the layer sees an image in colour.

    Args:
        inside: With at least one convolution.
    """
    kernels = to_numpy(inside.convolutions[0].kernel.value).astype(np.float32)
    if kernels.shape[2] not in (1, 3):
        kernels = kernels.mean(axis=2, keepdims=True)
    each = np.moveaxis(kernels, 3, 0)
    strongest = np.argsort(-np.abs(each).sum(axis=(1, 2, 3)), kind="stable")[:_KERNELS]
    each = each[strongest]
    reach = np.abs(each).max(axis=(1, 2, 3), keepdims=True)
    tiles = np.divide(each, reach, out=np.zeros_like(each), where=reach > 0) / 2 + 0.5
    if inside.preprocess.channel_order == "bgr":
        tiles = tiles[..., ::-1]
    return _sheet(np.repeat(tiles, 3 // tiles.shape[3], axis=3))


def feature_maps(
    inside: Inside, pixels: UInt8[np.ndarray, "images height width channels"]
) -> list[list[FeatureMaps]]:
    """Draw what the first, a middle and the last convolution see in each of a few images.

    Args:
        inside: With at least one convolution.
        pixels: Prepared.
    """
    layers = [layer.name for layer in inside.convolutions]
    places = np.unique(np.linspace(0, len(layers) - 1, _LAYERS).round().astype(int))
    chosen = [layers[place] for place in places.tolist()]
    seen = inside.maps(inside.scaled(pixels), chosen)
    return [
        [_most_active(name, maps[row]) for name, maps in zip(chosen, seen, strict=True)]
        for row in range(len(pixels))
    ]


def _most_active(layer: str, maps: Float[np.ndarray, "height width maps"]) -> FeatureMaps:
    each = np.maximum(np.moveaxis(maps, 2, 0), 0)
    tiles = each[np.argsort(-each.mean(axis=(1, 2)), kind="stable")[:_MAPS]]
    most = tiles.max(axis=(1, 2), keepdims=True)
    tiles = np.divide(tiles, most, out=np.zeros_like(tiles), where=most > 0)
    sheet = _sheet(np.repeat(tiles[..., None], 3, axis=3), columns=_MAPS)
    return FeatureMaps(layer=layer, of=len(each), sheet=sheet)


def _sheet(tiles: Float[np.ndarray, "tiles height width 3"], columns: int | None = None) -> Sheet:
    """Lay tiles side by side; their values are shares of white."""
    count, height, width, _ = tiles.shape
    columns = min(columns or math.ceil(math.sqrt(2 * count)), count)
    rows = math.ceil(count / columns)
    pitch_y, pitch_x = height + _BETWEEN, width + _BETWEEN
    sheet = np.full((rows * pitch_y - _BETWEEN, columns * pitch_x - _BETWEEN, 3), _GROUND, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = number // columns * pitch_y, number % columns * pitch_x
        sheet[top : top + height, left : left + width] = np.rint(255 * tile)
    return sheet
