"""The contract of every ailment: silent on a healthy run, first named on an ill one, or why not."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from darkroom.cli import COMMANDS
from darkroom.evaluation.diagnosis.ailments import AILMENTS, judge_evidence
from darkroom.evaluation.diagnosis.diagnosis import Diagnosis, Unclear
from darkroom.records import from_json, to_json
from tests.evaluation.diagnosis.drawn import ILL, changed, healthy

BY_NAME = {ailment.name: ailment for ailment in AILMENTS}
PAGE = Path(__file__).parent.parent.parent / "docs" / "explanation" / "diagnosis.md"


@pytest.fixture(params=BY_NAME)
def name(request) -> str:
    return request.param


def test_every_ailment_is_planted_here_and_has_a_name_of_its_own():
    assert set(ILL) == set(BY_NAME)
    assert len(BY_NAME) == len(AILMENTS)


def test_every_ailment_is_told_in_the_documentation(name):
    assert f"`{name}`" in PAGE.read_text()


def test_a_healthy_run_has_no_finding(name):
    assert BY_NAME[name].judge(healthy()) is None


def test_a_planted_ailment_is_named_first(name):
    diagnosis = judge_evidence(ILL[name](healthy()))
    assert [finding.name for finding in diagnosis][:1] == [name]


def test_control_without_its_ailment_nothing_names_it(name):
    others = tuple(ailment for ailment in AILMENTS if ailment.name != name)
    diagnosis = judge_evidence(ILL[name](healthy()), others)
    assert name not in [finding.name for finding in diagnosis]


def test_a_finding_has_figures_and_one_command_to_type(name):
    found = judge_evidence(ILL[name](healthy())).findings[0]
    assert any(letter.isdigit() for letter in found.what)
    words = shlex.split(found.next_step)
    assert words[0] == "darkroom"
    assert words[1] in COMMANDS


def test_what_it_needs_and_is_not_there_is_a_reason_and_no_finding(name):
    ailment = BY_NAME[name]
    for field in ailment.needs:
        lacking = changed(ILL[name](healthy()), **{field: None}, missing={field: "it is gone"})
        judged = judge_evidence(lacking, (ailment,))
        assert judged.findings == ()
        assert judged.unclear == (Unclear(name=name, why="it is gone"),)


def test_a_task_it_cannot_judge_is_a_reason_and_no_finding(name):
    ailment = BY_NAME[name]
    for task in {"single-label", "multi-label", "regression"} - set(ailment.tasks):
        judged = judge_evidence(changed(ILL[name](healthy()), task=task), (ailment,))
        assert judged.findings == ()
        assert task in judged.unclear[0].why


def test_an_empty_history_and_one_epoch_trouble_nobody(name):
    for history in ((), healthy().history[:1]):
        best = len(history) or None
        judged = BY_NAME[name].judge(changed(healthy(), history=history, best_epoch=best))
        assert judged is None or isinstance(judged, Unclear)


def test_what_it_explains_comes_after_it_or_is_known(name):
    assert set(BY_NAME[name].explains) <= set(BY_NAME) - {name}


def test_a_diagnosis_is_the_same_after_json(name):
    diagnosis = judge_evidence(ILL[name](healthy()))
    assert from_json(to_json(diagnosis), Diagnosis, where="here") == diagnosis
