"""The pretrained trunk: what it says of real photographs, what it keeps, what it refuses."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import darkroom
from darkroom.data.embedding import class_of_each
from darkroom.errors import ArtifactError
from darkroom.models import trunk
from darkroom.models.trunk import find_trunk_weights, trunk_embedding
from tests.making import real_data

WEIGHTS = "weights/mobilenet_v2_1.0_224_no_top.weights.h5"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Twenty-five cats and as many dogs."""
    source, root = real_data("dogscats"), tmp_path_factory.mktemp("photos")
    for label in ("cats", "dogs"):
        (root / "pets" / label).mkdir(parents=True)
        for path in sorted((source / "train" / label).iterdir())[:25]:
            shutil.copy(path, root / "pets" / label)
    return darkroom.open_dataset(root / "pets", workspace=darkroom.Workspace(root / "workspace"))


def test_cats_lie_near_cats(photos):
    embedding = trunk_embedding(photos, weights=real_data(WEIGHTS))
    likeness = embedding.vectors @ embedding.vectors.T
    np.fill_diagonal(likeness, -np.inf)
    classes = class_of_each(photos)
    assert embedding.images == tuple(photos.index["image"])
    assert (classes[likeness.argmax(axis=1)] == classes).mean() > 0.85


def test_features_are_kept(photos, monkeypatch):
    first = trunk_embedding(photos, weights=real_data(WEIGHTS))
    monkeypatch.setattr(trunk, "_trunk", lambda _: pytest.fail("the network was built again"))
    assert trunk_embedding(photos, weights=real_data(WEIGHTS)).vectors == pytest.approx(
        first.vectors, abs=1e-5
    )


def test_other_weights_are_other_features(photos):
    narrow = real_data("weights/mobilenet_v2_0.35_224_no_top.weights.h5")
    one = trunk_embedding(photos, weights=narrow).vectors
    other = trunk_embedding(photos, weights=real_data(WEIGHTS)).vectors
    assert one != pytest.approx(other, abs=1e-2)


def test_a_limit_takes_as_many_of_every_class_and_says_so(photos):
    embedding = trunk_embedding(photos, weights=real_data(WEIGHTS), limit=20)
    assert sum(name.startswith("cats/") for name in embedding.images) == 10
    assert len(embedding.images) == 20
    assert "20 of 50 images" in embedding.made_by


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
    kept = tmp_path / "models" / trunk._KEPT_BY_KERAS
    kept.parent.mkdir()
    kept.write_bytes(b"weights")
    assert find_trunk_weights() == kept


def test_nothing_is_downloaded_when_there_are_no_weights(dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(ArtifactError) as refused:
        trunk_embedding(dataset)
    assert "MobileNetV2" in refused.value.hint
