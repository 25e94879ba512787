"""Questions to a network: what changed images and batch norm statistics do to its answers."""

from __future__ import annotations

import numpy as np
import pytest

from darkroom.backend import keras
from darkroom.data.preprocess import Preprocess
from darkroom.evaluation.diagnosis.inputs import AS_THEY_ARE, RESTATED, REVERSED, SCALED
from darkroom.evaluation.diagnosis.probes import answer_changed, find_silent, probed

UNIT = Preprocess(height=4, width=4, channels=3, scaling="unit")


@pytest.fixture
def pixels() -> np.ndarray:
    """Red images, then blue ones."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (32, 4, 4, 3)).astype(np.uint8)
    images[:16, ..., 0] += 150
    images[16:, ..., 2] += 150
    return images


def reddish(*, normed: bool = False) -> keras.Model:
    """Answer whether red or blue is stronger, behind a batch norm if asked."""
    image = keras.Input((4, 4, 3))
    seen = keras.layers.BatchNormalization(momentum=0.9)(image) if normed else image
    seen = keras.layers.Dropout(0.5)(seen)
    pooled = keras.layers.GlobalAveragePooling2D()(seen)
    answer = keras.layers.Dense(2, activation="softmax", use_bias=False)
    network = keras.Model(image, answer(pooled))
    answer.set_weights([np.array([[9.0, -9.0], [0.0, 0.0], [-9.0, 9.0]])])
    return network


def test_exchanged_channels_turn_the_answers_around(pixels):
    answers = answer_changed(reddish(), pixels, pixels, UNIT)
    assert (answers[AS_THEY_ARE].argmax(axis=1) == np.repeat([0, 1], 16)).all()
    assert (answers[REVERSED].argmax(axis=1) == np.repeat([1, 0], 16)).all()
    assert {f"{SCALED}signed", f"{SCALED}bytes", f"{SCALED}standard"} < set(answers)
    assert f"{SCALED}unit" not in answers
    assert RESTATED not in answers  # there is no batch norm


def test_statistics_that_do_not_fit_are_replaced_and_put_back(pixels):
    network = reddish(normed=True)
    norm = next(
        each for each in network.layers if isinstance(each, keras.layers.BatchNormalization)
    )
    norm.moving_mean.assign([5.0, 0.0, -5.0])
    norm.trainable = False
    before = network.get_weights()
    answers = answer_changed(network, pixels, pixels, UNIT)
    truth = np.repeat([0, 1], 16)
    assert (answers[AS_THEY_ARE].argmax(axis=1) == truth).mean() == 0.5
    assert (answers[RESTATED].argmax(axis=1) == truth).all()
    for kept, now in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, now)
    assert (norm.trainable, norm.momentum) == (False, 0.9)
    assert [each.rate for each in network.layers if isinstance(each, keras.layers.Dropout)] == [0.5]


def test_grey_images_have_no_channels_to_exchange():
    grey = Preprocess(height=4, width=4, channels=1, scaling="signed")
    image = keras.Input((4, 4, 1))
    network = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(image)))
    some = np.random.default_rng(0).integers(0, 255, (8, 4, 4, 1)).astype(np.uint8)
    assert REVERSED not in answer_changed(network, some, some, grey)


def test_units_that_never_speak_are_counted():
    image = keras.Input((6,))
    hidden = keras.layers.Dense(5)
    network = keras.Model(
        image, keras.layers.Dense(2)(keras.layers.Activation("relu")(hidden(image)))
    )
    kernel, bias = hidden.get_weights()
    bias[:3] = -100.0
    hidden.set_weights([kernel, bias])
    some = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    (silent,) = find_silent(network, some)
    assert (silent.units, silent.dead) == (5, 3)
    hidden.set_weights([kernel, np.zeros(5)])
    assert find_silent(network, some)[0].dead == 0  # control


def test_of_large_images_fewer_are_asked():
    chosen = np.arange(0, 2000, 2)
    few = probed(chosen, Preprocess(height=224, width=224))
    many = probed(chosen, Preprocess(height=8, width=8))
    assert (len(few), len(many)) == (48, 256)
    assert set(few) <= set(chosen)
    assert len(probed(chosen[:5], UNIT)) == 5
