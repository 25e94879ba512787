"""Layers that several networks share: the first, the last, and what stands between others."""

from __future__ import annotations

from darkroom.backend import keras
from darkroom.models.architecture import Activation, Architecture


def image_input(architecture: Architecture) -> keras.KerasTensor:
    """Make the input: float32 images already scaled as the Preprocess says."""
    shape = (architecture.height, architecture.width, architecture.channels)
    return keras.Input(shape, name="image")


def probabilities(
    features: keras.KerasTensor, architecture: Architecture, *, start: str = "glorot_uniform"
) -> keras.KerasTensor:
    """Add the layers that answer, in float32 at any precision.

    The dense layer is float32 too: a bfloat16 logit has 8 bits, too few for a probability.

    Args:
        features: One row of numbers for each image.
        architecture: The task and its classes.
        start: How the weights of the logits begin.

    Returns:
        Softmax for one label, sigmoid for several; for a regression the number itself, which is
        the mean of the training targets before the first step.
    """
    if architecture.task == "regression":
        return _value(features, architecture)
    logits = keras.layers.Dense(
        architecture.classes,
        kernel_initializer=start,
        kernel_regularizer=penalty(architecture),
        dtype="float32",
        name="logits",
    )(features)
    activation = "softmax" if architecture.task == "single-label" else "sigmoid"
    return keras.layers.Activation(activation, dtype="float32", name="probabilities")(logits)


def _value(features: keras.KerasTensor, architecture: Architecture) -> keras.KerasTensor:
    value = keras.layers.Dense(
        1,
        kernel_initializer="zeros",
        kernel_regularizer=penalty(architecture),
        dtype="float32",
        name="value",
    )(features)
    return keras.layers.Rescaling(
        architecture.target_std, architecture.target_mean, dtype="float32", name="unit"
    )(value)


def activate(
    features: keras.KerasTensor, architecture: Architecture, usual: Activation = "relu"
) -> keras.KerasTensor:
    """Apply the activation that the architecture names, or the network's usual one.

    The slope that PReLU learns is one per channel, so that the number of weights does not depend
    on the size of the images.

    Source: leaky-relu with its slope of 0.01, Maas et al. 2013; prelu, He et al. 2015,
    arXiv:1502.01852; elu, Clevert et al. 2015, arXiv:1511.07289; gelu, by the error function,
    Hendrycks and Gimpel 2016, arXiv:1606.08415.
    """
    name = architecture.activation or usual
    if name == "prelu":
        space = range(1, len(features.shape) - 1)
        return keras.layers.PReLU(
            alpha_initializer=keras.initializers.Constant(0.25), shared_axes=list(space) or None
        )(features)
    if name == "leaky-relu":
        return keras.layers.LeakyReLU(negative_slope=0.01)(features)
    if name == "gelu":
        return keras.layers.Activation(gelu)(features)
    return keras.layers.Activation(name)(features)


def gelu(features: keras.KerasTensor) -> keras.KerasTensor:
    """Apply gelu by erf: tf2onnx 1.17 cannot export the erfc of Keras' own; may go when it can."""
    # In bfloat16 the sum would cancel: at -2 it would be wrong by a tenth.
    share = 0.5 + 0.5 * keras.ops.erf(keras.ops.cast(features, "float32") * 0.5**0.5)
    return features * keras.ops.cast(share, features.dtype)


def initializer(architecture: Architecture, usual: Activation = "relu") -> str:
    """Name how kernels begin so that signals keep their size through the activation.

    Source: He et al. 2015, arXiv:1502.01852, for all that let positive numbers pass; Glorot and
    Bengio 2010 for sigmoid and tanh.
    """
    name = architecture.activation or usual
    return "glorot_normal" if name in ("sigmoid", "tanh") else "he_normal"


def penalty(architecture: Architecture) -> keras.regularizers.Regularizer | None:
    """Make the L2 penalty of a kernel, or none."""
    return keras.regularizers.L2(architecture.l2) if architecture.l2 else None


def dropout(
    features: keras.KerasTensor, architecture: Architecture, usual: float
) -> keras.KerasTensor:
    """Drop a share of units in training: the recipe's, or the network's usual one."""
    share = usual if architecture.dropout is None else architecture.dropout
    return keras.layers.Dropout(share)(features) if share else features
