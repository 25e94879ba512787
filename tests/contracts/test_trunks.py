"""What every pretrained trunk must do: see as Keras' own network does, from Keras' own files."""

from __future__ import annotations

import importlib
import warnings
from unittest import mock

import h5py
import msgspec
import numpy as np
import pytest

from darkroom.backend import keras
from darkroom.bundles.export.onnx import export_onnx
from darkroom.bundles.runtimes import OnnxRuntime
from darkroom.data.preprocess import Preprocess, scale_pixels
from darkroom.models import applications
from darkroom.models.architecture import Architecture
from darkroom.models.catalog import CATALOG, build_model
from darkroom.models.converted import convert_trunk, open_converted
from darkroom.models.transfer import load_trunk_weights, split_network
from darkroom.models.trunks import TRUNKS, Published
from darkroom.models.weights import FoundWeights
from darkroom.training.run import dump_weights

QUICK = {"mobilenet_v2", "vgg16"}
NAMES = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in TRUNKS]
SIDE = 96


@pytest.fixture(scope="module", params=NAMES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def keras_own(name):
    """Keras' own network as it is for its published weights, and what it would have fetched."""
    trunk, asked = TRUNKS[name], []

    def get_file(_file, origin, *, file_hash=None, **_):
        asked.append(Published(address=origin, checksum=file_hash or ""))
        return "nowhere"

    with (
        mock.patch("keras.src.utils.file_utils.get_file", get_file),
        mock.patch.object(keras.Model, "load_weights"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # that 96 px are not among the published sizes
        build = getattr(keras.applications, trunk.application)
        model = build(input_shape=(SIDE, SIDE, 3), include_top=False, pooling="avg")
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.get_weights():
            # As in the published files of EfficientNet: deviations in the place of variances.
            mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
            layer.set_weights([mean, deviation, np.array(0)])
            layer.finalize_state()
    preprocess_input = importlib.import_module(build.__module__).preprocess_input
    return model, preprocess_input, asked


@pytest.fixture(scope="module")
def ours(name, keras_own, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "trunk.weights.h5"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Keras 3.15 with NumPy 2.4
        keras_own[0].save_weights(path)
    return loaded(name, path)


def loaded(name: str, path) -> keras.Model:
    model = build_model(architecture(name))
    load_trunk_weights(model, FoundWeights(width=1.0, where="given", path=path))
    return split_network(model)[0]


def architecture(name: str) -> Architecture:
    return Architecture(
        name=name,
        version=CATALOG[name].version,
        height=SIDE,
        width=SIDE,
        channels=3,
        classes=2,
        task="single-label",
    )


def pixels() -> np.ndarray:
    """Two photographs' worth of blocks and noise."""
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 200, (2, 6, 6, 3)).repeat(16, axis=1).repeat(16, axis=2)
    return (blocks + rng.integers(0, 56, (2, SIDE, SIDE, 3))).astype(np.uint8)


def scaled(name: str) -> np.ndarray:
    preprocess = Preprocess(height=SIDE, width=SIDE, scaling=CATALOG[name].scaling)
    return scale_pixels(pixels(), preprocess)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference, as a share of the largest number."""
    return float(np.abs(one - other).max() / np.abs(other).max())


def test_a_trunk_sees_what_keras_own_network_sees(name, keras_own, ours):
    model, preprocess_input, _ = keras_own
    expected = np.asarray(model(preprocess_input(pixels().astype(np.float32))))
    assert distance(np.asarray(ours(scaled(name))), expected) < 1e-4
    wrong = scaled(name)[..., ::-1] * 0.9  # the control: another order of colours, another scale
    assert distance(np.asarray(ours(wrong)), expected) > 1e-3


def test_the_weights_keras_would_fetch_are_those_we_do(name, keras_own):
    assert keras_own[2] == [_at_96_px(name)]


def _at_96_px(name: str) -> Published:
    """Give what Keras knows of it too, which counts no numbers."""
    published = msgspec.structs.replace(TRUNKS[name].published[1.0], numbers=None)
    if name == "mobilenet_v2":  # has weights of its own for 96 px; ours are those for 224
        return Published(address=published.address.replace("_224_", f"_{SIDE}_"))
    return published


def test_features_are_as_many_as_the_table_says(name, ours):
    assert ours.output_shape == (None, TRUNKS[name].count_features(1.0))


def test_an_image_is_scaled_once_only(name):
    assert (CATALOG[name].scaling == "signed") == (TRUNKS[name].style == "signed")


@pytest.mark.parametrize("mode", ["caffe", "torch"])
def test_our_scaling_is_that_of_keras(mode):
    image = keras.Input((SIDE, SIDE, 3))
    ours = keras.Model(image, applications._scaled(image, mode))
    raw = pixels().astype(np.float32)
    expected = keras.applications.imagenet_utils.preprocess_input(raw.copy(), mode=mode)
    np.testing.assert_allclose(np.asarray(ours(raw)), expected, atol=1e-4)
    other = {"caffe": "torch", "torch": "caffe"}[mode]
    wrong = keras.applications.imagenet_utils.preprocess_input(raw.copy(), mode=other)
    assert np.abs(np.asarray(ours(raw)) - wrong).max() > 1


@pytest.mark.parametrize(
    ("name_of", "width"),
    [
        ("mobilenet_v2", 1.3),
        ("mobilenet_v3_small", 0.75),
        pytest.param("mobilenet_v2", 0.35, marks=pytest.mark.slow),
        pytest.param("mobilenet_v3_large", 0.75, marks=pytest.mark.slow),
        pytest.param("mobilenet_v3_large", 1.3, marks=pytest.mark.slow),
        pytest.param("mobilenet", 0.25, marks=pytest.mark.slow),
    ],
)
def test_features_are_counted_right_at_other_widths(name_of, width):
    trunk = TRUNKS[name_of]
    build = getattr(keras.applications, trunk.application)
    model = build(input_shape=(32, 32, 3), include_top=False, weights=None, alpha=width)
    assert model.output_shape[-1] == trunk.count_features(width)


@pytest.mark.parametrize("name_of", ["vgg16", pytest.param("xception", marks=pytest.mark.slow)])
def test_a_file_as_keras_2_wrote_them_is_read(name_of, tmp_path):
    """Most published files are of that kind."""
    from keras.src.legacy.saving import legacy_h5_format

    trunk = TRUNKS[name_of]
    model = getattr(keras.applications, trunk.application)(
        input_shape=(SIDE, SIDE, 3), include_top=False, weights=None
    )
    path = tmp_path / "notop.h5"
    with h5py.File(path, "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Keras 3.15 with NumPy 2.4
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    ours = loaded(name_of, path)
    assert all(map(np.array_equal, ours.get_weights(), model.get_weights()))


@pytest.mark.slow
def test_an_exported_trunk_answers_the_same(name, tmp_path):
    model = build_model(architecture(name))
    exported = export_onnx(architecture(name), dump_weights(model), scaled(name))
    (tmp_path / "model.onnx").write_bytes(exported.model)
    answers = OnnxRuntime(tmp_path / "model.onnx").answer(scaled(name))
    np.testing.assert_allclose(answers, exported.answers, atol=1e-5)
    np.testing.assert_allclose(answers, np.asarray(model(scaled(name))), atol=1e-5)


@pytest.mark.slow
def test_a_converted_trunk_sees_the_same(ours, name, tmp_path):
    convert_trunk(ours, tmp_path / "trunk.onnx")
    see = open_converted(tmp_path / "trunk.onnx")
    expected = np.asarray(ours(scaled(name)))
    assert distance(see(scaled(name)), expected) < 1e-4
    assert distance(see(scaled(name)[..., ::-1] * 0.9), expected) > 1e-3  # the control


def test_grey_images_are_seen_as_colour_without_colour(ours, name):
    grey = build_model(msgspec.structs.replace(architecture(name), channels=1))
    trunk, _ = split_network(grey)
    trunk.set_weights(ours.get_weights())
    images = scaled(name)[..., :1]
    expected = np.asarray(ours(np.repeat(images, 3, axis=3)))
    assert distance(np.asarray(trunk(images)), expected) < 1e-5


@pytest.mark.parametrize(
    ("name", "width"),
    [
        pytest.param(name, width, marks=() if width == 0.35 else pytest.mark.slow)
        for name, trunk in TRUNKS.items()
        for width, published in trunk.published.items()
        if published.numbers
    ],
)
def test_a_trunk_has_the_numbers_by_which_the_width_of_a_file_is_told(name, width):
    trunk = TRUNKS[name]
    assert all(published.numbers for published in trunk.published.values())
    build = getattr(keras.applications, trunk.application)
    model = build(
        input_shape=(224, 224, 3), alpha=width, include_top=False, weights=None, **trunk.options
    )
    assert model.count_params() == trunk.published[width].numbers
