"""Images that live on the device: a step is fed four small numbers per image, and no pixels.

What the device makes of the numbers that `take_draws` and `take_places` give is what
`augment_images` and `scale_pixels` make of the pixels, to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from darkroom.backend import keras
from darkroom.data.augment import draw_uniform
from darkroom.data.pixels import Images
from darkroom.data.preprocess import Preprocess, scale_pixels
from darkroom.training.batches import flips

if TYPE_CHECKING:
    from jaxtyping import Int, Int32, UInt8

    from darkroom.training.batches import Take
    from darkroom.training.recipe import Recipe
    from darkroom.training.record import Device

_NAME = "resident_pixels"
_MOST_BYTES = 2**30  # of pixels: a small share of what any GPU for training has


def belong_on_device(device: Device, parts: Sequence[Images]) -> bool:
    """Tell whether images are better kept on the device: an accelerator, and they fit easily.

    Args:
        device: What trains.
        parts: What it is trained and judged on.
    """
    image_bytes = parts[0].pixels[:1].nbytes
    return device.kind != "cpu" and sum(map(len, parts)) * image_bytes <= _MOST_BYTES


def put_on_device(
    network: keras.Model, preprocess: Preprocess, parts: Sequence[Images]
) -> keras.Model:
    """Put a network behind a layer that holds all images of some parts.

    Args:
        network: Takes scaled images; its variables are shared, not copied.
        preprocess: Their scaling.
        parts: Their images lie in rows one after another.

    Returns:
        A model from four whole numbers per image to what the network answers.

    Source: own.
    """
    pixels = np.concatenate([part.take(slice(None)) for part in parts])
    numbers = keras.Input((4,), dtype="int32", name="numbers")
    images = DevicePixels(pixels, preprocess)(numbers)
    return keras.Model(numbers, network(images), name=f"{network.name}_resident")


def take_places(start: int = 0) -> Take:
    """Give the numbers of images that are not varied.

    Args:
        start: The row of the part's first image.
    """

    def take(chosen: Int[np.ndarray, "images"], epoch: int) -> Int32[np.ndarray, "images 4"]:  # noqa: ARG001 - one signature for all
        numbers = np.zeros((len(chosen), 4), np.int32)
        numbers[:, 0] = chosen + start
        return numbers

    return take


def take_draws(images: Images, preprocess: Preprocess, recipe: Recipe) -> Take:
    """Give the numbers of images that are varied as `augment_images` varies them.

    Args:
        images: Those in the rows from 0 on.
        preprocess: What they were prepared for.
        recipe: How they are varied, and the seed.
    """
    flip, shift, seed = flips(recipe, preprocess), recipe.augment.shift or 0.0, recipe.seed
    sides = images.pixels.shape[1:3]
    reaches = [min(round(shift * side), side - 1) for side in sides]

    def take(chosen: Int[np.ndarray, "images"], epoch: int) -> Int32[np.ndarray, "images 4"]:
        names = images.identities[chosen]
        numbers = np.zeros((len(chosen), 4), np.int32)
        numbers[:, 0] = chosen
        numbers[:, 1] = flip & (draw_uniform(names, seed, epoch, 0) < 0.5)
        for axis, reach in enumerate(reaches):
            drawn = draw_uniform(names, seed, epoch, axis + 1)
            numbers[:, 2 + axis] = np.floor(drawn * (2 * reach + 1)).astype(np.int32) - reach
        return numbers

    return take


def without_pixels(variables: Sequence[keras.Variable]) -> list[keras.Variable]:
    """Leave out the images, which are no state of a training."""
    return [variable for variable in variables if variable.name != _NAME]


class DevicePixels(keras.layers.Layer):  # type: ignore[misc]
    """Gathers images by their row, mirrors, moves and scales them, all on the device.

    Four whole numbers say what is done with an image: its row, 1 where it is mirrored, and by how
    many pixels it is moved up and to the left; what moves in is the mirrored border.

    Args:
        pixels: All images there are.
        preprocess: Their scaling.
    """

    def __init__(
        self, pixels: UInt8[np.ndarray, "rows height width channels"], preprocess: Preprocess
    ) -> None:
        super().__init__(dtype="float32", name="device_pixels")
        self._pixels = keras.Variable(pixels, trainable=False, dtype="uint8", name=_NAME)
        # By a table: the fused multiply-add of a compiler rounds otherwise than NumPy does.
        levels = np.arange(256, dtype=np.uint8).reshape(256, 1, 1, 1)
        scaled = scale_pixels(np.repeat(levels, pixels.shape[3], axis=3), preprocess)
        self._scaled = np.moveaxis(scaled, 3, 0).ravel()  # 256 levels of each channel

    def call(self, numbers: Any) -> Any:
        """Give the images that the numbers stand for, float32."""
        ops = keras.ops
        _, height, width, channels = self._pixels.shape
        row, mirrored, up, left = (numbers[:, place, None] for place in range(4))
        y = _reflected(ops.arange(height, dtype="int32") + up, height)
        x = _reflected(ops.arange(width, dtype="int32") + left, width)
        x = ops.where(mirrored == 1, width - 1 - x, x)
        # Rows first: a place among all pixels of a large part would not fit 32 bits.
        images = ops.reshape(ops.take(self._pixels.value, row[:, 0], axis=0), (-1, channels))
        first = ops.arange(ops.shape(row)[0], dtype="int32")[:, None, None] * (height * width)
        moved = ops.take(images, first + y[:, :, None] * width + x[:, None], axis=0)
        level = ops.cast(moved, "int32") + ops.arange(channels, dtype="int32") * 256
        return ops.take(ops.convert_to_tensor(self._scaled), level)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Say the shape of what `call` gives."""
        return (input_shape[0], *self._pixels.shape[1:])


def _reflected(place: Any, side: int) -> Any:
    """Fold places beyond a border back in; the border itself is not repeated."""
    place = keras.ops.abs(place)
    return keras.ops.minimum(place, 2 * (side - 1) - place)
