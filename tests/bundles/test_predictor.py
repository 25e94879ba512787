"""Loading a bundle proves it; damage of any kind is refused; predictions name their classes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import msgspec
import numpy as np
import pytest

import darkroom
from darkroom.bundles.prediction import to_predictions
from darkroom.bundles.predictor import Predictor
from darkroom.bundles.record import BundleRecord
from darkroom.decision import Decision, decide
from darkroom.errors import ArtifactError, DataError
from darkroom.records import from_json, to_json
from darkroom.storage import read_manifest, write_closed_manifest
from tests.making import image_bytes


@pytest.fixture
def copy(bundle, tmp_path):
    """A bundle of one's own to damage."""
    return shutil.copytree(bundle.path, tmp_path / "bundle")


def reseal(folder):
    """Write the manifest anew, as somebody would who wants to hide a change."""
    manifest = read_manifest(folder)
    (folder / "manifest.json").unlink()
    write_closed_manifest(folder, manifest)


def change_record(folder, **changes):
    path = folder / "bundle.json"
    record = from_json(path.read_bytes(), BundleRecord, where="x")
    path.write_bytes(to_json(msgspec.structs.replace(record, **changes)))
    reseal(folder)


def rewrite_record(folder, change):
    """Write a record that darkroom itself would refuse to make."""
    path = folder / "bundle.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    reseal(folder)


def test_a_copied_bundle_needs_no_workspace(copy):
    assert darkroom.open_bundle(copy).predict(image_bytes()).label in ("ball", "box", "stripe")


def test_one_flipped_bit_anywhere_is_refused_200_times_of_200(copy):
    rng = np.random.default_rng(0)
    files = [path for path in sorted(copy.rglob("*")) if path.is_file()]
    refused = 0
    for _ in range(200):
        path = files[rng.integers(len(files))]
        data = bytearray(path.read_bytes())
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        before = path.read_bytes()
        path.write_bytes(data)
        with pytest.raises(ArtifactError):
            darkroom.open_bundle(copy)
        refused += 1
        path.write_bytes(before)
    assert refused == 200
    darkroom.open_bundle(copy)  # the control: without a flip it opens


@pytest.mark.parametrize("name", ["model.onnx", "golden/pixels.npy", "card.md"])
def test_a_missing_an_added_and_a_renamed_file_are_refused(copy, name):
    path = copy / name
    data = path.read_bytes()
    path.rename(copy / "other")
    with pytest.raises(ArtifactError):
        darkroom.open_bundle(copy)
    path.write_bytes(data)
    with pytest.raises(ArtifactError) as added:
        darkroom.open_bundle(copy)
    assert "other" in added.value.problem
    (copy / "other").unlink()
    darkroom.open_bundle(copy)


def test_a_newer_schema_is_refused_by_its_number(copy):
    path = copy / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))
    reseal(copy)
    with pytest.raises(ArtifactError) as refused:
        darkroom.open_bundle(copy)
    assert "99" in refused.value.problem
    assert "upgrade" in refused.value.hint


def test_other_answers_than_the_recorded_ones_are_refused(copy):
    record = from_json((copy / "bundle.json").read_bytes(), BundleRecord, where="x")
    first = record.golden[0]
    moved = tuple(share + 3e-4 for share in first.probabilities)
    golden = (msgspec.structs.replace(first, probabilities=moved), *record.golden[1:])
    change_record(copy, golden=golden)
    with pytest.raises(ArtifactError) as refused:
        darkroom.open_bundle(copy).predict(image_bytes())
    assert "golden" in refused.value.problem


def test_other_weights_in_the_network_are_refused(copy, workspace, tmp_path):
    other = darkroom.train(
        darkroom.open_dataset(_drawn(tmp_path), workspace=workspace),
        darkroom.Recipe(image_size=16, epochs=1, batch_size=16, seed=5),
    )
    exported = darkroom.pack(other, darkroom.evaluate(other))
    shutil.copy(exported.path / "model.onnx", copy / "model.onnx")
    reseal(copy)
    with pytest.raises(ArtifactError):
        darkroom.open_bundle(copy).predict(image_bytes())


