"""resnet_tiny: a small residual network, the default for images up to 64 px."""

from __future__ import annotations

from darkroom.backend import keras
from darkroom.models.architecture import Architecture, Network
from darkroom.models.layers import dropout, image_input, penalty, probabilities

_STAGES = (32, 64, 128)  # filters; each stage after the first halves the image


def _resnet_tiny(architecture: Architecture) -> keras.Model:
    image = image_input(architecture)
    side = min(architecture.height, architecture.width)
    # A 64 px photograph costs what a 32 px image does: the stem takes every second pixel.
    features = _conv_norm(image, architecture, _STAGES[0], stride=2 if side > 40 else 1)
    features = keras.layers.Activation("relu")(features)
    for stage, count in enumerate(_STAGES):
        features = _block(features, architecture, count, stride=1 if stage == 0 else 2)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    pooled = dropout(pooled, architecture, usual=0.0)
    return keras.Model(image, probabilities(pooled, architecture), name="resnet_tiny")


def _block(
    features: keras.KerasTensor, architecture: Architecture, count: int, *, stride: int
) -> keras.KerasTensor:
    """Two convolutions beside a shortcut, which is a projection where the shape changes."""
    straight = _conv_norm(features, architecture, count, stride=stride)
    straight = keras.layers.Activation("relu")(straight)
    straight = _conv_norm(straight, architecture, count, stride=1)
    shortcut = features
    if stride > 1:
        shortcut = _conv_norm(features, architecture, count, stride=stride, kernel=1)
    return keras.layers.Activation("relu")(keras.layers.Add()([straight, shortcut]))


def _conv_norm(
    features: keras.KerasTensor,
    architecture: Architecture,
    count: int,
    *,
    stride: int,
    kernel: int = 3,
) -> keras.KerasTensor:
    features = keras.layers.Conv2D(
        architecture.units(count),
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        kernel_regularizer=penalty(architecture),
    )(features)
    return keras.layers.BatchNormalization(momentum=0.9)(features)


RESNET_TINY = Network(
    name="resnet_tiny",
    version=1,
    build=_resnet_tiny,
    parameters=309_994,
    input_px=32,
    smallest_px=4,
    scaling="signed",
    source="own, after He et al. 2015, arXiv:1512.03385",
    says="seven convolutions with shortcuts and batch norm: the default up to 64 px",
)
