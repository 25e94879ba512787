"""Slopes, maps and kernels of real networks; and the same networks with random weights."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from darkroom.backend import keras, to_numpy
from darkroom.data.preprocess import Preprocess
from darkroom.evaluation.explain.inside import Inside
from darkroom.evaluation.explain.insides import feature_maps, first_kernels
from darkroom.evaluation.explain.redrawn import Redrawn
from darkroom.evaluation.explain.slopes import slope_function
from darkroom.evaluation.explain.subject import run_subject
from darkroom.models.catalog import build_model
from tests.contracts.test_models import small
from tests.evaluation.explain.toys import PREPROCESS, red_images, red_network, red_subject


def inside(name: str, **changes: object) -> Inside:
    architecture = small(name, **changes)
    preprocess = Preprocess(
        height=architecture.height, width=architecture.width, channels=architecture.channels
    )
    return Inside(build_model(architecture), architecture, preprocess)


def noise(count: int, like: Inside) -> np.ndarray:
    size = (count, like.preprocess.height, like.preprocess.width, like.preprocess.channels)
    return np.random.default_rng(0).integers(0, 256, size).astype(np.uint8)


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_a_slope_is_what_the_score_changes_by(task):
    network = keras.Model(*(lambda n: (n.input, n.get_layer("logits").output))(red_network()))
    inputs = np.random.default_rng(0).random((3, 16, 16, 3)).astype(np.float32)
    classes = np.array([0, 1, 1])

    def score(images: np.ndarray) -> np.ndarray:
        logits = to_numpy(network(images)).astype(np.float64)
        own, other = logits[range(3), classes], logits[range(3), 1 - classes]
        return own - other if task == "single-label" else own

    slopes = slope_function(network, task)(inputs, classes)
    moved = np.random.default_rng(1).normal(0, 1e-3, inputs.shape).astype(np.float32)
    foreseen = (slopes * moved).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(
        score(inputs + moved) - score(inputs), foreseen, rtol=0.05, atol=1e-3
    )


def test_slopes_follow_weights_that_change():
    network = red_network()
    logits = keras.Model(network.input, network.get_layer("logits").output)
    slopes = slope_function(logits, "multi-label")
    inputs, classes = np.full((1, 16, 16, 3), 0.5, np.float32), np.array([1])
    inputs[..., 0] = 1
    before = slopes(inputs, classes)
    kernel = network.get_layer("logits").kernel
    kernel.assign(2 * kernel.value)
    np.testing.assert_allclose(slopes(inputs, classes), 2 * before, rtol=1e-5)
    assert np.abs(before).max() > 0


@pytest.mark.parametrize("name", ["resnet_tiny", "cnn_simple", "cnn_deep", "mobilenet_v2"])
def test_the_last_maps_of_a_network_decide_its_answer(name):
    network = inside(name)
    pixels = noise(3, network)
    maps, slopes = network.map_slopes(network.scaled(pixels), np.array([0, 1, 2]))
    assert maps.shape == slopes.shape
    assert maps.shape[0] == 3
    assert min(maps.shape[1:3]) >= 1
    assert np.isfinite(slopes).all()


def test_batches_of_any_size_give_the_same():
    subject = red_subject()
    pixels, classes, _ = red_images(9)
    inputs = subject.inside.scaled(pixels)
    whole = subject.inside.slopes(inputs, classes)
    pieces = [subject.inside.slopes(inputs[[row]], classes[[row]])[0] for row in range(9)]
    np.testing.assert_allclose(whole, pieces, atol=1e-5)
    np.testing.assert_allclose(subject.answer(pixels)[:5], subject.answer(pixels[:5]), atol=1e-6)


@pytest.mark.parametrize(("name", "channels"), [("resnet_tiny", 3), ("cnn_simple", 1)])
def test_kernels_and_maps_are_drawn(name, channels):
    network = inside(name, channels=channels)
    kernels = first_kernels(network)
    assert kernels.dtype == np.uint8
    assert kernels.shape[2] == 3
    drawn, _ = feature_maps(network, noise(2, network))
    assert [each.layer for each in drawn] == [
        layer.name for layer in (network.convolutions[0], *network.convolutions[1:])
    ][:: max((len(network.convolutions) - 1) // 2, 1)]
    assert all(each.sheet.any() for each in drawn)


def test_a_kernel_that_looks_for_red_is_drawn_red():
    red = first_kernels(Inside(red_network(), red_subject().inside.architecture, PREPROCESS))
    assert red[0, 0].tolist() == [255, 64, 64]
    assert red[0, 2].tolist() == [0, 191, 191]  # the other kernel, behind one pixel of ground


def test_a_network_of_dense_layers_has_no_convolutions():
    assert inside("mlp").convolutions == []


@pytest.fixture(scope="module")
def subject(run):
    return run_subject(run)


def test_redrawn_weights_are_others_and_the_same_for_a_seed(subject):
    pixels = noise(4, subject.inside)
    own = subject.answer(pixels)
    redrawn = Redrawn(subject, seed=3)
    first, second = (redrawn.subject(number).answer(pixels) for number in range(2))
    assert np.abs(first - own).max() > 1e-3
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(Redrawn(subject, seed=3).subject(0).answer(pixels), first)
    np.testing.assert_array_equal(subject.answer(pixels), own)


def test_a_head_that_begins_at_zero_is_drawn_as_well():
    network = inside("mobilenet_v2")
    toy = msgspec.structs.replace(red_subject(), inside=network, preprocess=network.preprocess)
    pixels = noise(2, network)
    assert np.ptp(network.answer(pixels)) == 0  # every class alike
    redrawn = Redrawn(toy).subject(0)
    kernel = redrawn.inside.network.get_layer("logits").kernel
    assert to_numpy(kernel.value).std() > 0


def test_labelled_images_come_from_the_validation_part(run, subject):
    valid = run.dataset.counts["valid"]
    assert len(subject.known.pixels) == len(subject.known.targets) == min(valid, 128)
