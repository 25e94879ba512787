"""Layers that several networks share: the first and the last."""

from __future__ import annotations

from darkroom.backend import keras
from darkroom.models.architecture import Architecture


def image_input(architecture: Architecture) -> keras.KerasTensor:
    """Make the input: float32 images already scaled as the Preprocess says."""
    shape = (architecture.height, architecture.width, architecture.channels)
    return keras.Input(shape, name="image")


def probabilities(features: keras.KerasTensor, architecture: Architecture) -> keras.KerasTensor:
    """Add the head: softmax for one label, sigmoid for several, in float32 at any precision.

    The dense layer is float32 too: a bfloat16 logit has 8 bits, too few for a probability.
    """
    logits = keras.layers.Dense(
        architecture.classes,
        kernel_regularizer=penalty(architecture),
        dtype="float32",
        name="logits",
    )(features)
    activation = "softmax" if architecture.task == "single-label" else "sigmoid"
    return keras.layers.Activation(activation, dtype="float32", name="probabilities")(logits)


def penalty(architecture: Architecture) -> keras.regularizers.Regularizer | None:
    """Make the L2 penalty of a kernel, or none."""
    return keras.regularizers.L2(architecture.l2) if architecture.l2 else None


def dropout(
    features: keras.KerasTensor, architecture: Architecture, usual: float
) -> keras.KerasTensor:
    """Drop a share of units in training: the recipe's, or the network's usual one."""
    share = usual if architecture.dropout is None else architecture.dropout
    return keras.layers.Dropout(share)(features) if share else features
