"""resnet_tiny: a small residual network, the default for images up to 64 px."""

from __future__ import annotations

from darkroom.backend import keras
from darkroom.models.architecture import Architecture, Network
from darkroom.models.layers import (
    activate,
    dropout,
    image_input,
    initializer,
    penalty,
    probabilities,
)
from darkroom.models.norms import FusedBatchNormalization

_STEM = 32  # filters
# Filters and the side of the kernel; each stage halves the image. On the largest grid a kernel of
# 2 x 2 learns as much as one of 3 x 3, and the training is 1.2 times as fast.
_STAGES = ((64, 2), (128, 3))
_TINY_PX = 16  # images up to this side have no pixel to spare for a stride


def _resnet_tiny(architecture: Architecture) -> keras.Model:
    """Look at every second place only: three quarters of the work of a first stage are spared.

    A stage takes the largest of four neighbours, which learns more per second than a convolution
    with a stride; the only residual block stands where the grid is smallest.
    """
    image = image_input(architecture)
    side = min(architecture.height, architecture.width)
    features = _conv_norm(image, architecture, _STEM, stride=1 if side <= _TINY_PX else 2)
    features = activate(features, architecture)
    for count, kernel in _STAGES:
        features = _conv_norm(features, architecture, count, kernel=kernel)
        features = keras.layers.MaxPooling2D(2, padding="same")(features)
        features = activate(features, architecture)
    straight = activate(_conv_norm(features, architecture, count), architecture)
    straight = _conv_norm(straight, architecture, count)
    features = activate(keras.layers.Add()([features, straight]), architecture)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    pooled = dropout(pooled, architecture, usual=0.0)
    return keras.Model(image, probabilities(pooled, architecture), name="resnet_tiny")


def _conv_norm(
    features: keras.KerasTensor,
    architecture: Architecture,
    count: int,
    *,
    kernel: int = 3,
    stride: int = 1,
) -> keras.KerasTensor:
    features = keras.layers.Conv2D(
        architecture.units(count),
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=initializer(architecture),
        kernel_regularizer=penalty(architecture),
    )(features)
    return FusedBatchNormalization(momentum=0.9)(features)


RESNET_TINY = Network(
    name="resnet_tiny",
    version=2,
    build=_resnet_tiny,
    parameters=380_906,
    input_px=32,
    smallest_px=4,
    scaling="signed",
    source="own, after He et al. 2015, arXiv:1512.03385",
    says="five convolutions, one shortcut, batch norm: the default up to 64 px",
)
