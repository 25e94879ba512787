"""Real runs are diagnosed: what is gathered, stored and shown, and what cannot be told."""

from __future__ import annotations

import csv

import msgspec
import numpy as np
import pytest

import darkroom
from darkroom.data.pixels import load_images
from darkroom.evaluation.diagnosis.ailments import AILMENTS, judge_evidence
from darkroom.evaluation.diagnosis.gather import gather
from darkroom.evaluation.predict import Answerer
from darkroom.training.answers import predict_images
from darkroom.training.run import Run
from tests.evaluation.judged import make_run
from tests.making import draw_folder

QUICK = darkroom.Recipe(model="mlp", width=0.05, image_size=12, epochs=2, batch_size=16)


def test_the_evidence_is_what_the_kept_weights_answer(run):
    evidence = gather(run, Answerer(run))
    images = load_images(run.dataset, "valid", run.record.preprocess)
    assert evidence.valid is not None
    assert list(evidence.valid.images) == run.dataset.part("valid")["image"].to_list()
    np.testing.assert_allclose(evidence.valid.answers, predict_images(run, images), atol=1e-5)
    assert evidence.train is not None
    assert len(evidence.train) == run.record.images


def test_what_was_answered_before_is_not_computed_again(run):
    answerer = Answerer(run)
    images = load_images(run.dataset, "valid", run.record.preprocess)
    whole = answerer("valid", images)
    chosen = np.array([0, 3, 5])
    assert np.shares_memory(answerer("valid", images), whole)
    np.testing.assert_array_equal(answerer("valid", images, chosen), whole[chosen])
    control = Answerer(run)("valid", images, chosen)
    np.testing.assert_allclose(control, whole[chosen], atol=1e-5)


def test_a_diagnosis_is_no_look_at_the_test_part(run):
    subject = run.dataset.fingerprint("test")
    before = len(run.workspace.events("look", subject=subject))
    darkroom.diagnose(run)
    assert len(run.workspace.events("look", subject=subject)) == before


def test_twenty_four_images_are_a_tiny_validation_part(run):
    assert run.dataset.counts["valid"] == 24
    assert "tiny-validation" in [finding.name for finding in darkroom.diagnose(run)]


def test_an_evaluation_keeps_the_diagnosis_that_its_report_shows(run, evaluation):
    assert evaluation.diagnosis.findings
    page = evaluation.report.read_text()
    for finding in evaluation.diagnosis:
        assert f"</span>{finding.name}</h3>" in page
    again = darkroom.open_evaluation(evaluation.path)
    assert again.diagnosis == evaluation.diagnosis


def test_a_run_without_weights_cannot_be_told(dataset):
    drawn = make_run(dataset)
    lost = msgspec.structs.replace(drawn.record, best_epoch=None)
    drawn.record = lost
    diagnosis = darkroom.diagnose(drawn)
    why = {unclear.name: unclear.why for unclear in diagnosis.unclear}
    assert "overfitting" in why
    assert "no weights" in why["overfitting"]
    assert "leak" not in why  # that needs no weights


def test_a_history_of_one_epoch_cannot_tell_its_course(workspace, tmp_path):
    root = draw_folder(tmp_path / "own", per_class=12)
    recipe = msgspec.structs.replace(QUICK, epochs=1)
    diagnosis = darkroom.diagnose(darkroom.train(root, recipe))
    assert "too-few-epochs" in [unclear.name for unclear in diagnosis.unclear]


@pytest.fixture
def table(tmp_path):
    """Images with a number each, and with several labels each."""
    root = draw_folder(tmp_path / "own", per_class=16)

    def write(column: str, value: object) -> str:
        path = root / f"{column}.csv"
        with path.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["image", column])
            for place, image in enumerate(sorted(root.glob("*/*.png"))):
                rows.writerow([image.relative_to(root), value(place)])
        return str(path)

    return write


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("target", lambda place: place % 7 + 0.5),
        ("label", lambda place: "a|b" if place % 2 else "a"),
    ],
    ids=["regression", "multi-label"],
)
def test_other_tasks_are_judged_by_what_can_be_judged(workspace, table, column, value):
    run = darkroom.train(table(column, value), QUICK)
    diagnosis = darkroom.diagnose(run)
    unclear = {each.name for each in diagnosis.unclear}
    assert {"label-noise", "imbalance", "channel-order"} <= unclear
    assert not {finding.name for finding in diagnosis} & unclear
    assert "tiny-validation" in [finding.name for finding in diagnosis]
    darkroom.evaluate(run)


def test_control_with_broken_limits_the_planted_is_missed(run, monkeypatch):
    evidence = gather(run, Answerer(run))
    monkeypatch.setattr("darkroom.evaluation.diagnosis.parts._TINY", 0)
    monkeypatch.setattr("darkroom.evaluation.diagnosis.parts._WIDE", 1.1)
    names = [finding.name for finding in judge_evidence(evidence, AILMENTS)]
    assert "tiny-validation" not in names


def test_a_run_of_this_type_is_what_diagnose_takes(run):
    assert isinstance(run, Run)
    by_name = darkroom.diagnose(run.name, workspace=run.workspace)
    assert by_name == darkroom.diagnose(run.path)
