"""Activations by name, and the head of a network that answers with a number."""

from __future__ import annotations

import math
import typing
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from darkroom.backend import keras
from darkroom.bundles.export import child
from darkroom.models.architecture import Activation, Architecture
from darkroom.models.catalog import CATALOG, build_model
from darkroom.models.layers import activate, initializer
from darkroom.records import to_json
from darkroom.training.losses import make_loss
from darkroom.training.recipe import Recipe
from darkroom.training.run import dump_weights

ACTIVATIONS = typing.get_args(Activation)
PLAIN = ("mlp", "cnn_simple", "cnn_dropout", "cnn_deep")
FORMULAS = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "leaky-relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "prelu": lambda x: np.where(x > 0, x, 0.25 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "gelu": lambda x: x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2,
}


def architecture(name: str, **changes: object) -> Architecture:
    usual = {
        "name": name,
        "version": CATALOG[name].version,
        "height": 10,
        "width": 10,
        "channels": 3,
        "classes": 3,
        "task": "single-label",
        "width_factor": 0.1,
    }
    return Architecture(**(usual | changes))


def noise(images: int = 4, side: int = 10) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(images, side, side, 3)).astype(np.float32)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_what_its_formula_says(name):
    numbers = keras.Input((7,))
    model = keras.Model(numbers, activate(numbers, architecture("mlp", activation=name)))
    given = np.linspace(-4, 4, 21, dtype=np.float32).reshape(3, 7)
    np.testing.assert_allclose(model(given), FORMULAS[name](given), atol=1e-6)


def test_an_activation_that_is_not_named_is_the_usual_one():
    numbers = keras.Input((2,))
    given = np.array([[-2.0, 2.0]], np.float32)
    for usual in ("relu", "tanh"):
        model = keras.Model(numbers, activate(numbers, architecture("mlp"), usual))
        np.testing.assert_allclose(model(given), FORMULAS[usual](given), atol=1e-6)


@pytest.mark.parametrize("network", PLAIN)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_activation_reaches_every_layer_of_a_network(network, name):
    usual = build_model(architecture(network))
    model = build_model(architecture(network, activation=name))
    assert nonlinear(model) == [name] * len(nonlinear(usual))


def nonlinear(model: keras.Model) -> list[str]:
    """The activations of a network between its layers, in order."""
    layers = {"PReLU": "prelu", "LeakyReLU": "leaky-relu", "_Gelu": "gelu"}
    found = []
    for layer in model.layers:
        kind = type(layer).__name__
        if kind in layers or kind == "Activation":
            found.append(layers.get(kind) or layer.activation.__name__)
        else:
            assert getattr(layer, "activation", None) in (None, keras.activations.linear)
    return [name for name in found if name != "softmax"]


def test_the_slopes_of_prelu_do_not_depend_on_the_size_of_the_image():
    counts = {
        sum(
            math.prod(weight.shape)
            for weight in build_model(
                architecture("cnn_deep", activation="prelu", height=side, width=side)
            ).trainable_weights
            if weight.name == "alpha"
        )
        for side in (10, 24)
    }
    assert counts == {3 + 3 + 6 + 6 + 51}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_network_learns_in_bfloat16_with_any_activation(name):
    model = build_model(architecture("cnn_simple", activation=name), precision="bfloat16")
    model.compile(keras.optimizers.Adam(0.01), "categorical_crossentropy", run_eagerly=True)
    images, targets = noise(8), np.eye(3, dtype=np.float32)[np.arange(8) % 3]
    losses = [float(model.train_on_batch(images, targets)) for _ in range(6)]
    assert losses[-1] < losses[0]


def test_gelu_in_bfloat16_errs_by_no_more_than_its_rounding():
    numbers = keras.Input((81,), dtype="bfloat16")
    given = keras.ops.cast(np.linspace(-4, 4, 81, dtype=np.float32)[None], "bfloat16")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = keras.Model(numbers, activate(numbers, architecture("mlp", activation="gelu")))
    finally:
        keras.config.set_dtype_policy(before)
    told, exact = (np.asarray(keras.ops.cast(array, "float32")) for array in (model(given), given))
    np.testing.assert_allclose(told, FORMULAS["gelu"](exact), rtol=2**-7, atol=1e-3)


# The others are one operation of ONNX each.
@pytest.mark.parametrize("name", ["leaky-relu", "prelu", "elu", "gelu"])
def test_the_exported_network_answers_the_same_with_any_activation(name, tmp_path):
    network = architecture("cnn_simple", activation=name)
    model = build_model(network)
    for weight in model.trainable_weights:
        if weight.name == "alpha":  # slopes of their own, that a mix-up would show
            weight.assign(np.random.default_rng(1).uniform(0, 1, weight.shape))
    np.testing.assert_allclose(exported(network, model, tmp_path), model(noise()), atol=1e-6)


def exported(network: Architecture, model: keras.Model, folder: Path) -> np.ndarray:
    """What the ONNX file of a network answers."""
    (folder / "architecture.json").write_bytes(to_json(network))
    (folder / "weights.safetensors").write_bytes(dump_weights(model))
    np.save(folder / "images.npy", noise())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras' exporter warns of its own use of NumPy
        child.main(str(folder))
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    (told,) = session.run(None, {session.get_inputs()[0].name: noise()})
    return told


def test_kernels_begin_as_suits_the_activation():
    begun = {name: initializer(architecture("mlp", activation=name)) for name in ACTIVATIONS}
    glorot = {name for name, kind in begun.items() if kind == "glorot_normal"}
    assert glorot == {"sigmoid", "tanh"}
    assert set(begun.values()) == {"glorot_normal", "he_normal"}
    assert initializer(architecture("mlp"), "tanh") == "glorot_normal"


def regression(**changes: object) -> Architecture:
    return architecture("cnn_simple", task="regression", classes=1, **changes)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_untrained_network_answers_with_the_mean_of_the_targets(precision):
    model = build_model(regression(target_mean=40.0, target_std=7.0), precision=precision)
    told = np.asarray(model(noise()))
    assert told.dtype == np.float32
    assert told.tolist() == [[40.0]] * 4


def test_what_a_network_learns_does_not_depend_on_the_unit_of_its_target():
    metres, millimetres = (learned(unit) for unit in (1.0, 1000.0))
    assert np.ptp(metres) > 0.1
    np.testing.assert_allclose(millimetres, 1000 * metres, rtol=1e-3)


def test_the_exported_network_answers_with_the_same_number(tmp_path):
    network = regression(target_mean=40.0, target_std=7.0)
    model = build_model(network)
    for weight in model.trainable_weights:
        weight.assign(np.random.default_rng(1).normal(0, 0.2, weight.shape))
    np.testing.assert_allclose(exported(network, model, tmp_path), model(noise()), rtol=1e-5)


def learned(unit: float) -> np.ndarray:
    """What a network answers after a few steps on targets in some unit."""
    keras.utils.set_random_seed(3)
    targets = unit * np.arange(1, 9, dtype=np.float32)[:, None]
    mean, std = float(targets.mean()), float(targets.std())
    model = build_model(regression(target_mean=mean, target_std=std))
    loss = make_loss(Recipe(loss="mse"), "regression", std)
    model.compile(keras.optimizers.SGD(0.01), loss, run_eagerly=True)
    for _ in range(5):
        model.train_on_batch(noise(8), targets)
    return np.asarray(model(noise(8)))
