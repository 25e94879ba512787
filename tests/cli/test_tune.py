"""`darkroom tune` as typed: what is searched, what was found, and what to type next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from darkroom.cli.tune import _say_more
from darkroom.cli.tune import tune as command
from darkroom.errors import RecipeError
from darkroom.training.recipe import Recipe
from darkroom.training.repeats import Mean
from darkroom.training.tuning import SearchPlan, Tuning

TINY = ["--set", "model=mlp", "--set", "width=0.1", "--set", "image_size=12", "--set", "epochs=1",
        "--set", "seed=200"]  # fmt: skip


@pytest.fixture
def typed(dataset, monkeypatch, tmp_path):
    """Run the command on the shared dataset, in a folder with a space of its own."""
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(dataset.workspace.root))
    monkeypatch.chdir(tmp_path)
    Path("darkroom.toml").write_text("[tune]\nbatch_size = [8, 24]\ndropout = [0.0, 0.3]\n")

    def run(*words: str):
        arguments = [dataset.name, *TINY, "--seeds", "2", *words]
        return CliRunner().invoke(command, arguments, catch_exceptions=False)

    return run


def test_a_search_tells_its_space_and_what_it_found_and_goes_on_when_typed_again(typed):
    done = typed("--trials", "2", "--to", "figure.svg")
    assert done.exit_code == 0
    assert "2 trials of mlp" in done.stderr
    assert "batch_size: [8, 24]" in done.stderr
    assert "dropout: [0.0, 0.3]" in done.stderr
    assert done.stdout.strip() == "figure.svg"
    assert Path("figure.svg").read_text().startswith("<svg")
    told = json.loads(typed("--trials", "2", "--json").stdout)
    assert told["believed"] in (True, False)
    assert [trial["number"] for trial in told["tuning"]["trials"]] == [0, 1]


def test_what_is_typed_stands_above_the_table(typed):
    with pytest.raises(RecipeError, match="one value"):
        typed("--space", "batch_size=8")
    with pytest.raises(RecipeError) as refused:
        typed("--space", "batchsize=8,16")
    assert "`batch_size`" in refused.value.hint


def found(low: float) -> Tuning:
    plan = SearchPlan(
        dataset="0", recipe=Recipe(), space={"dropout": (0.0, 0.3)}, start=None,
        measure="accuracy", epochs=1, pruning="none", despite=(),
    )  # fmt: skip
    gain = Mean(value=0.02, low=low, high=0.03, of=4)
    return Tuning(
        name="a.db", model="mlp", plan=plan, trials=(), best=0, settings={"dropout": 0.3},
        importance={"dropout": 0.75}, gain=gain, notes=("a worker ended with 1",),
    )  # fmt: skip


def test_the_next_command_is_told_only_of_a_winner_that_is_believed(capsys):
    _say_more(found(0.01), "photos", ("model=mlp",))
    said = capsys.readouterr().err
    assert "darkroom train photos --set model=mlp --set dropout=0.3" in said
    assert "dropout 75 %" in said
    assert "a worker ended with 1" in said
    _say_more(found(-0.01), "photos", ())  # the control
    assert "darkroom train" not in capsys.readouterr().err
