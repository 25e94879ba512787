"""Transfer learning: a network in two halves, frozen and thawed, with weights from a file."""

from __future__ import annotations

import warnings

import h5py
import numpy as np
import pytest

from darkroom.backend import keras
from darkroom.errors import ArtifactError
from darkroom.models.architecture import Architecture
from darkroom.models.catalog import build_model
from darkroom.models.transfer import (
    load_trunk_weights,
    rate_share,
    split_network,
    thaw_trunk,
)
from darkroom.models.weights import FoundWeights, find_weights
from darkroom.training.run import dump_weights, weights_dumper
from tests.making import real_data

SIDE = 32


def network(name: str = "resnet_small", width: float = 0.25) -> keras.Model:
    architecture = Architecture(
        name=name,
        version=1,
        height=SIDE,
        width=SIDE,
        channels=3,
        classes=3,
        task="single-label",
        width_factor=width,
    )
    return build_model(architecture)


@pytest.fixture(scope="module")
def model():
    """A small network with a trunk; a test leaves it frozen or thawed as it likes."""
    keras.utils.set_random_seed(0)
    return network()


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(-1, 1, (8, SIDE, SIDE, 3)).astype(np.float32)


def save(model: keras.Model, path):
    from keras.src.legacy.saving import legacy_h5_format

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Keras 3.15 with NumPy 2.4
        if path.name.endswith(".weights.h5"):
            model.save_weights(path)
        else:  # as Keras 2 did; Keras 3 still reads it, and writes it no more
            with h5py.File(path, "w") as file:
                legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return path


def batch_norms(model: keras.Model) -> list[keras.layers.Layer]:
    return [one for one in model.layers if isinstance(one, keras.layers.BatchNormalization)]


def learning(trunk: keras.Model) -> list[keras.layers.Layer]:
    """Give the layers that learn when all is thawed, in order."""
    norms = batch_norms(trunk)
    return [layer for layer in trunk.layers if layer.weights and layer not in norms]


def test_the_halves_of_a_network_answer_as_the_whole(model, images):
    trunk, head = split_network(model)
    features = trunk(images)
    assert features.shape == (8, 64)
    np.testing.assert_allclose(head(features), model(images), atol=1e-6)


def test_what_the_head_learns_the_network_knows(images):
    model = network()
    trunk, head = split_network(model)
    before, trunk_before = model.get_weights(), trunk.get_weights()
    head.compile("sgd", "categorical_crossentropy")
    head.fit(trunk(images), np.eye(3)[np.arange(8) % 3], verbose=0)
    assert not np.array_equal(before[-1], model.get_weights()[-1])
    assert all(map(np.array_equal, trunk_before, trunk.get_weights()))


def test_a_frozen_trunk_leaves_the_head_to_train(model):
    thaw_trunk(model, groups=3, thawed=0)
    assert {weight.path.partition("/")[0] for weight in model.trainable_weights} == {"logits"}


def test_groups_thaw_from_the_last_to_the_first(model):
    first, *_, last = learning(split_network(model)[0])
    thawed = []
    for count in range(4):
        thaw_trunk(model, groups=3, thawed=count)
        thawed.append((first.trainable, last.trainable))
    assert thawed == [(False, False), (False, True), (False, True), (True, True)]


def test_groups_are_about_as_large_and_leave_nothing_out(model):
    layers = learning(split_network(model)[0])
    counts = []
    for count in range(5):
        thaw_trunk(model, groups=4, thawed=count)
        counts.append(len([layer for layer in layers if layer.trainable]))
    sizes = np.diff(counts)
    assert counts[-1] == len(layers)
    assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("is_frozen", [True, False])
def test_batch_norms_keep_their_statistics_and_scale(images, is_frozen):
    """With the control: norms that are thawed by hand do not."""
    model = network()
    thaw_trunk(model, groups=2, thawed=2)
    if not is_frozen:
        for norm in batch_norms(model):
            norm.trainable = True
    before = [norm.get_weights() for norm in batch_norms(model)]
    last = learning(split_network(model)[0])[-1]
    kernel = last.get_weights()[0]
    model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy")
    model.fit(images, np.eye(3)[np.arange(8) % 3], verbose=0)
    after = [norm.get_weights() for norm in batch_norms(model)]
    changes = [
        np.abs(old - new).max()
        for one, other in zip(before, after, strict=True)
        for old, new in zip(one, other, strict=True)
    ]
    assert (max(changes) == 0) == is_frozen
    assert not np.array_equal(kernel, last.get_weights()[0])


def test_earlier_groups_learn_at_a_smaller_share_of_the_rate(model):
    thaw_trunk(model, groups=3, thawed=0)  # what is frozen now may learn later
    share = rate_share(model, groups=3, decay=0.5)
    assert {share(weight) for weight in model.get_layer("logits").weights} == {1}
    in_order = [share(layer.kernel) for layer in learning(split_network(model)[0])]
    assert (in_order[0], in_order[-1]) == (0.125, 0.5)
    assert in_order == sorted(in_order)
    assert set(in_order) == {0.125, 0.25, 0.5}


