"""`evaluate --explain`: the report shows what telling answers rest on, when that was asked for."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

import darkroom
from darkroom.cli.evaluate import evaluate as command
from darkroom.errors import DataError

EVERY_METHOD = ["grad-cam", "gradients", "integrated-gradients", "occlusion"]


@pytest.fixture(scope="module")
def explained(run):
    return darkroom.evaluate(run, part="valid", explain=True)


def test_each_telling_image_is_explained_by_every_quick_method(explained):
    record = explained.explanations.record
    assert 1 <= len(record.images) <= 6
    assert {image.image for image in record.images} <= set(explained.predictions["image"])
    assert [method.name for method in record.methods] == EVERY_METHOD
    assert all(len(method.trust) == len(record.images) for method in record.methods)
    assert record.learned is not None  # it was held against random weights
    assert explained.explanations.page.exists()


def test_the_report_shows_every_map_with_its_verdict(explained):
    page = explained.report.read_text()
    maps = [trust for method in explained.explanations.record.methods for trust in method.trust]
    doubted = sum(not trust.is_trustworthy for trust in maps)
    why = page[page.index('<section id="why">') :].split("</section>")[0]
    assert why.count('class="is-doubted"') == doubted
    assert why.count('class="is-fine"') == len(maps) - doubted
    assert '<a href="#why">' in page


def test_control_what_nobody_asked_for_is_not_there(evaluation):
    assert evaluation.explanations is None
    page = evaluation.report.read_text()
    assert 'id="why"' not in page
    assert f"darkroom explain {evaluation.run.name}" in page


def test_the_evaluation_is_whole_with_its_explanations(explained):
    assert darkroom.open_evaluation(explained.path).explanations is not None
    picture = explained.path / "explanations" / explained.explanations.record.images[0].picture
    kept = {content.path for content in explained.manifest.content}
    assert picture.relative_to(explained.path).as_posix() in kept


def test_the_command_says_how_many_can_be_trusted_and_prints_json(run, monkeypatch):
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(run.workspace.root))
    words = [run.name, "--part", "valid", "--explain"]
    said = CliRunner().invoke(command, words, catch_exceptions=False).output
    assert "maps trustworthy" in said
    told = CliRunner().invoke(command, [*words, "--json"], catch_exceptions=False).stdout
    assert [each["name"] for each in json.loads(told)["explanations"]["methods"]] == EVERY_METHOD


def test_numbers_are_refused_before_a_look_is_counted(run, monkeypatch):
    import msgspec

    record = msgspec.structs.replace(run.record, task="regression")
    monkeypatch.setattr(run, "record", record)
    before = len(run.workspace.events("look", subject=run.dataset.fingerprint("test")))
    with pytest.raises(DataError, match="predicts numbers"):
        darkroom.evaluate(run, explain=True)
    assert len(run.workspace.events("look", subject=run.dataset.fingerprint("test"))) == before
