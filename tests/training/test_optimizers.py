"""Optimizers: the rates they follow, what they decay, and the averages they keep."""

from __future__ import annotations

import typing

import numpy as np
import pytest

from darkroom.backend import keras
from darkroom.models.architecture import Architecture
from darkroom.models.catalog import CATALOG, build_model
from darkroom.training.optimizers import (
    average_weights,
    make_optimizer,
    usual_peak_lr,
    usual_weight_decay,
)
from darkroom.training.recipe import Optimizer, OptimizerName

NAMES = typing.get_args(OptimizerName)
STEADY = np.full(100, 0.01, np.float32)


def small_model() -> keras.Model:
    """A kernel, biases, a norm and the slopes of PReLU."""
    keras.utils.set_random_seed(0)
    image = keras.Input((4, 4, 2))
    features = keras.layers.Conv2D(3, 3)(image)
    features = keras.layers.BatchNormalization()(features)
    features = keras.layers.PReLU(alpha_initializer="ones", shared_axes=[1, 2])(features)
    features = keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(features))
    return keras.Model(image, features)


def values(variables) -> list[np.ndarray]:
    return [np.asarray(variable).copy() for variable in variables]


def constant_gradients(model: keras.Model, value: float) -> list:
    return [keras.ops.full(weight.shape, value) for weight in model.trainable_variables]


def random_gradients(model: keras.Model, seed: int) -> list:
    rng = np.random.default_rng(seed)
    return [
        keras.ops.convert_to_tensor(rng.normal(size=weight.shape).astype(np.float32))
        for weight in model.trainable_variables
    ]


def moved(model: keras.Model, optimizer, steps: int, *, first: int = 0) -> list[np.ndarray]:
    """The weights after some steps along random gradients, the same each time."""
    for step in range(first, first + steps):
        optimizer.apply(random_gradients(model, step), model.trainable_variables)
    return values(model.trainable_variables)


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(here, there) for here, there in zip(one, other, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_every_optimizer_learns_at_its_usual_rate(name):
    model = small_model()
    rates = np.full(60, usual_peak_lr(name), np.float32)
    model.compile(make_optimizer(model, Optimizer(name=name), rates), "categorical_crossentropy")
    of = np.arange(24) % 3
    images = np.random.default_rng(0).normal(of, 0.3, size=(4, 4, 2, 24)).transpose(3, 0, 1, 2)
    labels = np.eye(3, dtype=np.float32)[of]
    told = model.fit(images, labels, batch_size=8, epochs=20, verbose=0).history["loss"]
    assert told[-1] < 0.85 * told[0]


def test_the_moves_are_those_of_keras():
    for settings, peer in (
        (
            Optimizer(name="sgd", momentum=0.9, weight_decay=0.1),
            keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True, weight_decay=0.1),
        ),
        (
            Optimizer(name="sgd", nesterov=False, weight_decay=0.0),
            keras.optimizers.SGD(0.01, momentum=0.9),
        ),
        (Optimizer(name="adamw"), keras.optimizers.AdamW(0.01, weight_decay=0.01)),
        (Optimizer(name="adadelta"), keras.optimizers.Adadelta(0.01)),
    ):
        model, theirs = small_model(), small_model()
        peer.exclude_from_weight_decay(
            [weight for weight in theirs.trainable_variables if weight.name != "kernel"]
        )
        ours = make_optimizer(model, settings, STEADY)
        assert same(moved(model, ours, 5), moved(theirs, peer, 5)), settings.name