def test_weights_at_random_change_nothing(model):
    before = model.get_weights()
    load_trunk_weights(model, find_weights("resnet_small", "none"))
    assert all(map(np.array_equal, before, model.get_weights()))


def test_weights_that_are_written_again_copy_only_what_is_fitted():
    model = network()
    trunk, head = split_network(model)
    dump = weights_dumper(model, head)
    assert dump() == dump_weights(model)
    kernel = head.trainable_weights[0]
    kernel.assign(np.ones(kernel.shape))
    assert dump() == dump_weights(model)
    trunk.weights[0].assign(np.ones(trunk.weights[0].shape))  # the control: that one is at rest
    assert dump() != dump_weights(model)
    assert weights_dumper(model, model)() == dump_weights(model)


def test_real_weights_fill_the_trunk_and_leave_the_head(images):
    path = real_data("weights/mobilenet_v2_0.35_224_no_top.weights.h5")
    model = network("mobilenet_v2", 0.35)
    reference = keras.applications.MobileNetV2(
        input_shape=(SIDE, SIDE, 3), alpha=0.35, include_top=False, weights=path, pooling="avg"
    )
    head = model.get_layer("logits").get_weights()
    load_trunk_weights(model, find_weights("mobilenet_v2", str(path)))
    trunk, _ = split_network(model)
    np.testing.assert_allclose(trunk(images), reference(images), rtol=1e-4, atol=1e-4)
    assert all(map(np.array_equal, head, model.get_layer("logits").get_weights()))


@pytest.mark.parametrize(
    ("name", "width"),
    [("resnet_small", 0.5), pytest.param("mobilenet", 0.25, marks=pytest.mark.slow)],
)
def test_weights_of_another_width_or_network_are_refused(model, tmp_path, name, width):
    path = save(split_network(network(name, width))[0], tmp_path / "other.weights.h5")
    with pytest.raises(ArtifactError) as refused:
        load_trunk_weights(model, FoundWeights(width=0.25, where="given", path=path))
    assert str(path) in refused.value.problem
    assert "resnet_small at width 0.25" in refused.value.problem
    assert "include_top=False" in refused.value.hint


@pytest.mark.parametrize("name", ["same.weights.h5", "same.h5", "same", "same.bin"])
@pytest.mark.parametrize("written_as", ["old.weights.h5", "old.h5"])
def test_a_file_is_known_by_its_content_whatever_its_name(
    model, tmp_path, images, name, written_as
):
    (tmp_path / "written").mkdir()
    path = tmp_path / "written" / written_as
    save(split_network(model)[0], path)
    path = path.rename(tmp_path / name)
    other = network()
    load_trunk_weights(other, FoundWeights(width=0.25, where="given", path=path))
    ours, theirs = split_network(other)[0], split_network(model)[0]
    np.testing.assert_array_equal(ours(images), theirs(images))
    assert sorted(tmp_path.iterdir()) == [tmp_path / name, tmp_path / "written"]


def test_what_a_refused_file_holds_is_told_in_numbers(model, tmp_path):
    path = save(split_network(network("resnet_small", 0.5))[0], tmp_path / "other.weights.h5")
    with pytest.raises(ArtifactError) as refused:
        load_trunk_weights(model, FoundWeights(width=0.25, where="given", path=path))
    trunk = split_network(network("resnet_small", 0.5))[0]
    assert f"it holds {trunk.count_params():,}" in refused.value.problem
    assert f"{split_network(model)[0].count_params():,} numbers" in refused.value.problem
    assert "--set" not in refused.value.hint  # explore takes weights too, and no setting


def test_weights_of_the_trunk_itself_are_taken(model, tmp_path, images):
    """The control of the refusals."""
    path = save(split_network(model)[0], tmp_path / "same.weights.h5")
    other = network()
    load_trunk_weights(other, FoundWeights(width=0.25, where="given", path=path))
    ours, theirs = split_network(other)[0], split_network(model)[0]
    np.testing.assert_array_equal(ours(images), theirs(images))


def test_a_file_that_is_no_weights_is_refused(model, tmp_path):
    path = tmp_path / "trunk.weights.h5"
    path.write_bytes(b"not weights at all")
    with pytest.raises(ArtifactError) as refused:
        load_trunk_weights(model, FoundWeights(width=0.25, where="given", path=path))
    assert str(path) in refused.value.problem


@pytest.mark.slow
def test_a_trunk_trained_on_pixels_scaled_otherwise_is_refused(tmp_path):
    """EfficientNet's file says what its pixels were scaled by."""
    application = keras.applications.EfficientNetB0(
        input_shape=(SIDE, SIDE, 3), include_top=False, weights=None
    )
    path = save(application, tmp_path / "b0.weights.h5")
    with pytest.raises(ArtifactError) as refused:
        load_trunk_weights(
            network("efficientnet_b0", 1.0), FoundWeights(width=1.0, where="given", path=path)
        )
    assert "scaled by mean" in refused.value.problem
