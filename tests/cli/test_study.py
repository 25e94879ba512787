"""`darkroom study` as typed: the sentence, the figure, JSON, and what is asked before hours."""

from __future__ import annotations

import io
import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from darkroom.cli import asking as house
from darkroom.cli.study import _numbers
from darkroom.cli.study import study as command
from darkroom.errors import RecipeError

TINY = ["--set", "model=mlp", "--set", "width=0.1", "--set", "image_size=12", "--set", "epochs=1"]


@pytest.fixture
def typed(dataset, monkeypatch, tmp_path):
    """Run the command on the shared dataset, in an empty folder."""
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(dataset.workspace.root))
    monkeypatch.chdir(tmp_path)

    def run(what: str, *words: str, **options):
        arguments = [what, dataset.name, *TINY, *words]
        return CliRunner().invoke(command, arguments, catch_exceptions=False, **options)

    return run


def test_a_study_says_one_sentence_draws_a_figure_and_prints_its_path(typed):
    done = typed("seeds", "--seeds", "2", "--to", "figure.svg")
    assert done.exit_code == 0
    assert "2 runs of mlp" in done.stderr
    assert done.stdout.strip() == "figure.svg"
    assert Path("figure.svg").read_text().startswith("<svg")
    again = typed("seeds", "--seeds", "2")
    assert "2 of them finished already" in again.stderr
    assert again.stdout.strip().endswith("-seeds.svg")


def test_a_study_prints_json_and_takes_its_values_from_the_line(typed):
    done = typed("batch-size", "--values", "8,24", "--seeds", "1", "--json")
    told = json.loads(done.stdout)
    assert [run["value"] for run in told["study"]["runs"]] == [8, 24]
    assert told["summary"].startswith("Batch size")


def test_values_that_are_no_numbers_are_refused():
    with pytest.raises(click.UsageError, match="16,32,64"):
        _numbers("a,b")


def test_less_than_half_an_hour_is_not_asked(monkeypatch):
    monkeypatch.setattr(click, "confirm", refuse)
    house.asking("the rest", is_sure=False)(29 * 60)
    house.asking("the rest", is_sure=True)(29 * 3600)


def test_hours_without_anybody_to_ask_are_refused_with_the_option_that_allows_them(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(RecipeError) as refused:
        house.asking("the other trainings", is_sure=False)(2 * 3600 + 600)
    assert "2 h 10 min" in refused.value.problem
    assert "--yes" in refused.value.hint


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("nothing was to be asked")


@pytest.mark.parametrize(
    ("seconds", "words"), [(1_801, "30 min"), (3_600, "1 h 0 min"), (9_000_000, "2,500 h 0 min")]
)
def test_a_long_time_is_said_as_a_person_says_it(seconds, words):
    assert house.duration(seconds) == words
