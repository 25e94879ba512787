"""The pretrained trunk: what it says of real photographs, what it keeps, what it refuses."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys

import h5py
import numpy as np
import polars as pl
import pytest

import darkroom
from darkroom.backend import keras
from darkroom.data.embedding import class_of_each
from darkroom.data.prepared import pixel_rows, prepared_images
from darkroom.data.preprocess import Preprocess, scale_pixels
from darkroom.errors import ArtifactError
from darkroom.models import features
from darkroom.models.architecture import Architecture
from darkroom.models.catalog import build_model
from darkroom.models.features import trunk_features
from darkroom.models.trunk import find_trunk_weights, trunk_embedding
from darkroom.models.trunks import TRUNKS
from darkroom.models.weights import find_weights
from tests.making import real_data

WEIGHTS = "weights/mobilenet_v2_1.0_224_no_top.weights.h5"
NARROW = "weights/mobilenet_v2_0.35_224_no_top.weights.h5"
SMALL = Preprocess(height=64, width=64, channels=3, scaling="signed")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Twenty-five cats and as many dogs."""
    source, root = real_data("dogscats"), tmp_path_factory.mktemp("photos")
    for label in ("cats", "dogs"):
        (root / "pets" / label).mkdir(parents=True)
        for path in sorted((source / "train" / label).iterdir())[:25]:
            shutil.copy(path, root / "pets" / label)
    return darkroom.open_dataset(root / "pets", workspace=darkroom.Workspace(root / "workspace"))


def architecture(**changes: object) -> Architecture:
    usual = {
        "name": "mobilenet_v2",
        "version": TRUNKS["mobilenet_v2"].version,
        "height": 64,
        "width": 64,
        "channels": 3,
        "classes": 2,
        "task": "single-label",
        "width_factor": 0.35,
    }
    return Architecture(**(usual | changes))


def narrow_features(dataset, table: pl.DataFrame, preprocess: Preprocess = SMALL) -> np.ndarray:
    found = find_weights("mobilenet_v2", str(real_data(NARROW)))
    return trunk_features(dataset, table, preprocess, architecture(), found)


def built_again(*_: object) -> keras.Model:
    pytest.fail("the network was built again")


def test_cats_lie_near_cats(photos):
    embedding = trunk_embedding(photos, weights=real_data(WEIGHTS))
    likeness = embedding.vectors @ embedding.vectors.T
    np.fill_diagonal(likeness, -np.inf)
    classes = class_of_each(photos)
    assert embedding.images == tuple(photos.index["image"])
    assert (classes[likeness.argmax(axis=1)] == classes).mean() > 0.85


def test_features_are_kept(photos, monkeypatch):
    first = trunk_embedding(photos, weights=real_data(WEIGHTS))
    monkeypatch.setattr(features, "_pretrained_trunk", built_again)
    assert trunk_embedding(photos, weights=real_data(WEIGHTS)).vectors == pytest.approx(
        first.vectors, abs=1e-5
    )


def test_other_weights_are_other_features(photos):
    one = trunk_embedding(photos, weights=real_data(NARROW)).vectors
    other = trunk_embedding(photos, weights=real_data(WEIGHTS)).vectors
    assert one != pytest.approx(other, abs=1e-2)


def test_a_limit_takes_as_many_of_every_class_and_says_so(photos):
    embedding = trunk_embedding(photos, weights=real_data(WEIGHTS), limit=20)
    assert sum(name.startswith("cats/") for name in embedding.images) == 10
    assert len(embedding.images) == 20
    assert "20 of 50 images" in embedding.made_by


def test_features_are_what_keras_own_network_gives(photos):
    reference = keras.applications.MobileNetV2(
        input_shape=(64, 64, 3),
        alpha=0.35,
        include_top=False,
        weights=real_data(NARROW),
        pooling="avg",
    )
    by_image = dict(
        pair for chunk in prepared_images(photos, photos.index, SMALL) for pair in chunk
    )
    pixels = np.stack([by_image[bytes.fromhex(digest)] for digest in photos.index["sha256"]])
    expected = reference.predict_on_batch(scale_pixels(pixels, SMALL))
    got = narrow_features(photos, photos.index)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
    assert np.abs(np.roll(got, 1, axis=0) - expected).max() > 0.1  # the control


def test_a_converted_trunk_sees_the_same_and_is_kept(photos, monkeypatch):
    expected = narrow_features(photos, photos.index)
    features._pretrained_trunk.cache_clear()  # as in a process that begins
    monkeypatch.setattr(features, "_WORTH_CONVERTING", 50)
    monkeypatch.setattr(features, "DECODER", -4)
    np.testing.assert_allclose(narrow_features(photos, photos.index), expected, atol=1e-4)
    monkeypatch.setattr(features, "DECODER", -5)
    monkeypatch.setattr(features, "_pretrained_trunk", built_again)
    np.testing.assert_allclose(narrow_features(photos, photos.index), expected, atol=1e-4)
    (converted,) = (photos.workspace.cache / "features").glob("*.onnx")
    converted.write_bytes(b"damaged")
    monkeypatch.setattr(features, "DECODER", -6)
    with pytest.raises(ArtifactError) as refused:
        narrow_features(photos, photos.index)
    assert str(converted) in refused.value.hint
    converted.unlink()


