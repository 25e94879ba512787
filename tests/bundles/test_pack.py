"""`pack`: what a bundle holds, that it is proven, and that otherwise nothing is written."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest

import darkroom
from darkroom import storage
from darkroom.bundles import pack as packing
from darkroom.bundles.export import onnx
from darkroom.bundles.export.onnx import export_onnx
from darkroom.bundles.parity import TOLERANCE, prove_parity
from darkroom.data.pixels import load_images
from darkroom.decision import Decision
from darkroom.errors import ArtifactError, GateError, RecipeError
from darkroom.models.architecture import Architecture
from darkroom.models.catalog import CATALOG, build_model
from darkroom.models.trunks import TRUNKS
from darkroom.records import from_json
from darkroom.training.run import dump_weights
from darkroom.wording import percent
from tests.making import draw_folder

SINGLE = Decision(task="single-label")


def bundles_in(workspace):
    return [path for path in workspace.folder("bundle").rglob("*") if path.is_file()]


def test_a_bundle_holds_all_that_production_needs(bundle, run, evaluation):
    names = {path.name for path in bundle.path.iterdir()}
    assert names == {"manifest.json", "bundle.json", "model.onnx", "weights.safetensors",
                     "architecture.json", "golden", "card.md"}  # fmt: skip
    record = bundle.record
    assert record.classes == run.record.classes
    assert record.preprocess == run.record.preprocess
    assert record.decision == evaluation.record.decision
    assert record.score.accuracy == evaluation.metrics.accuracy.value
    assert len(record.golden) == min(16, run.dataset.counts["valid"])
    text = (bundle.path / "architecture.json").read_bytes()
    assert from_json(text, Architecture, where="x") == run.record.architecture


def test_golden_images_are_of_every_class_and_never_of_the_test_part(bundle, dataset):
    assert {golden.label for golden in bundle.record.golden} == set(dataset.classes)
    test_part = set(dataset.read(dataset.part("test")))
    for golden in bundle.record.golden:
        assert (bundle.path / "golden" / golden.file).read_bytes() not in test_part


def test_the_card_says_how_good_it_is_and_what_was_not_answered(bundle):
    card = (bundle.path / "card.md").read_text()
    assert percent(bundle.record.score.accuracy) in card
    assert "95 % interval" in card
    assert "not answered" in card


# The trunks, which take half a minute each, are exported by tests/contracts/test_trunks.py.
LARGE = {"alexnet", "resnet18", "resnet34"}
NETWORKS = [
    pytest.param(name, marks=pytest.mark.slow if name in LARGE else ())
    for name in sorted(CATALOG.keys() - TRUNKS.keys())
]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_every_network_exports_to_what_it_is(name, task, tmp_path):
    side = max(CATALOG[name].smallest_px, 12)
    plan = Architecture(name=name, version=CATALOG[name].version, height=side, width=side + 2,
                        channels=3, classes=4, task=task)  # fmt: skip
    model = build_model(plan)
    images = np.random.default_rng(0).uniform(-1, 1, (5, side, side + 2, 3)).astype(np.float32)
    exported = export_onnx(plan, dump_weights(model), images)
    (tmp_path / "model.onnx").write_bytes(exported.model)
    from darkroom.bundles.runtimes import OnnxRuntime

    runtime = OnnxRuntime(tmp_path / "model.onnx")
    prove_parity(np.asarray(model(images)), runtime.answer(images), Decision(task=task))
    assert runtime.answer(images[:1]).shape == (1, 4)


TINY = Architecture(name="mlp", version=CATALOG["mlp"].version, height=8, width=8, channels=1,
                    classes=2, task="single-label", width_factor=0.05)  # fmt: skip


def export_tiny():
    images = np.zeros((1, 8, 8, 1), np.float32)
    return export_onnx(TINY, dump_weights(build_model(TINY)), images)


def test_an_export_imports_nothing_from_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise SystemExit('imported from the working folder')")
    monkeypatch.chdir(tmp_path)
    assert export_tiny().answers.shape == (1, 2)


def test_an_export_that_takes_too_long_is_an_error_of_the_house(monkeypatch):
    monkeypatch.setattr(onnx, "_TIMEOUT_S", 0.0)
    monkeypatch.setattr(onnx, "_QUIET_S", 0.0)
    with pytest.raises(ArtifactError) as refused:
        export_tiny()
    assert "within 0 s" in refused.value.problem


@pytest.mark.parametrize("is_terminal", [True, False])
def test_an_export_that_takes_a_while_says_so_on_a_terminal(capsys, monkeypatch, is_terminal):
    monkeypatch.setattr(onnx, "_QUIET_S", 0.0)
    monkeypatch.setattr(onnx.sys.stderr, "isatty", lambda: is_terminal)
    export_tiny()
    assert ("exporting" in capsys.readouterr().err) == is_terminal


def test_no_room_for_temporary_files_is_an_error_of_the_house(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx.tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(ArtifactError) as refused:
        export_tiny()
    assert "TMPDIR" in refused.value.hint


def test_only_a_missing_package_is_answered_with_an_installation():
    with pytest.raises(ArtifactError) as refused:
        export_onnx(TINY, b"no weights", np.zeros((1, 8, 8, 1), np.float32))
    assert "install" not in refused.value.hint
    assert "[train]" in onnx._remedy("ModuleNotFoundError: No module named 'tensorflow'")


def test_parity_holds_up_to_the_tolerance_and_not_beyond():
    answers = np.array([[0.6, 0.4], [0.2, 0.8]], np.float32)
    proof = prove_parity(answers, answers + np.float32(TOLERANCE / 2), SINGLE)
    assert proof.same_answers == proof.images == 2
    assert 0 < proof.largest_difference <= TOLERANCE
    with pytest.raises(GateError):
        prove_parity(answers, answers + np.float32(TOLERANCE * 2), SINGLE)


def test_another_label_fails_parity_even_within_the_tolerance():
    near = np.array([[0.50001, 0.49999]], np.float32)
    with pytest.raises(GateError) as refused:
        prove_parity(near, near[:, ::-1], SINGLE)
    assert "0 of 1" in refused.value.problem


def test_an_export_that_answers_nothing_fails_parity():
    answers = np.array([[0.6, 0.4]], np.float32)
    with pytest.raises(GateError):
        prove_parity(answers, np.full_like(answers, np.nan), SINGLE)


@pytest.fixture
def chain(workspace, tmp_path):
    root = draw_folder(tmp_path / "own", per_class=12)
    recipe = darkroom.Recipe(model="mlp", width=0.05, image_size=12, epochs=1)
    run = darkroom.train(root, recipe, workspace=workspace)
    return run, darkroom.evaluate(run)


def test_a_broken_export_writes_nothing(chain, workspace, monkeypatch):
    run, evaluation = chain

    def broken(architecture, weights, images):
        exported = export_onnx(architecture, weights, images)
        return type(exported)(model=exported.model, answers=exported.answers[:, ::-1])

    monkeypatch.setattr(packing, "export_onnx", broken)
    with pytest.raises(GateError):
        darkroom.pack(run, evaluation)
    assert bundles_in(workspace) == []
    assert not list(workspace.folder("bundle").glob("**/.staging-*"))


def test_a_full_disk_writes_nothing(chain, workspace, monkeypatch):
    run, evaluation = chain
    sync, calls = os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) > 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        return sync(handle)

    monkeypatch.setattr(storage.os, "fsync", full)
    with pytest.raises(ArtifactError) as refused:
        darkroom.pack(run, evaluation)
    monkeypatch.undo()
    assert "full" in refused.value.problem
    assert bundles_in(workspace) == []


def test_versions_count_up_and_are_never_overwritten(chain, workspace, monkeypatch):
    run, evaluation = chain
    assert darkroom.pack(run, evaluation).name == "own/0.1.0"
    assert darkroom.pack(run).name == "own/0.2.0"
    monkeypatch.delattr(packing, "export_onnx")  # a taken name is told before what takes long
    with pytest.raises(ArtifactError) as taken:
        darkroom.pack(run, version="0.1.0")
    assert "exists" in taken.value.problem
    assert {bundle.name for bundle in darkroom.list_bundles(workspace)} == {
        "own/0.1.0",
        "own/0.2.0",
    }


def test_a_run_that_was_never_evaluated_is_not_packed(workspace, tmp_path):
    root = draw_folder(tmp_path / "own", per_class=12)
    recipe = darkroom.Recipe(model="mlp", width=0.05, image_size=12, epochs=1)
    run = darkroom.train(root, recipe, workspace=workspace)
    with pytest.raises(ArtifactError) as refused:
        darkroom.pack(run)
    assert "darkroom evaluate" in refused.value.hint


def test_an_evaluation_of_another_run_is_refused(chain, evaluation):
    with pytest.raises(ArtifactError) as refused:
        darkroom.pack(chain[0], evaluation)
    assert evaluation.name in refused.value.problem


def test_what_is_no_folder_name_is_refused(chain):
    for word in ("../out", "a/b", "", ".hidden", "-rf", "_x", "a" * 65, "фото"):
        for asked in ({"name": word}, {"version": word}):
            with pytest.raises(RecipeError) as refused:
                darkroom.pack(*chain, **asked)
            assert repr(word) in refused.value.problem


@pytest.mark.parametrize(
    ("folder", "name"),
    [("фото", "bundle"), ("-rf", "rf"), ("my photos (2)", "my-photos-2"), ("a_b.c", "a_b.c")],
)
def test_a_folder_of_any_name_gives_the_bundle_a_name(folder, name):
    assert packing._default_name(folder) == name


def test_the_bundle_answers_as_keras_does_on_images_of_any_kind(bundle, run):
    images = load_images(run.dataset, "test", run.record.preprocess)
    from darkroom.training.answers import predict_images

    keras_answers = predict_images(run, images)
    answers = bundle.predictor.predict_pixels(images.take(slice(None)))
    ours = np.array([list(answer.probabilities.values()) for answer in answers])
    np.testing.assert_allclose(ours, keras_answers, atol=TOLERANCE)
