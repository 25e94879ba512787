"""The head of a pretrained network: standardised, from zero, and the same alone as in its place."""

from __future__ import annotations

import numpy as np
import pytest

from darkroom.backend import keras
from darkroom.models.architecture import Architecture
from darkroom.models.catalog import build_model
from darkroom.models.head import build_head, standardise
from darkroom.models.transfer import split_network

ARCHITECTURE = Architecture(
    name="mobilenet_v2", version=1, height=32, width=32, channels=3, classes=4,
    task="single-label", width_factor=0.35,
)  # fmt: skip


def rows() -> np.ndarray:
    generator = np.random.default_rng(0)
    made = generator.normal(size=(200, 1280)) * generator.uniform(0.1, 5, 1280) + 3
    made[:, 0] = 2.0  # tells nothing
    return made.astype(np.float32)


def test_a_fresh_head_holds_every_class_for_equally_likely() -> None:
    answers = np.asarray(build_head(ARCHITECTURE, 1280)(rows()))
    assert np.array_equal(answers, np.full((200, 4), answers[0, 0]))  # the same to the bit
    assert answers[0, 0] == pytest.approx(0.25, abs=1e-6)  # which processors round differently


def test_features_are_standardised_in_training_and_after() -> None:
    head, made = build_head(ARCHITECTURE, 1280), rows()
    before = np.asarray(head.get_layer("standardised")(made))
    standardise(head, made)
    for training in (True, False):
        seen = np.asarray(head.get_layer("standardised")(made, training=training))
        assert np.abs(seen.mean(axis=0)).max() < 1e-2
        assert np.allclose(seen[:, 1:].std(axis=0), 1, atol=1e-2)
        assert np.isfinite(seen).all()
    assert np.abs(before.mean(axis=0)).max() > 2  # the control


def test_training_leaves_the_standards_alone() -> None:
    head, made = build_head(ARCHITECTURE, 1280), rows()
    standardise(head, made)
    kept = head.get_layer("standardised").get_weights()
    head.compile("sgd", "categorical_crossentropy")
    head.fit(10 * made, np.eye(4)[np.arange(200) % 4], verbose=0)
    for before, after in zip(kept, head.get_layer("standardised").get_weights(), strict=True):
        assert np.array_equal(before, after)
    assert np.abs(head.get_layer("logits").get_weights()[0]).max() > 0  # the control


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_alone_it_has_the_weights_that_stand_last_in_the_network(task: str) -> None:
    architecture = Architecture(
        **{name: getattr(ARCHITECTURE, name) for name in ARCHITECTURE.__struct_fields__}
        | {"task": task}
    )
    network = build_model(architecture)
    network.get_layer("logits").set_weights([np.random.default_rng(1).normal(size=(1280, 4)), np.arange(4)])  # fmt: skip # noqa: E501
    _, within = split_network(network)
    standardise(within, rows())
    alone = build_head(architecture, 1280)
    alone.set_weights(network.get_weights()[-len(alone.weights) :])
    assert np.array_equal(
        keras.ops.convert_to_numpy(alone(rows())), keras.ops.convert_to_numpy(within(rows()))
    )