def test_only_what_is_missing_is_computed(photos, monkeypatch):
    seen = []

    def counting(eye, images, preprocess):
        for batch in see(eye, images, preprocess):
            seen.extend(batch[0])
            yield batch

    see = features._see
    monkeypatch.setattr(features, "_see", counting)
    monkeypatch.setattr(features, "DECODER", -1)  # nothing of other tests is kept under this
    some = narrow_features(photos, photos.index[:20])
    whole = narrow_features(photos, photos.index)
    assert len(seen) == len(set(seen)) == len(photos.index)
    np.testing.assert_array_equal(whole[:20], some)


def test_an_interruption_keeps_what_was_computed(photos, monkeypatch):
    def interrupted(eye, images, preprocess):
        yield next(see(eye, images, preprocess))
        raise KeyboardInterrupt

    see = features._see
    monkeypatch.setattr(features, "DECODER", -2)
    monkeypatch.setattr(features, "_see", interrupted)
    before = _kept(photos)
    with pytest.raises(KeyboardInterrupt):
        narrow_features(photos, photos.index)
    assert _kept(photos) - before == features._BATCH


def _kept(photos) -> int:
    """Count the rows of all caches of features."""
    keys = (photos.workspace.cache / "features").glob("*.keys")
    return sum(path.stat().st_size for path in keys) // 32


def test_pixels_that_are_kept_are_not_decoded_again(photos, monkeypatch):
    pixel_rows(photos, photos.index, SMALL)
    expected = narrow_features(photos, photos.index)
    monkeypatch.setattr(features, "DECODER", -3)
    monkeypatch.setattr(features, "prepared_images", built_again)
    np.testing.assert_allclose(narrow_features(photos, photos.index), expected, atol=1e-5)


def test_what_was_not_kept_leaves_no_trace_in_random_numbers(photos, monkeypatch):
    monkeypatch.setattr(features, "DECODER", -7)
    features._pretrained_trunk.cache_clear()
    before = random.getstate()
    narrow_features(photos, photos.index[:3])
    assert random.getstate() == before
    build_model(architecture())  # the control
    assert random.getstate() != before


def test_another_scaling_is_another_cache(photos):
    one = narrow_features(photos, photos.index[:3])
    unit = Preprocess(height=64, width=64, channels=3, scaling="unit")
    other = narrow_features(photos, photos.index[:3], unit)
    assert np.abs(one - other).max() > 0.1


def test_a_network_at_random_has_no_features(photos):
    found = find_weights("mobilenet_v2", "none", width=0.35)
    with pytest.raises(ArtifactError) as refused:
        trunk_features(photos, photos.index, SMALL, architecture(), found)
    assert "mobilenet_v2" in refused.value.problem


def test_looking_up_what_is_kept_imports_no_keras():
    code = "import sys, darkroom.models.trunk; assert 'keras' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_weights_of_another_network_are_refused(photos):
    wrong = real_data("weights/mobilenet_0.75_224_no_top.weights.h5")
    with pytest.raises(ArtifactError) as refused:
        trunk_embedding(photos, weights=wrong)
    assert str(wrong) in refused.value.problem


def test_a_file_that_is_no_weights_is_refused(dataset, tmp_path):
    path = tmp_path / "weights.h5"
    path.write_bytes(b"not weights at all")
    with pytest.raises(ArtifactError) as refused:
        trunk_embedding(dataset, weights=path)
    assert str(path) in refused.value.problem


def test_a_missing_file_is_refused(dataset, tmp_path):
    with pytest.raises(ArtifactError) as refused:
        trunk_embedding(dataset, weights=tmp_path / "gone.h5")
    assert "gone.h5" in refused.value.problem


def test_weights_that_keras_has_kept_are_found(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert find_trunk_weights() is None
    published = TRUNKS["mobilenet_v2"].published[1.0]
    kept = tmp_path / "models" / published.file
    kept.parent.mkdir()
    kept.write_bytes(b"no weights")
    assert find_trunk_weights() is None
    with h5py.File(kept, "w") as file:
        file.create_dataset("layer/vars/0", shape=(published.numbers,), dtype=np.float32)
    assert find_trunk_weights() == kept


def test_nothing_is_downloaded_when_there_are_no_weights(dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(ArtifactError) as refused:
        trunk_embedding(dataset)
    assert "MobileNetV2" in refused.value.hint
