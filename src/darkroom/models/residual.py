"""resnet_tiny: a small residual network, the default for images up to 64 px."""

from __future__ import annotations

from darkroom.backend import keras
from darkroom.models.architecture import Architecture, Network
from darkroom.models.convolutions import (
    WHITENED,
    PatchWhitening,
    batch_norm,
    convolve,
)
from darkroom.models.layers import activate, dropout, image_input, probabilities

_STEM = 32  # filters
# Filters and the side of the kernel; each stage halves the image. On the largest grid a kernel of
# 2 x 2 learns as much as one of 3 x 3, and the training is 1.2 times as fast.
_STAGES = ((64, 2), (96, 3))
_TINY_PX = 16  # images up to this side have no pixel to spare for a stride


def _resnet_tiny(architecture: Architecture) -> keras.Model:
    """Look at every second place only: three quarters of the work of a first stage are spared.

    A stage takes the largest of four neighbours, which learns more per second than a convolution
    with a stride; the only residual block stands where the grid is smallest. The first kernels
    begin whitened, which two epochs on CIFAR-10 cannot learn.
    """
    image = image_input(architecture)
    side = min(architecture.height, architecture.width)
    stride = 1 if side <= _TINY_PX else 2
    features = convolve(image, architecture, _STEM, stride=stride, start=PatchWhitening())
    features = activate(batch_norm(features, deviation=WHITENED), architecture)
    for count, kernel in _STAGES:
        features = convolve(features, architecture, count, kernel=kernel)
        features = keras.layers.MaxPooling2D(2, padding="same")(features)
        features = activate(batch_norm(features), architecture)
    straight = activate(batch_norm(convolve(features, architecture, count)), architecture)
    straight = batch_norm(convolve(straight, architecture, count))
    features = activate(keras.layers.Add()([features, straight]), architecture)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    pooled = dropout(pooled, architecture, usual=0.0)
    return keras.Model(image, probabilities(pooled, architecture), name="resnet_tiny")


RESNET_TINY = Network(
    name="resnet_tiny",
    version=3,
    build=_resnet_tiny,
    parameters=232_746,
    input_px=32,
    smallest_px=4,
    scaling="signed",
    source="own, after He et al. 2015, arXiv:1512.03385",
    says="five convolutions, one shortcut, batch norm: the default up to 64 px",
)
