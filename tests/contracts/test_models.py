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
from darkroom.models.trunks import TRUNKS
from darkroom.training.run import assign_weights, dump_weights

QUICK = {"mobilenet_v2", "resnet_small"} | {
    name for name in CATALOG if CATALOG[name].input_px <= 64
}
NETWORKS = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in sorted(CATALOG)
]


@pytest.fixture(scope="module", params=NETWORKS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def usual(name):
    """The network as small as a test needs it; no test changes it."""
    return build_model(small(name))


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


def small(name: str, **changes: object) -> Architecture:
    side = min(CATALOG[name].input_px, max(CATALOG[name].smallest_px, 32))
    return architecture(name, **({"height": side, "width": side} | changes))


def noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def test_a_network_has_the_parameters_its_catalog_line_says(name):
    assert build_model(architecture(name)).count_params() == CATALOG[name].parameters


def test_a_catalog_line_names_its_source_and_purpose(name):
    network = CATALOG[name]
    assert network.name == name
    assert network.source
    assert network.says
    assert network.version >= 1
    assert network.smallest_px <= network.input_px


def test_softmax_rows_are_float32_and_sum_to_one(name, usual):
    answers = np.asarray(usual(noise((3, *usual.input_shape[1:]))))
    assert answers.dtype == np.float32
    assert answers.shape == (3, 10)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)


def test_bfloat16_answers_in_float32(name):
    model = build_model(small(name), precision="bfloat16")
    answers = np.asarray(model(noise((3, *model.input_shape[1:]))))
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)


def test_several_labels_get_a_sigmoid_each(name):
    model = build_model(small(name, task="multi-label", classes=4))
    # Of noise a deep network of random weights is certain; of nothing it is not.
    answers = np.asarray(model(np.zeros((8, *model.input_shape[1:]), np.float32)))
    assert ((answers > 0) & (answers < 1)).all()
    assert np.abs(answers.sum(axis=1) - 1).max() > 1e-3


def test_a_regression_begins_at_the_mean_of_its_targets(name):
    model = build_model(small(name, task="regression", classes=1, target_mean=7, target_std=2))
    answers = np.asarray(model(noise((2, *model.input_shape[1:]))))
    np.testing.assert_array_equal(answers, [[7], [7]])


def test_a_network_works_from_its_smallest_size_on_and_refuses_smaller_ones(name):
    smallest = CATALOG[name].smallest_px
    model = build_model(architecture(name, height=smallest, width=smallest + 3, channels=1))
    assert np.isfinite(model(noise((1, smallest, smallest + 3, 1)))).all()
    if smallest > 1:
        with pytest.raises(RecipeError) as refused:
            build_model(architecture(name, height=smallest - 1))
        assert str(smallest) in refused.value.hint


def test_width_makes_a_network_larger_or_smaller_or_is_refused(name, usual):
    if name in TRUNKS and TRUNKS[name].features_at is None:
        with pytest.raises(RecipeError) as refused:
            build_model(small(name, width_factor=0.5))
        assert "width = 0.5" in refused.value.problem
        assert "width=1" in refused.value.hint
        return
    assert build_model(small(name, width_factor=0.5)).count_params() < usual.count_params()
    assert build_model(small(name, width_factor=1.5)).count_params() > usual.count_params()


def test_an_activation_changes_a_network_or_is_refused(name, usual):
    if name in TRUNKS:
        with pytest.raises(RecipeError) as refused:
            build_model(small(name, activation="elu"))
        assert "activation = elu" in refused.value.problem
        return
    model = build_model(small(name, activation="elu"))
    model.set_weights(usual.get_weights())
    images = noise((2, *usual.input_shape[1:]))
    # By the logits: a deep network of random weights is nearly certain of one class either way.
    before, after = (
        np.asarray(keras.Model(each.input, each.get_layer("logits").output)(images))
        for each in (usual, model)
    )
    assert np.abs(after - before).max() > 1e-2 * np.abs(before).max()


def test_dropout_and_l2_reach_the_layers(name, usual):
    model = build_model(small(name, dropout=0.4, l2=1e-3))
    rates = [layer.rate for layer in model.layers if type(layer).__name__ == "Dropout"]
    if name in TRUNKS:  # those inside a trunk are its own
        rates = rates[-1:]
    assert rates
    assert set(rates) == {0.4}
    kernels = [weight for weight in model.trainable_weights if weight.name.endswith("kernel")]
    assert len(model.losses) == len(kernels) >= 2
    assert not usual.losses


def test_no_dropout_is_none_at_all(name):
    without = build_model(small(name, dropout=0.0))
    last = [type(layer).__name__ for layer in without.layers][-3:]
    assert "Dropout" not in last


def test_weights_written_and_given_back_answer_the_same(name, usual):
    other, written = build_model(small(name)), dump_weights(usual)
    assert dump_weights(other) != written
    assign_weights(other, load(written))
    assert dump_weights(other) == written
    images = noise((2, *usual.input_shape[1:]))
    np.testing.assert_array_equal(usual(images), other(images))


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