def test_without_momentum_sgd_follows_the_table_of_rates_and_then_its_last():
    model, rates = small_model(), np.array([0.5, 0.25, 0.125], np.float32)
    settings = Optimizer(name="sgd", momentum=0.0, weight_decay=0.0)
    optimizer = make_optimizer(model, settings, rates)
    for rate in (0.5, 0.25, 0.125, 0.125):
        before = values(model.trainable_variables)
        optimizer.apply(constant_gradients(model, 1.0), model.trainable_variables)
        for weight, was in zip(values(model.trainable_variables), before, strict=True):
            np.testing.assert_allclose(was - weight, rate, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_weight_decay_spares_biases_norms_and_slopes(name):
    shrunk = shrunk_by(
        lambda model: make_optimizer(model, Optimizer(name=name, weight_decay=0.1), STEADY)
    )
    assert shrunk == {"kernel"}


def test_the_test_of_weight_decay_can_fail():
    shrunk = shrunk_by(lambda _: keras.optimizers.SGD(0.01, weight_decay=0.1))
    assert shrunk == {"kernel", "bias", "gamma", "beta", "alpha"}


def shrunk_by(make) -> set[str]:
    """Which variables get smaller when nothing but decay moves them."""
    model = small_model()
    for weight in model.trainable_variables:
        weight.assign(keras.ops.ones(weight.shape))
    make(model).apply(constant_gradients(model, 0.0), model.trainable_variables)
    return {weight.name for weight in model.trainable_variables if np.any(np.asarray(weight) < 1)}


@pytest.mark.parametrize("name", [name for name in CATALOG if CATALOG[name].input_px <= 64])
def test_every_weight_of_a_network_that_should_decay_is_called_a_kernel(name):
    model = build_model(architecture(name, height=32, width=32))
    for weight in model.trainable_variables:
        assert weight.name.endswith("kernel") == (len(weight.shape) > 1), weight.path


def test_no_decay_is_usual_where_none_was_invented():
    assert {name for name in NAMES if usual_weight_decay(name)} == {"sgd", "adamw"}


@pytest.mark.parametrize("name", NAMES)
def test_a_variable_learns_at_its_share_of_the_rate(name):
    """The first convolution at a tenth, the norm not at all, the rest at the whole rate."""

    def rate_of(variable):
        return {"kernel": 0.1, "gamma": 0.0}.get(variable.name, 1.0)

    settings = Optimizer(name=name, weight_decay=0.1)
    start = values(small_model().trainable_variables)
    whole, shared = small_model(), small_model()
    far = moved(whole, make_optimizer(whole, settings, STEADY), 1)
    near = moved(shared, make_optimizer(shared, settings, STEADY, rate_of=rate_of), 1)
    for variable, was, one, other in zip(whole.trainable_variables, start, far, near, strict=True):
        np.testing.assert_allclose(other - was, rate_of(variable) * (one - was), atol=1e-6)


def test_gradients_scaled_instead_would_not_slow_adam():
    moves = []
    for scale in (1.0, 0.1):
        model = small_model()
        start = values(model.trainable_variables)
        optimizer = make_optimizer(model, Optimizer(name="adam"), STEADY)
        optimizer.apply(constant_gradients(model, scale), model.trainable_variables)
        moves.append(start[0] - values(model.trainable_variables)[0])
    np.testing.assert_allclose(moves[0], moves[1], rtol=1e-3)


def test_a_long_gradient_is_cut_to_its_length_and_a_short_one_is_left():
    settings = Optimizer(name="sgd", momentum=0.0, weight_decay=0.0, clip_norm=2.0)
    for value, wanted in ((100.0, 2.0), (1e-3, None)):
        model = small_model()
        optimizer = make_optimizer(model, settings, np.ones(1, np.float32))
        start = np.concatenate([v.ravel() for v in values(model.trainable_variables)])
        optimizer.apply(constant_gradients(model, value), model.trainable_variables)
        end = np.concatenate([v.ravel() for v in values(model.trainable_variables)])
        wanted = wanted or value * len(start) ** 0.5
        assert np.linalg.norm(start - end) == pytest.approx(wanted, rel=1e-3)


def averaged(name: OptimizerName = "sgd") -> Optimizer:
    return Optimizer(name=name, ema=0.9)


def test_the_average_is_what_its_formula_says():
    model = small_model()
    optimizer, wanted = make_optimizer(model, averaged(), STEADY), None
    for step in range(4):
        weights = moved(model, optimizer, 1, first=step)
        wanted = (
            [0.9 * old + 0.1 * new for old, new in zip(wanted, weights, strict=True)]
            if wanted
            else weights
        )
    with average_weights(model, optimizer):
        for weight, average in zip(values(model.trainable_variables), wanted, strict=True):
            np.testing.assert_allclose(weight, average, atol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_after_a_look_at_the_averages_every_weight_is_back(precision):
    model = build_model(architecture("mlp", width_factor=0.02), precision=precision)
    optimizer = make_optimizer(model, averaged("adamw"), STEADY)
    before = moved(model, optimizer, 3)
    with average_weights(model, optimizer):
        assert not same(values(model.trainable_variables), before)
    assert same(values(model.trainable_variables), before)


def test_the_weights_are_back_also_when_the_look_ends_in_an_error():
    model = small_model()
    optimizer = make_optimizer(model, averaged(), STEADY)
    before = moved(model, optimizer, 2)
    with pytest.raises(KeyboardInterrupt), average_weights(model, optimizer):
        raise KeyboardInterrupt
    assert same(values(model.trainable_variables), before)


@pytest.mark.parametrize(("settings", "steps"), [(averaged(), 0), (Optimizer(name="sgd"), 2)])
def test_there_is_no_average_before_the_first_step_or_when_none_is_kept(settings, steps):
    model = small_model()
    optimizer = make_optimizer(model, settings, STEADY)
    before = moved(model, optimizer, steps)
    with average_weights(model, optimizer):
        assert same(values(model.trainable_variables), before)


def test_a_fit_ends_with_the_weights_that_it_trained():
    assert not same(*fit_with(lambda model: make_optimizer(model, averaged(), STEADY)))


def test_the_test_of_the_end_of_a_fit_can_fail():
    keras_own = keras.optimizers.SGD(0.01, use_ema=True, ema_momentum=0.9)
    assert same(*fit_with(lambda _: keras_own))


def fit_with(make) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The weights after a fit, and the averages that the optimizer then holds."""
    model = small_model()
    model.compile(make(model), "mse")
    images, targets = np.ones((8, 4, 4, 2), np.float32), np.ones((8, 3), np.float32)
    model.fit(images, targets, batch_size=2, epochs=1, verbose=0)
    held = model.optimizer.variables
    averages = [variable for variable in held if variable.name.endswith("_average")]
    return values(model.trainable_variables), values(averages)


@pytest.mark.parametrize("name", NAMES)
def test_a_training_goes_on_to_the_same_bytes_from_the_variables_of_its_optimizer(name):
    kept = kept_after_four_steps(name)
    assert same(gone_on(name, *kept), whole_run(name))


def test_the_test_of_going_on_can_fail():
    weights, _ = kept_after_four_steps("adam")
    assert not same(gone_on("adam", weights, []), whole_run("adam"))


def whole_run(name: OptimizerName) -> list[np.ndarray]:
    model = small_model()
    optimizer = make_optimizer(model, averaged(name), np.linspace(0.1, 0, 6, dtype=np.float32))
    weights = moved(model, optimizer, 6)
    with average_weights(model, optimizer):
        return weights + values(model.trainable_variables)


def kept_after_four_steps(name: OptimizerName) -> tuple[list[np.ndarray], list[np.ndarray]]:
    model = small_model()
    optimizer = make_optimizer(model, averaged(name), np.linspace(0.1, 0, 6, dtype=np.float32))
    return moved(model, optimizer, 4), values(optimizer.variables)


def gone_on(name: OptimizerName, weights: list, state: list) -> list[np.ndarray]:
    model = small_model()
    optimizer = make_optimizer(model, averaged(name), np.linspace(0.1, 0, 6, dtype=np.float32))
    for variable, value in zip(model.trainable_variables, weights, strict=True):
        variable.assign(value)
    for variable, value in zip(optimizer.variables, state, strict=False):
        variable.assign(value)
    weights = moved(model, optimizer, 2, first=4)
    with average_weights(model, optimizer):
        return weights + values(model.trainable_variables)


def architecture(name: str, **changes: object) -> Architecture:
    usual = {
        "name": name,
        "version": CATALOG[name].version,
        "height": 8,
        "width": 8,
        "channels": 3,
        "classes": 3,
        "task": "single-label",
    }
    return Architecture(**(usual | changes))
