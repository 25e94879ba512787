"""Batches for Keras out of the pixel cache: no decoding, no Python work per image.

The order of images is a function of seed and epoch, their augmentation one of seed, epoch and
sha256; so the position in a training is one integer: the number of the step.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from darkroom.backend import keras
from darkroom.data.augment import augment_images
from darkroom.data.pixels import Images
from darkroom.data.preprocess import Preprocess, scale_pixels
from darkroom.training.recipe import Recipe

if TYPE_CHECKING:
    from jaxtyping import Float

    Batch = tuple[
        Float[np.ndarray, "images height width channels"], Float[np.ndarray, "images classes"]
    ]


_AHEAD = 2  # batches prepared while one is trained on


def as_input(batches: keras.utils.PyDataset) -> Any:
    """Give `fit` and `evaluate` the form of a sequence of batches that their backend reads best.

    Under TensorFlow that is a `tf.data` pipeline of our own: Keras makes one too, but with
    autotuning, whose thread may sleep through the end of a training and keep `fit` from
    returning for as long as 40 s (TensorFlow 2.21).
    """
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    shapes = [(None, *array.shape[1:]) for array in batches[0]]
    data = tf.data.Dataset.from_generator(
        lambda: (batches[step] for step in range(batches.num_batches)),
        output_signature=tuple(tf.TensorSpec(shape, tf.float32) for shape in shapes),
    )
    counted = data.apply(tf.data.experimental.assert_cardinality(batches.num_batches))
    options = tf.data.Options()
    options.autotune.enabled = False
    return counted.prefetch(_AHEAD).with_options(options)


class TrainingBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """All steps of all epochs as one sequence.

    Keras counts epochs in hooks that also run before the first one and again after a peek; so
    none is used here, and the step's number alone says what is in it.

    Args:
        images: The training part.
        preprocess: Its scaling.
        recipe: Batch size, epochs, seed and augmentation; the last step of an epoch takes the
            images that are left.
    """

    def __init__(self, images: Images, preprocess: Preprocess, recipe: Recipe) -> None:
        super().__init__()
        self._images, self._preprocess = images, preprocess
        self._batch_size, self._epochs, self._seed = recipe.batch_size, recipe.epochs, recipe.seed
        flip = recipe.augment.flip
        # Grey images are often print, writing or radiographs, and mean another thing mirrored.
        self._flip = preprocess.channels == 3 if flip is None else flip
        self._shift = recipe.augment.shift
        self.steps_per_epoch = math.ceil(len(images) / recipe.batch_size)
        self._order = (-1, np.zeros(0, np.int64))

    @property
    def num_batches(self) -> int:
        """Steps in the whole training."""
        return self.steps_per_epoch * self._epochs

    def __getitem__(self, step: int) -> Batch:
        epoch, within = divmod(step, self.steps_per_epoch)
        order = self._order_of(epoch)
        chosen = order[within * self._batch_size : (within + 1) * self._batch_size]
        pixels = augment_images(
            self._images.take(chosen),
            self._images.identities[chosen],
            flip=self._flip,
            shift=self._shift,
            position=(self._seed, epoch),
        )
        return scale_pixels(pixels, self._preprocess), self._images.targets[chosen]

    def _order_of(self, epoch: int) -> np.ndarray:
        if self._order[0] != epoch:
            drawn = np.random.default_rng((self._seed, epoch)).permutation(len(self._images))
            self._order = (epoch, drawn)
        return self._order[1]


class PlainBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """A part once, in the order of the index, as it is.

    Args:
        images: The part.
        preprocess: Its scaling.
        batch_size: Images per step.
    """

    def __init__(self, images: Images, preprocess: Preprocess, batch_size: int = 256) -> None:
        super().__init__()
        self._images, self._preprocess, self._batch_size = images, preprocess, batch_size

    @property
    def num_batches(self) -> int:
        """Steps in one pass."""
        return math.ceil(len(self._images) / self._batch_size)

    def __getitem__(self, step: int) -> Batch:
        chosen = slice(step * self._batch_size, (step + 1) * self._batch_size)
        return scale_pixels(self._images.take(chosen), self._preprocess), self._images.targets[
            chosen
        ]
