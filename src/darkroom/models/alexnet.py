"""alexnet: five convolutions and two dense layers, the network that began it all."""

from __future__ import annotations

from darkroom.backend import keras
from darkroom.models.architecture import Architecture, Network
from darkroom.models.head import with_head
from darkroom.models.layers import activate, dropout, image_input, initializer, penalty

_FILTERS = ((192, 5), (384, 3), (256, 3), (256, 3))  # filters and kernel, after the first


def _alexnet(architecture: Architecture) -> keras.Model:
    image = image_input(architecture)
    features = keras.layers.ZeroPadding2D(2)(image)
    features = _convolution(features, architecture, 64, 11, stride=4)
    for number, (filters, kernel) in enumerate(_FILTERS):
        if number < 2:
            features = keras.layers.MaxPooling2D(3, strides=2)(features)
        features = _convolution(features, architecture, filters, kernel)
    features = keras.layers.Flatten()(keras.layers.MaxPooling2D(3, strides=2)(features))
    for _ in range(2):
        features = dropout(features, architecture, usual=0.5)
        features = keras.layers.Dense(
            architecture.units(4096),
            kernel_initializer=initializer(architecture),
            kernel_regularizer=penalty(architecture),
        )(features)
        features = activate(features, architecture)
    return keras.Model(image, with_head(features, architecture), name="alexnet")


def _convolution(
    features: keras.KerasTensor,
    architecture: Architecture,
    filters: int,
    kernel: int,
    *,
    stride: int = 1,
) -> keras.KerasTensor:
    features = keras.layers.Conv2D(
        architecture.units(filters),
        kernel,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        kernel_initializer=initializer(architecture),
        kernel_regularizer=penalty(architecture),
    )(features)
    return activate(features, architecture)


ALEXNET = Network(
    name="alexnet",
    version=1,
    build=_alexnet,
    parameters=57_044_810,
    input_px=224,
    smallest_px=63,
    scaling="signed",
    source="Krizhevsky et al. 2012, in one tower as in Krizhevsky 2014, arXiv:1404.5997",
    says="the network of 2012: large, hungry for images, for looking back",
)
