"""Inside: a network that can be looked into, on any backend."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from darkroom.backend import keras
from darkroom.data.preprocess import Preprocess, scale_pixels
from darkroom.evaluation.explain.slopes import slope_function
from darkroom.models.architecture import Architecture

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt8

    Inputs = Float[np.ndarray, "images height width channels"]
    Maps = Float[np.ndarray, "images rows columns maps"]

# Numbers in a batch: for a slope all that lies between input and answer has to be kept.
_FOR_SLOPES, _FOR_ANSWERS = 800_000, 2_500_000
_LARGEST = 128  # images
_PASSING = (  # what changes no map but its size, or nothing at all
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
)


class Inside:
    """A network, and what can be asked of it beside its answers.

    Args:
        network: From scaled images to answers, with a layer `logits`.
        architecture: What it is.
        preprocess: How its images are scaled.
    """

    def __init__(
        self, network: keras.Model, architecture: Architecture, preprocess: Preprocess
    ) -> None:
        self.network, self.architecture, self.preprocess = network, architecture, preprocess

    def answer(
        self, pixels: UInt8[np.ndarray, "images height width channels"]
    ) -> Float[np.ndarray, "images classes"]:
        """Give the probabilities of prepared images."""
        return self._in_batches(
            self.network.predict_on_batch, self.scaled(pixels), most=_FOR_ANSWERS
        )

    def scaled(self, pixels: UInt8[np.ndarray, "images height width channels"]) -> Inputs:
        """Scale prepared pixels as the network takes them."""
        return scale_pixels(pixels, self.preprocess)

    def slopes(self, inputs: Inputs, classes: Int[np.ndarray, "images"]) -> Inputs:
        """Say how the log of the odds of a class changes with each value of a scaled image."""
        return self._in_batches(self._slopes_of_inputs, inputs, classes)

    def map_slopes(self, inputs: Inputs, classes: Int[np.ndarray, "images"]) -> tuple[Maps, Maps]:
        """Give the last maps, and how the log of the odds of a class changes with each place."""
        before, slopes = self._halves
        maps = self._in_batches(before.predict_on_batch, inputs)
        return maps, self._in_batches(slopes, maps, classes)

    def maps(self, inputs: Inputs, layers: list[str]) -> list[Maps]:
        """Give what some layers see in scaled images."""
        outputs = [self.network.get_layer(name).output for name in layers]
        seen = keras.Model(self.network.input, outputs).predict_on_batch(inputs)
        return [np.asarray(maps) for maps in (seen if isinstance(seen, list) else [seen])]

    @cached_property
    def convolutions(self) -> list[keras.layers.Layer]:
        """The layers that convolve, from the first to the last; none in a network without any."""
        return [
            layer
            for layer in self.network.layers
            if len(getattr(getattr(layer, "kernel", None), "shape", ())) == 4
        ]

    @cached_property
    def _slopes_of_inputs(self) -> Callable[..., Inputs]:
        logits = self.network.get_layer("logits").output
        return slope_function(keras.Model(self.network.input, logits), self.architecture.task)

    @cached_property
    def _halves(self) -> tuple[keras.Model, Callable[..., Maps]]:
        """Cut the network at the last maps through which every path to the answer leads."""
        logits = self.network.get_layer("logits").output
        for layer in reversed(self.network.layers):
            if len(layer.output.shape) != 4 or isinstance(layer, _PASSING):
                continue
            try:
                after = keras.Model(layer.output, logits)
            except ValueError:
                continue  # a shortcut leads past it
            before = keras.Model(self.network.input, layer.output)
            return before, slope_function(after, self.architecture.task)
        raise AssertionError("an image is a map too")

    def _in_batches(
        self, of: Callable[..., np.ndarray], *columns: np.ndarray, most: int = _FOR_SLOPES
    ) -> np.ndarray:
        """Call a function for batches of few sizes, powers of two: each is compiled anew."""
        size = self.preprocess.height * self.preprocess.width * self.preprocess.channels
        batch, done = 2 ** int(math.log2(max(min(most // size, _LARGEST), 2))), []
        for start in range(0, len(columns[0]), batch):
            some = [column[start : start + batch] for column in columns]
            count = len(some[0])
            missing = 2 ** math.ceil(math.log2(count)) - count
            filled = [np.concatenate([each, each[:1].repeat(missing, 0)]) for each in some]
            done.append(np.asarray(of(*filled))[:count])
        return np.concatenate(done)
