"""The faster gradient is the gradient; whitened kernels answer equally to all patterns."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from darkroom.backend import keras
from darkroom.models.convolutions import FasterConv2D, PatchWhitening

OWN = {"Conv2DBackpropInput", "Conv2DBackpropFilter"}  # gradients that oneDNN has a way for


@pytest.fixture(params=["mixed_bfloat16", "float32"])
def precision(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """In float32, as a processor whose gradients are slow."""
    without_avx512(monkeypatch)
    return request.param


def without_avx512(monkeypatch: pytest.MonkeyPatch, *flags: str) -> None:
    flags = flags or ("avx2",)
    monkeypatch.setattr(
        "darkroom.models.convolutions.has_instructions", lambda *wanted: bool({*wanted} & {*flags})
    )


@pytest.mark.parametrize("side", [1, 2, 5, 8])
@pytest.mark.parametrize("kernel", [1, 2, 3, (2, 3), 5])
def test_gradients_on_small_grids_are_those_of_keras(
    side: int, kernel: int | tuple[int, int], precision: str
) -> None:
    ours = gradients(FasterConv2D, side, kernel, precision)
    theirs = gradients(keras.layers.Conv2D, side, kernel, "float32")
    for mine, exact in zip(ours, theirs, strict=True):
        assert relative_error(mine, exact) < {"float32": 1e-5, "mixed_bfloat16": 1e-2}[precision]


def test_edges_on_the_other_side_are_noticed() -> None:
    """The control: a kernel of 2 x 2 has one edge, and it matters where it is."""
    maps, above = drawn(8, 3), drawn(8, 4)
    wrong = tf.nn.conv2d(
        tf.transpose(maps, [3, 1, 2, 0]),
        tf.transpose(above, [1, 2, 0, 3]),
        1,
        [[0, 0], [1, 0], [1, 0], [0, 0]],
    )
    exact = gradients(keras.layers.Conv2D, 8, 2, "float32")[1]
    assert relative_error(tf.transpose(wrong, [1, 2, 0, 3]), exact) > 0.1


@pytest.mark.parametrize(
    ("side", "precision", "settings", "kinds"),
    [
        (8, "mixed_bfloat16", {}, {"Conv2DBackpropInput"}),
        (9, "mixed_bfloat16", {}, OWN),
        (9, "float32", {}, set()),
        (65, "float32", {}, OWN),
        (8, "mixed_bfloat16", {"strides": 2}, OWN),
        (8, "mixed_bfloat16", {"padding": "valid"}, OWN),
        (8, "mixed_bfloat16", {"use_bias": True}, OWN),
        (8, "mixed_bfloat16", {"activation": "relu"}, OWN),
    ],
)
def test_the_other_way_is_taken_where_it_is_faster(
    side: int,
    precision: str,
    settings: dict[str, object],
    kinds: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_avx512(monkeypatch)
    assert kinds_of_gradients(side, precision, settings) == kinds


@pytest.mark.parametrize("flags", [("avx2", "avx512f"), ("neon",)])
def test_in_float32_other_processors_have_fast_gradients(
    flags: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_avx512(monkeypatch, *flags)
    assert kinds_of_gradients(9, "float32", {}) == OWN


def kinds_of_gradients(side: int, precision: str, settings: dict[str, object]) -> set[str]:
    """Name the gradients of a step that are not plain convolutions."""
    settings = {"padding": "same", "use_bias": False, **settings}
    layer = FasterConv2D(4, 3, dtype=keras.DTypePolicy(precision), **settings)
    maps = tf.cast(drawn(side, 3), layer.compute_dtype)
    layer(maps)

    @tf.function
    def step(maps: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(maps)
            loss = tf.reduce_sum(tf.cast(layer(maps, training=True), "float32"))
        return tape.gradient(loss, [maps, layer.kernel.value])

    operations = step.get_concrete_function(maps).graph.get_operations()
    return {operation.type for operation in operations} & OWN


def test_answers_are_those_of_keras_bit_for_bit(precision: str) -> None:
    layer = FasterConv2D(4, 3, padding="same", use_bias=False, dtype=precision)
    plain = keras.layers.Conv2D(4, 3, padding="same", use_bias=False, dtype=precision)
    maps = drawn(8, 3)
    for each in (layer, plain):
        each.build(maps.shape)
    plain.set_weights(layer.get_weights())
    for training in (True, False):
        assert np.array_equal(
            np.asarray(tf.cast(layer(maps, training=training), "float32")),
            np.asarray(tf.cast(plain(maps), "float32")),
        )


def test_whitened_kernels_answer_equally_to_what_photographs_show() -> None:
    """With the control: kernels drawn at random mostly measure brightness."""
    images = smooth_images()
    spreads = {}
    for name, start in (("whitened", PatchWhitening()), ("drawn", keras.initializers.HeNormal(0))):
        answers = tf.nn.conv2d(images, start((3, 3, 3, 32)), 2, "VALID")
        answers = np.asarray(answers).reshape(-1, 32)
        strength = np.linalg.eigvalsh(np.cov(answers.T))[::-1][:16]
        spreads[name] = strength[0] / strength[-1]
    assert spreads["whitened"] < 30
    assert spreads["drawn"] > 1_000


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("filters", [1, 2, 7, 18, 32, 96])
def test_any_number_of_whitened_kernels(channels: int, filters: int) -> None:
    kernels = np.asarray(PatchWhitening()((3, 3, channels, filters)))
    assert kernels.shape == (3, 3, channels, filters)
    assert np.isfinite(kernels).all()
    pairs = min(filters // 2, 9 * channels)
    assert np.array_equal(kernels[..., :pairs], -kernels[..., pairs : 2 * pairs])
    each = kernels.reshape(-1, filters).T
    assert len(np.unique(each.round(6), axis=0)) == filters


def gradients(
    make: type[keras.layers.Layer], side: int, kernel: int | tuple[int, int], precision: str
) -> list[tf.Tensor]:
    layer = make(4, kernel, padding="same", use_bias=False, dtype=precision)
    maps, above = drawn(side, 3), drawn(side, 4)
    layer.build(maps.shape)
    layer.set_weights([np.asarray(tf.cast(drawn_kernel(layer.kernel.shape), "float32"))])
    maps = tf.cast(maps, layer.compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        answer = layer(maps, training=True)
        loss = tf.reduce_sum(tf.cast(answer, "float32") * tf.cast(above, "float32"))
    return tape.gradient(loss, [maps, layer.kernel.value])


def drawn(side: int, channels: int) -> tf.Tensor:
    numbers = np.random.default_rng(channels).normal(size=(6, side, side, channels))
    return tf.cast(numbers, "bfloat16")


def drawn_kernel(shape: tuple[int, ...]) -> tf.Tensor:
    return tf.cast(np.random.default_rng(9).normal(size=shape), "bfloat16")


def relative_error(mine: tf.Tensor, exact: tf.Tensor) -> float:
    mine, exact = (np.asarray(tf.cast(each, "float32")) for each in (mine, exact))
    return float(np.abs(mine - exact).max() / np.abs(exact).max())


def smooth_images() -> tf.Tensor:
    """Draw images whose neighbours correlate as in photographs, by a walk along both axes."""
    generator = np.random.default_rng(1)
    images = generator.normal(size=(200, 16, 16, 3))
    images = 0.3 * images + 0.95 * images[..., :1]
    for axis in (1, 2):
        images = np.moveaxis(images, axis, 0)
        for place in range(1, 16):
            images[place] = 0.95 * images[place - 1] + (1 - 0.95**2) ** 0.5 * images[place]
        images = np.moveaxis(images, 0, axis)
    return tf.cast(0.5 * images, "float32")
