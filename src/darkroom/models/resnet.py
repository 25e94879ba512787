"""Residual networks for photographs, trained from scratch: resnet_small, resnet18, resnet34."""

from __future__ import annotations

from collections.abc import Sequence

from darkroom.backend import keras
from darkroom.models.architecture import Architecture, Network
from darkroom.models.convolutions import batch_norm, convolve
from darkroom.models.head import with_head
from darkroom.models.layers import activate, image_input

_PAPER = "He et al. 2015, arXiv:1512.03385"
_FILTERS = (64, 128, 256, 512)  # each stage after the first halves the image


def _resnet18(architecture: Architecture) -> keras.Model:
    return _from_paper(architecture, "resnet18", blocks=(2, 2, 2, 2))


def _resnet34(architecture: Architecture) -> keras.Model:
    return _from_paper(architecture, "resnet34", blocks=(3, 4, 6, 3))


def _from_paper(architecture: Architecture, name: str, blocks: Sequence[int]) -> keras.Model:
    image = image_input(architecture)
    features = batch_norm(convolve(image, architecture, _FILTERS[0], kernel=7, stride=2))
    features = activate(features, architecture)
    features = keras.layers.MaxPooling2D(3, strides=2, padding="same")(features)
    for stage, (filters, count) in enumerate(zip(_FILTERS, blocks, strict=True)):
        for number in range(count):
            stride = 2 if stage > 0 and number == 0 else 1
            features = _block(features, architecture, filters, stride)
    return keras.Model(image, with_head(features, architecture), name=name)


def _resnet_small(architecture: Architecture) -> keras.Model:
    """Reach a sixteenth of the side fast: most of the work is then done on small grids."""
    image = image_input(architecture)
    features = image
    for filters in (16, 32):
        features = batch_norm(convolve(features, architecture, filters, stride=2))
        features = activate(features, architecture)
    for filters, stride in ((64, 2), (128, 2), (128, 1), (256, 2)):
        features = _block(features, architecture, filters, stride)
    return keras.Model(image, with_head(features, architecture), name="resnet_small")


def _block(
    features: keras.KerasTensor, architecture: Architecture, filters: int, stride: int
) -> keras.KerasTensor:
    """Two convolutions beside a shortcut, which is a projection where the shape changes."""
    straight = batch_norm(convolve(features, architecture, filters, stride=stride))
    straight = activate(straight, architecture)
    straight = batch_norm(convolve(straight, architecture, filters))
    shortcut = features
    if stride > 1:
        shortcut = batch_norm(convolve(features, architecture, filters, kernel=1, stride=stride))
    return activate(keras.layers.Add()([straight, shortcut]), architecture)


RESNET_SMALL = Network(
    name="resnet_small",
    version=1,
    build=_resnet_small,
    parameters=1_513_338,
    input_px=128,
    smallest_px=16,
    scaling="signed",
    source=f"own, after {_PAPER}",
    says="the default for photographs when no pretrained weights can be had",
)
RESNET18 = Network(
    name="resnet18",
    version=1,
    build=_resnet18,
    parameters=11_191_242,
    input_px=224,
    smallest_px=32,
    scaling="signed",
    source=_PAPER,
    says="eighteen layers with shortcuts, from scratch: wants a GPU",
)
RESNET34 = Network(
    name="resnet34",
    version=1,
    build=_resnet34,
    parameters=21_306_826,
    input_px=224,
    smallest_px=32,
    scaling="signed",
    source=_PAPER,
    says="thirty-four layers with shortcuts, from scratch: wants a GPU",
)
