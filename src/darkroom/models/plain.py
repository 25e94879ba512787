"""The course's three convolutional networks, and the perceptron they are compared with.

Source: "Practical Data Science and ML with GPUs", AnacondaCon 2018, notebooks 2 and 3.
"""

from __future__ import annotations

from darkroom.backend import keras
from darkroom.models.architecture import Architecture, Network
from darkroom.models.layers import activate, dropout, image_input, penalty, probabilities

_COURSE = "AnacondaCon 2018, Practical Data Science and ML with GPUs"


def _mlp(architecture: Architecture) -> keras.Model:
    image = image_input(architecture)
    hidden = keras.layers.Flatten()(image)
    for count in (512, 256):
        hidden = _dense(hidden, architecture, count)
        hidden = dropout(hidden, architecture, usual=0.2)
    return keras.Model(image, probabilities(hidden, architecture), name="mlp")


def _cnn_simple(architecture: Architecture) -> keras.Model:
    return _two_convolutions(architecture, "cnn_simple", early=0.0, late=0.0)


def _cnn_dropout(architecture: Architecture) -> keras.Model:
    return _two_convolutions(architecture, "cnn_dropout", early=0.25, late=0.5)


def _two_convolutions(
    architecture: Architecture, name: str, *, early: float, late: float
) -> keras.Model:
    image = image_input(architecture)
    features = _convolution(image, architecture, 32)
    features = _convolution(features, architecture, 64)
    features = keras.layers.MaxPooling2D(2)(features)
    features = dropout(features, architecture, usual=early)
    hidden = _dense(keras.layers.Flatten()(features), architecture, 128)
    hidden = dropout(hidden, architecture, usual=late)
    return keras.Model(image, probabilities(hidden, architecture), name=name)


def _cnn_deep(architecture: Architecture) -> keras.Model:
    image = image_input(architecture)
    features = image
    for count in (32, 64):
        features = _convolution(features, architecture, count, padding="same")
        features = _convolution(features, architecture, count)
        features = keras.layers.MaxPooling2D(2)(features)
        features = dropout(features, architecture, usual=0.25)
    hidden = _dense(keras.layers.Flatten()(features), architecture, 512)
    hidden = dropout(hidden, architecture, usual=0.5)
    return keras.Model(image, probabilities(hidden, architecture), name="cnn_deep")


def _convolution(
    features: keras.KerasTensor, architecture: Architecture, count: int, padding: str = "valid"
) -> keras.KerasTensor:
    features = keras.layers.Conv2D(
        architecture.units(count), 3, padding=padding, kernel_regularizer=penalty(architecture)
    )(features)
    return activate(features, architecture)


def _dense(
    features: keras.KerasTensor, architecture: Architecture, count: int
) -> keras.KerasTensor:
    features = keras.layers.Dense(
        architecture.units(count), kernel_regularizer=penalty(architecture)
    )(features)
    return activate(features, architecture)


MLP = Network(
    name="mlp",
    version=1,
    build=_mlp,
    parameters=1_707_274,
    input_px=32,
    smallest_px=1,
    scaling="unit",
    source="own; two hidden layers, the usual baseline",
    says="two dense layers, blind to where things are: the baseline to beat",
)
CNN_SIMPLE = Network(
    name="cnn_simple",
    version=1,
    build=_cnn_simple,
    parameters=1_626_442,
    input_px=32,
    smallest_px=6,
    scaling="unit",
    source=_COURSE,
    says="two convolutions and a dense layer: learns fast and overfits",
)
CNN_DROPOUT = Network(
    name="cnn_dropout",
    version=1,
    build=_cnn_dropout,
    parameters=1_626_442,
    input_px=32,
    smallest_px=6,
    scaling="unit",
    source=_COURSE,
    says="cnn_simple with dropout, the course's first remedy for overfitting",
)
CNN_DEEP = Network(
    name="cnn_deep",
    version=1,
    build=_cnn_deep,
    parameters=1_250_858,
    input_px=32,
    smallest_px=10,
    scaling="unit",
    source=_COURSE,
    says="four convolutions with dropout: the course's best, above 75 % on CIFAR-10",
)
