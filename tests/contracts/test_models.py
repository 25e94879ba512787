"""What every network of the catalog must do."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from safetensors.numpy import load

from darkroom.backend import keras
from darkroom.errors import RecipeError
from darkroom.models.architecture import Architecture
from darkroom.models.catalog import CATALOG, build_model
from darkroom.training.run import assign_weights, dump_weights

NETWORKS = sorted(CATALOG)


def architecture(name: str, **changes: object) -> Architecture:
    network = CATALOG[name]
    usual = {
        "name": name,
        "version": network.version,
        "height": network.input_px,
        "width": network.input_px,
        "channels": 3,
        "classes": 10,
        "task": "single-label",
    }
    return Architecture(**(usual | changes))


def noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_has_the_parameters_its_catalog_line_says(name):
    assert build_model(architecture(name)).count_params() == CATALOG[name].parameters


@pytest.mark.parametrize("name", NETWORKS)
def test_a_catalog_line_names_its_source_and_purpose(name):
    network = CATALOG[name]
    assert network.name == name
    assert network.source
    assert network.says
    assert network.version >= 1


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_softmax_rows_are_float32_and_sum_to_one(name, precision):
    model = build_model(architecture(name), precision=precision)
    answers = np.asarray(model(noise((3, *model.input_shape[1:]))))
    assert answers.dtype == np.float32
    assert answers.shape == (3, 10)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_several_labels_get_a_sigmoid_each(name):
    model = build_model(architecture(name, task="multi-label", classes=4))
    answers = np.asarray(model(5 * noise((8, *model.input_shape[1:]))))
    assert ((answers > 0) & (answers < 1)).all()
    assert np.abs(answers.sum(axis=1) - 1).max() > 1e-3


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_works_from_its_smallest_size_on_and_refuses_smaller_ones(name):
    smallest = CATALOG[name].smallest_px
    build_model(architecture(name, height=smallest, width=smallest + 3, channels=1))
    if smallest > 1:
        with pytest.raises(RecipeError) as refused:
            build_model(architecture(name, height=smallest - 1))
        assert str(smallest) in refused.value.hint


@pytest.mark.parametrize("name", NETWORKS)
def test_width_makes_a_network_larger_or_smaller(name):
    usual = build_model(architecture(name)).count_params()
    assert build_model(architecture(name, width_factor=0.5)).count_params() < usual
    assert build_model(architecture(name, width_factor=1.5)).count_params() > usual


@pytest.mark.parametrize("name", NETWORKS)
def test_dropout_and_l2_reach_the_layers(name):
    model = build_model(architecture(name, dropout=0.4, l2=1e-3))
    rates = [layer.rate for layer in model.layers if type(layer).__name__ == "Dropout"]
    assert rates
    assert set(rates) == {0.4}
    assert len(model.losses) >= 2
    bare = build_model(architecture(name, dropout=0.0))
    assert not [layer for layer in bare.layers if type(layer).__name__ == "Dropout"]
    assert not bare.losses


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_written_and_given_back_answer_the_same(name):
    one, other = build_model(architecture(name)), build_model(architecture(name))
    images = noise((2, *one.input_shape[1:]))
    assert not np.allclose(one(images), other(images))
    assign_weights(other, load(dump_weights(one)))
    np.testing.assert_array_equal(one(images), other(images))


def test_building_leaves_the_precision_policy_as_it_was():
    before = keras.config.dtype_policy().name
    build_model(architecture("mlp"), precision="bfloat16")
    assert keras.config.dtype_policy().name == before


def test_an_unknown_network_names_the_nearest():
    misspelt = msgspec.structs.replace(architecture("resnet_tiny"), name="resnet_tinny")
    with pytest.raises(RecipeError) as unknown:
        build_model(misspelt)
    assert "resnet_tiny" in unknown.value.hint


def test_another_version_of_a_network_is_refused():
    with pytest.raises(RecipeError) as refused:
        build_model(architecture("mlp", version=99))
    assert "99" in refused.value.problem
