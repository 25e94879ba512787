"""What `train` and `evaluate` say of a run that ails, in words and in JSON."""

from __future__ import annotations

import json

import msgspec
import pytest

import darkroom
from darkroom.cli import main
from darkroom.cli.printing import say_diagnosis
from darkroom.evaluation.baselines import Baseline
from darkroom.evaluation.details import Details
from darkroom.evaluation.diagnosis.diagnosis import Diagnosis, Unclear
from darkroom.evaluation.evaluation import Evaluation
from darkroom.findings import Finding
from darkroom.intervals import wilson
from tests.making import draw_folder

SETTINGS = [
    word
    for setting in ("epochs=1", "model=mlp", "width=0.1", "image_size=12")
    for word in ("--set", setting)
]


@pytest.fixture
def typed(capsys):
    """Run a command in this process and give its output and prose."""

    def run(*words: object) -> tuple[str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        assert ended.value.code == 0
        return capsys.readouterr()

    return run


def test_train_and_evaluate_say_the_same_in_words_and_in_json(typed, workspace, tmp_path):
    folder = draw_folder(tmp_path / "photos", per_class=14)
    out, said = typed("train", folder, *SETTINGS)
    path = out.splitlines()[-1]
    findings = darkroom.diagnose(path)
    assert findings.findings
    for finding in findings:
        assert f"[{finding.name}] next: {finding.next_step}" in said
    assert "cannot tell: " in said
    assert "too-few-epochs" in said[said.index("cannot tell: ") :]
    told = json.loads(typed("evaluate", path, "--json")[0])["diagnosis"]
    assert [each["name"] for each in told["findings"]] == [each.name for each in findings]
    assert f"[{findings.findings[0].name}] next: " in typed("evaluate", path)[1]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("leak",), "diagnosis nothing found · cannot tell leak: the images are gone"),
        (("leak", "scaling"), "diagnosis nothing found · cannot tell: leak, scaling"),
        ((), "diagnosis nothing found"),
    ],
)
def test_what_cannot_be_told_says_why_where_it_is_one_thing(capsys, names, words):
    unclear = tuple(Unclear(name=name, why="the images are gone") for name in names)
    say_diagnosis(Diagnosis(unclear=unclear))
    assert capsys.readouterr().err.strip() == words


def test_train_prints_its_record_as_json(typed, workspace, tmp_path):
    folder = draw_folder(tmp_path / "photos", per_class=14)
    told = json.loads(typed("train", folder, *SETTINGS, "--json")[0])
    assert set(told) == {"path", "record", "history", "diagnosis"}
    assert "tiny-validation" in [each["name"] for each in told["diagnosis"]["findings"]]


@pytest.mark.parametrize(
    ("is_beaten", "verb"), [(True, "pack"), (None, "pack"), (False, "train"), (False, "tune")]
)
def test_what_a_simple_classifier_beats_is_not_packed(
    typed, evaluation, monkeypatch, is_beaten, verb
):
    baseline = Baseline(name="the nearest image", what="", accuracy=wilson(9, 10))
    baseline = msgspec.structs.replace(baseline, is_beaten=is_beaten)
    monkeypatch.setattr(Evaluation, "details", Details(baselines=(baseline,)))
    found = (Finding(name="leak", severity="warning", what="", next_step="darkroom train photos"),)
    diagnosis = Diagnosis(findings=found if verb != "tune" else ())
    monkeypatch.setattr(Evaluation, "diagnosis", diagnosis)
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(evaluation.workspace.root))
    said = typed("evaluate", evaluation.run.path)[1]
    assert said.rpartition("next ")[2].split()[:2] == ["darkroom", verb]