def _drawn(tmp_path):
    from tests.making import draw_folder

    return draw_folder(tmp_path / "drawn", per_class=12)


def test_another_decoder_gives_a_warning_and_an_answer(copy):
    record = from_json((copy / "bundle.json").read_bytes(), BundleRecord, where="x")
    golden = tuple(msgspec.structs.replace(one, pixels_sha256="0" * 64) for one in record.golden)
    change_record(copy, golden=golden)
    with pytest.warns(RuntimeWarning, match="other pixels"):
        assert darkroom.open_bundle(copy).predict(image_bytes()).label


def test_a_damaged_network_is_refused_in_words(copy):
    (copy / "model.onnx").write_bytes(b"not a network")
    reseal(copy)
    with pytest.raises(ArtifactError) as refused:
        darkroom.open_bundle(copy).predict(image_bytes())
    assert "model.onnx" in refused.value.problem


@pytest.mark.parametrize("name", ["../../secret", "/etc/hostname", "a/b.png", "..", ""])
def test_a_golden_file_outside_of_the_bundle_is_never_opened(copy, name):
    rewrite_record(copy, lambda document: document["golden"][0].update(file=name))
    with pytest.raises(ArtifactError) as refused:
        darkroom.open_bundle(copy)
    assert repr(name) in refused.value.problem


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (lambda document: document.update(golden=[]), "golden"),
        (lambda document: document["golden"][0]["probabilities"].pop(), "probabilities"),
        (lambda document: document.update(classes=["ball", "ball", "box"]), "'ball' twice"),
        (lambda document: document.update(classes=["ball", "", "box"]), "without a name"),
        (lambda document: document.update(classes=[]), "no classes"),
        (lambda document: document.update(version="../1"), "'../1'"),
        (lambda document: document.update(name="a/b"), "'a/b'"),
        (lambda document: document.update(name="-rf"), "'-rf'"),
        (lambda document: document["decision"].update(thresholds=[0.5]), "thresholds"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(copy, change, fact):
    rewrite_record(copy, change)
    with pytest.raises(ArtifactError) as refused:
        darkroom.open_bundle(copy)
    assert fact in refused.value.problem


@pytest.mark.parametrize(
    "stored",
    [
        np.zeros((1, 16, 16, 3), np.uint8),  # of too few images
        np.zeros((16, 8, 8, 3), np.uint8),
        np.zeros((16, 16, 16, 3), np.float32),
        np.zeros((), np.uint8),
        b"",
        b"no array",
        b"\x93NUMPY\x01\x00\x76\x00{'descr': '|u1', 'fortran_order': False, "
        b"'shape': (99999999, 99999, 9, 3), }".ljust(128)
        + b"\n",
    ],
)
def test_golden_pixels_of_another_shape_are_refused(copy, stored):
    if isinstance(stored, bytes):
        (copy / "golden/pixels.npy").write_bytes(stored)
    else:
        np.save(copy / "golden/pixels.npy", stored)
    reseal(copy)
    with pytest.raises(ArtifactError) as refused:
        darkroom.open_bundle(copy).predict(image_bytes())
    assert "pixels.npy" in refused.value.problem


def test_a_golden_file_that_cannot_be_decoded_here_gives_the_warning(copy):
    record = from_json((copy / "bundle.json").read_bytes(), BundleRecord, where="x")
    (copy / "golden" / record.golden[0].file).write_bytes(b"of a format that nobody reads")
    reseal(copy)
    with pytest.warns(RuntimeWarning, match="other pixels"):
        assert darkroom.open_bundle(copy).predict(image_bytes()).label


def test_a_golden_file_that_is_not_there_is_refused(copy):
    rewrite_record(copy, lambda document: document["golden"][0].update(file="99.png"))
    with pytest.raises(ArtifactError) as refused:
        darkroom.open_bundle(copy).predict(image_bytes())
    assert "99.png" in refused.value.problem


def test_a_network_with_other_answers_than_the_classes_is_refused(copy):
    def shorten(document):
        document["classes"].pop()
        for golden in document["golden"]:
            golden["probabilities"].pop()

    rewrite_record(copy, shorten)
    with pytest.raises(ArtifactError) as refused:
        darkroom.open_bundle(copy).predict(image_bytes())
    assert "(16, 2)" in refused.value.problem


def test_a_network_for_other_images_is_refused(copy):
    rewrite_record(copy, lambda document: document["preprocess"].update(channels=1))
    pixels = np.load(copy / "golden/pixels.npy")
    np.save(copy / "golden/pixels.npy", pixels[..., :1])
    reseal(copy)
    with pytest.raises(ArtifactError) as refused:
        darkroom.open_bundle(copy).predict(image_bytes())
    assert "model.onnx" in refused.value.problem


def test_an_unreadable_image_is_named_and_its_neighbours_are_answered(bundle, tmp_path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(image_bytes())
    bad.write_bytes(image_bytes()[:50])
    answers = dict(bundle.predictor.stream([good, bad, tmp_path / "none.png"]))
    assert isinstance(answers[bad], DataError)
    assert "bad.png" in answers[bad].problem
    assert isinstance(answers[tmp_path / "none.png"], DataError)
    assert answers[good] == bundle.predict(good)
    with pytest.raises(DataError):
        bundle.predict(bad)


def test_answers_do_not_depend_on_the_batch(bundle):
    images = [image_bytes(label, seed) for label in ("ball", "box", "stripe") for seed in range(25)]
    together = bundle.predictor.predict(images)
    for image, answer in zip(images[::7], together[::7], strict=True):
        alone = bundle.predict(image)
        assert alone.labels == answer.labels
        assert alone.probability == pytest.approx(answer.probability, abs=1e-5)


def test_predicting_loads_no_training_framework_and_no_tables(bundle, tmp_path):
    image = tmp_path / "image.png"
    image.write_bytes(image_bytes())
    code = (
        "import sys, darkroom\n"
        f"darkroom.open_bundle({str(bundle.path)!r}).predict({str(image)!r})\n"
        "print(' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    heavy = {
        "keras",
        "tensorflow",
        "jax",
        "torch",
        "polars",
        "pyarrow",
        "sklearn",
        "altair",
        "rich",
    }
    assert not loaded & heavy
    assert "onnxruntime" in loaded  # the control: the list is not empty for another reason


def test_a_prediction_names_its_labels():
    table = np.array([[0.2, 0.7, 0.1], [0.4, 0.3, 0.3]], np.float32)
    decision = Decision(task="single-label", abstain_below=0.5)
    sure, unsure = to_predictions(decide(table, decision), ("a", "b", "c"), "single-label")
    assert (sure.label, sure.labels, sure.abstained) == ("b", ("b",), False)
    assert sure.probability == pytest.approx(0.7)
    assert (unsure.label, unsure.labels, unsure.abstained) == (None, (), True)
    assert unsure.probability == pytest.approx(0.4)


def test_several_labels_are_all_named_and_the_first_is_the_surest():
    table = np.array([[0.6, 0.9, 0.1]], np.float32)
    decided = decide(table, Decision(task="multi-label"))
    answer = to_predictions(decided, ("a", "b", "c"), "multi-label")[0]
    assert answer.labels == ("a", "b")
    assert answer.label == "b"


def test_threads_may_be_chosen(bundle):
    one = Predictor(bundle.path, bundle.record, threads=1)
    assert one.predict([image_bytes()])[0].label == bundle.predict(image_bytes()).label
