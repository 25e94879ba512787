"""What stands behind a trunk: its features as one row of numbers, and the layers that answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from darkroom.backend import keras
from darkroom.models.architecture import Architecture
from darkroom.models.layers import dropout, probabilities

if TYPE_CHECKING:
    from jaxtyping import Float

FEATURES = "features"  # the layer that ends a trunk
_STANDARDISED = "standardised"  # the first layer behind a pretrained trunk
_DROPOUT, _PRETRAINED_DROPOUT = 0.2, 0.5
_FAINT = 1e-4  # the variance of a feature that tells nothing


def with_head(trunk: keras.KerasTensor, architecture: Architecture) -> keras.KerasTensor:
    """Pool what a trunk gives into the layer `features`, in float32, and set the head on it.

    Args:
        trunk: A grid of numbers for each image, or one row of them.
        architecture: What the head answers.
    """
    features = _pooled(trunk)
    return probabilities(dropout(features, architecture, usual=_DROPOUT), architecture)


def with_pretrained_head(trunk: keras.KerasTensor, architecture: Architecture) -> keras.KerasTensor:
    """Do the same for a trunk that may be pretrained: behind it features are standardised.

    The head begins at zero, so that nothing of chance is left in the directions that a few hundred
    images never show.
    """
    return _answer(_pooled(trunk), architecture)


def build_head(architecture: Architecture, features: int) -> keras.Model:
    """Build what stands behind a pretrained trunk alone, with weights of its own.

    Args:
        architecture: What it answers.
        features: Numbers for each image.
    """
    row = keras.Input((features,), name=FEATURES)
    return keras.Model(row, _answer(row, architecture), name="head")


def standardise(head: keras.Model, features: Float[np.ndarray, "images features"]) -> None:
    """Let the head of a pretrained trunk see features with mean 0 and variance 1.

    Args:
        head: Its weights are changed.
        features: Of the training part, and of no other.
    """
    layer = head.get_layer(_STANDARDISED)
    layer.set_weights([features.mean(axis=0), features.var(axis=0)])


def _pooled(trunk: keras.KerasTensor) -> keras.KerasTensor:
    pool = keras.layers.GlobalAveragePooling2D if len(trunk.shape) == 4 else keras.layers.Identity
    return pool(dtype="float32", name=FEATURES)(trunk)


def _answer(features: keras.KerasTensor, architecture: Architecture) -> keras.KerasTensor:
    # A batch norm that never trains is a standardisation that every exporter knows.
    standardised = keras.layers.BatchNormalization(
        center=False,
        scale=False,
        epsilon=_FAINT,
        trainable=False,
        dtype="float32",
        name=_STANDARDISED,
    )(features)
    kept = dropout(standardised, architecture, usual=_PRETRAINED_DROPOUT)
    return probabilities(kept, architecture, start="zeros")
