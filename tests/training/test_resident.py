"""Images on the device: the same pixels as on the processor, and the same training."""

from __future__ import annotations

import numpy as np
import pytest

from darkroom.backend import keras
from darkroom.data.pixels import Images
from darkroom.data.preprocess import Preprocess
from darkroom.training.batches import take_pixels, take_varied_pixels
from darkroom.training.recipe import Augment, Recipe
from darkroom.training.record import Device
from darkroom.training.resident import (
    DevicePixels,
    belong_on_device,
    put_on_device,
    take_draws,
    take_places,
    without_pixels,
)

STANDARD = {"scaling": "standard", "mean": (120.3, 90.1, 7.7), "std": (60.2, 33.3, 1.9)}


def drawn(count=40, height=7, width=9, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return Images(
        pixels=rng.integers(0, 256, (count + 5, height, width, channels), dtype=np.uint8),
        rows=rng.permutation(count + 5)[:count],
        targets=np.eye(2, dtype=np.float32)[np.arange(count) % 2],
        identities=rng.integers(0, 2**63, count).astype(np.uint64),
    )


def on_device(images, preprocess, numbers):
    layer = DevicePixels(images.take(slice(None)), preprocess)
    return keras.ops.convert_to_numpy(layer(numbers))


@pytest.mark.parametrize(
    ("settings", "flip", "shift"),
    [
        ({"scaling": "unit"}, True, 0.3),
        ({"scaling": "signed"}, False, 0.5),
        ({"scaling": "bytes"}, True, 0.0),
        (STANDARD, True, 0.4),
    ],
)
def test_pixels_are_those_of_the_processor_to_the_last_bit(settings, flip, shift):
    images, preprocess = drawn(), Preprocess(height=7, width=9, **settings)
    recipe = Recipe(augment=Augment(flip=flip, shift=shift), seed=3)
    chosen = np.random.default_rng(1).permutation(40)[:17]
    for epoch in (0, 5):
        wanted = take_varied_pixels(images, preprocess, recipe)(chosen, epoch)
        numbers = take_draws(images, preprocess, recipe)(chosen, epoch)
        got = on_device(images, preprocess, numbers)
        assert got.dtype == wanted.dtype
        assert got.tobytes() == np.ascontiguousarray(wanted).tobytes()
    # The control: the draws of another epoch give other images.
    other = take_draws(images, preprocess, recipe)(chosen, 1)
    assert on_device(images, preprocess, other).tobytes() != got.tobytes()


def test_grey_images_work_as_well():
    images, preprocess = drawn(channels=1), Preprocess(height=7, width=9, channels=1)
    recipe = Recipe(augment=Augment(shift=0.2))
    chosen = np.arange(40)
    wanted = take_varied_pixels(images, preprocess, recipe)(chosen, 2)
    numbers = take_draws(images, preprocess, recipe)(chosen, 2)
    np.testing.assert_array_equal(on_device(images, preprocess, numbers), wanted)


def as_input_again():
    """Make a network that answers with what it is shown."""
    return keras.Sequential([keras.Input((7, 9, 3)), keras.layers.Identity()])


def network():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((7, 9, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])


def test_parts_lie_one_after_another():
    preprocess, train, valid = Preprocess(height=7, width=9), drawn(), drawn(12, seed=1)
    inner = network()
    model = put_on_device(inner, preprocess, (train, valid))
    chosen = np.arange(12)
    wanted = inner(take_pixels(valid, preprocess)(chosen, 0))
    got = model(take_places(len(train))(chosen, 0))
    np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (got, wanted)))


def test_a_training_is_the_same_one_and_its_state_holds_no_pixels():
    preprocess, images, recipe = Preprocess(height=7, width=9), drawn(), Recipe(seed=2)
    chosen = [np.random.default_rng(step).permutation(40)[:16] for step in range(6)]
    losses, weights = [], []
    for where in ("processor", "device"):
        inner = network()
        model, take = inner, take_varied_pixels(images, preprocess, recipe)
        if where == "device":
            model = put_on_device(inner, preprocess, (images,))
            take = take_draws(images, preprocess, recipe)
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
        told = [model.train_on_batch(take(some, 0), images.targets[some]) for some in chosen]
        losses.append([float(loss) for loss in told])
        weights.append([np.asarray(variable.value) for variable in inner.variables])
        assert len(without_pixels(model.variables)) == len(inner.variables)
    assert losses[0] == losses[1]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(model.variables) > len(inner.variables)


@pytest.mark.parametrize(
    ("kind", "count", "expected"),
    [("gpu", 1000, True), ("cpu", 1000, False), ("gpu", 10**7, False)],
)
def test_images_belong_on_an_accelerator_where_they_fit_easily(kind, count, expected):
    pixels = np.broadcast_to(np.zeros((1, 32, 32, 3), np.uint8), (count, 32, 32, 3))
    images = Images(
        pixels=pixels, rows=np.arange(count), targets=np.zeros((1, 2), np.float32),
        identities=np.zeros(1, np.uint64),
    )  # fmt: skip
    device = Device(kind=kind, name="", backend="jax", precision="float32")
    assert belong_on_device(device, (images,)) is expected
