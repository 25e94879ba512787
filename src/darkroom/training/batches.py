"""Batches for Keras: no decoding, no Python work per image, and every one of the same size.

The order of images is a function of seed and epoch, their augmentation one of seed, epoch and
sha256; so the position in a training is one integer: the number of the step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from darkroom.backend import keras
from darkroom.data.augment import augment_images
from darkroom.data.pixels import Images
from darkroom.data.preprocess import Preprocess, scale_pixels
from darkroom.training.recipe import Recipe

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    Inputs = Float[np.ndarray, "images ..."]
    Targets = Float[np.ndarray, "images outputs"]
    Weights = Float[np.ndarray, "images"]
    Batch = tuple[Inputs, Targets] | tuple[Inputs, Targets, Weights]

# Gives the inputs of the chosen images, as they are varied in an epoch.
Take = Callable[["Int[np.ndarray, 'images']", int], "Inputs"]
# Gives the images of an epoch, in their order.
Order = Callable[[int], "Int[np.ndarray, 'images']"]

_FAIR_NUMBERS = 2_500_000  # of a batch that is computed without a gradient
_AHEAD = 2  # batches prepared while one is trained on


def as_input(batches: TrainingBatches | PlainBatches, start: int = 0) -> Any:
    """Give `fit` and `evaluate` the form of a sequence of batches that their backend reads best.

    Under TensorFlow that is a `tf.data` pipeline of our own: Keras makes one too, but with
    autotuning, whose thread may sleep through the end of a training and keep `fit` from
    returning for as long as 40 s (TensorFlow 2.21). It is mapped over the numbers of the steps:
    `from_generator` would, on Python 3.11, have the C library give every array above 128 KiB back
    to the system and fetch it again, in the whole process, which takes a tenth of the time.

    Args:
        batches: The whole sequence.
        start: The number of the first batch that is wanted.
    """
    if keras.backend.backend() != "tensorflow":
        return _From(batches, start)
    import tensorflow as tf

    first = batches[0]
    types = [array.dtype for array in first]

    def batch(step: Any) -> Any:
        arrays = tf.numpy_function(lambda number: batches[int(number)], [step], types)
        for array, like in zip(arrays, first, strict=True):
            array.set_shape((None, *like.shape[1:]))
        return tuple(arrays)

    data = tf.data.Dataset.range(start, batches.num_batches).map(batch)
    options = tf.data.Options()
    options.autotune.enabled = False
    return data.prefetch(_AHEAD).with_options(options)


class _From(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches from one on.

    Keras counts epochs in hooks that also run before the first one and again after a peek; so
    none is used, and the number of the step alone says what is in it.
    """

    def __init__(self, batches: TrainingBatches | PlainBatches, start: int) -> None:
        super().__init__()
        self._batches, self._start = batches, start

    @property
    def num_batches(self) -> int:
        return self._batches.num_batches - self._start

    def __getitem__(self, step: int) -> Batch:
        return self._batches[self._start + step]


class TrainingBatches:
    """All steps of all epochs as one sequence.

    Args:
        take: The inputs, augmented.
        order: The images of each epoch, as many in every one.
        targets: Of all images.
        batch_size: At most as many as there are images. The last step of an epoch is filled up
            with the epoch's first images, so that every step has one shape.
        epochs: How many.
        weights: What each image counts in the loss; None: 1.
    """

    def __init__(
        self,
        take: Take,
        order: Order,
        targets: Targets,
        *,
        batch_size: int,
        epochs: int,
        weights: Weights | None = None,
    ) -> None:
        self._take, self._order, self._targets, self._weights = take, order, targets, weights
        self._batch_size, self._epochs = batch_size, epochs
        self.steps_per_epoch = math.ceil(len(targets) / batch_size)
        self._drawn = (-1, np.zeros(0, np.int64))

    @property
    def num_batches(self) -> int:
        """Steps in the whole training."""
        return self.steps_per_epoch * self._epochs

    @property
    def images(self) -> int:
        """Images in one epoch."""
        return len(self._targets)

    def chosen(self, step: int) -> Int[np.ndarray, "images"]:
        """Say which images a step takes, by their place in the part."""
        epoch, within = divmod(step, self.steps_per_epoch)
        known = self._drawn  # the thread that reads ahead may replace it at any time
        if known[0] != epoch:
            drawn = self._order(epoch)
            missing = self.steps_per_epoch * self._batch_size - len(drawn)
            known = self._drawn = (epoch, np.concatenate([drawn, drawn[:missing]]))
        return known[1][within * self._batch_size : (within + 1) * self._batch_size]

    def __getitem__(self, step: int) -> Batch:
        chosen = self.chosen(step)
        inputs = self._take(chosen, step // self.steps_per_epoch)
        if self._weights is None:
            return inputs, self._targets[chosen]
        return inputs, self._targets[chosen], self._weights[chosen]


class PlainBatches:
    """A part once, in the order of the index, as it is.

    Args:
        take: The inputs; the epoch it is called with is 0.
        targets: Of all images.
        batch_size: Images per step; None: as many as are computed fast.
    """

    def __init__(self, take: Take, targets: Targets, batch_size: int | None = None) -> None:
        self._take, self._targets = take, targets
        self._batch_size = batch_size or fair_batch(take)

    @property
    def num_batches(self) -> int:
        """Steps in one pass."""
        return math.ceil(len(self._targets) / self._batch_size)

    def __getitem__(self, step: int) -> Batch:
        last = min((step + 1) * self._batch_size, len(self._targets))
        chosen = np.arange(step * self._batch_size, last)
        return self._take(chosen, 0), self._targets[chosen]


def fair_batch(take: Take) -> int:
    """Say how many images are fast to compute at once without a gradient, 8 to 256.

    Larger batches of large images fill the memory and leave the processor's caches.
    """
    return max(min(_FAIR_NUMBERS // take(np.arange(1), 0).size, 256), 8)


def take_pixels(images: Images, preprocess: Preprocess) -> Take:
    """Give prepared pixels as the network wants them scaled, unvaried."""
    return lambda chosen, _: scale_pixels(images.take(chosen), preprocess)


def take_varied_pixels(images: Images, preprocess: Preprocess, recipe: Recipe) -> Take:
    """Give prepared pixels, each image varied as its seed, epoch and sha256 say, then scaled."""
    flip = flips(recipe, preprocess)

    def take(chosen: Int[np.ndarray, "images"], epoch: int) -> Inputs:
        pixels = augment_images(
            images.take(chosen),
            images.identities[chosen],
            flip=flip,
            shift=recipe.augment.shift or 0.0,
            position=(recipe.seed, epoch),
        )
        return scale_pixels(pixels, preprocess)

    return take


def take_rows(rows: Float[np.ndarray, "images numbers"]) -> Take:
    """Give rows that were computed before, as the features of a frozen trunk are."""
    return lambda chosen, _: rows[chosen]


def flips(recipe: Recipe, preprocess: Preprocess) -> bool:
    """Say whether images are mirrored.

    Grey images are often print, writing or radiographs, and mean another thing mirrored.
    """
    return preprocess.channels == 3 if recipe.augment.flip is None else recipe.augment.flip
