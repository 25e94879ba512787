"""`darkroom compare` and what it rests on: evaluations found by name, the page, the list."""

from __future__ import annotations

import json
import re

import msgspec
import pytest
from click.testing import CliRunner

import darkroom
from darkroom.cli.compare import compare as command
from darkroom.errors import ArtifactError, DataError
from darkroom.evaluation.compare import compare, find_evaluation
from darkroom.evaluation.compare_page import write_comparison
from darkroom.evaluation.leaderboard import compare_many
from tests.making import draw_folder

SMALL = darkroom.Recipe(image_size=12, model="mlp", width=0.1, epochs=1, batch_size=16)


@pytest.fixture(scope="module")
def runs(run):
    """Give the shared run and two of another recipe that differ in their seed alone."""
    return run, *(
        darkroom.train(run.dataset, msgspec.structs.replace(SMALL, seed=seed)) for seed in (3, 4)
    )


@pytest.fixture(scope="module")
def evaluated(runs):
    """Give their evaluations on the validation part, in the same order."""
    return [darkroom.evaluate(each, part="valid") for each in runs]


@pytest.fixture
def typed(run, monkeypatch, tmp_path):
    """Give what types a command in the shared workspace."""
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(run.workspace.root))
    monkeypatch.chdir(tmp_path)

    def type_command(*words: str):
        return CliRunner().invoke(command, [*words], catch_exceptions=False)

    return type_command


def test_two_runs_are_compared_by_their_latest_evaluations(runs, evaluated):
    told = compare(runs[1], runs[0], part="valid")
    assert (told.before, told.after) == (evaluated[1].name, evaluated[0].name)
    assert told.images == len(evaluated[0].predictions)
    assert told.difference.value == pytest.approx(
        told.accuracy_after.value - told.accuracy_before.value
    )
    assert len(told.newly_mended) - len(told.newly_broken) == round(
        told.images * told.difference.value
    )
    again = darkroom.evaluate(runs[0], part="valid")
    assert compare(runs[1], runs[0], part="valid").after == again.name


def test_an_evaluation_that_is_named_twice_is_refused(evaluated):
    with pytest.raises(DataError, match="named twice"):
        compare(evaluated[0], evaluated[0].path)


def test_an_evaluation_is_found_by_its_path_its_name_and_its_run(runs, evaluated):
    workspace = runs[0].workspace
    newest = find_evaluation(runs[1], part="valid")
    assert newest.name == evaluated[1].name
    for named in (evaluated[1], evaluated[1].path, evaluated[1].name, runs[1].name, runs[1].path):
        assert find_evaluation(named, part="valid", workspace=workspace).name == newest.name


def test_a_run_without_an_evaluation_of_the_part_is_told_how_to_get_one(runs, evaluated):
    with pytest.raises(ArtifactError) as refused:
        compare(runs[1], runs[2], part="train")
    assert "has not been evaluated on its part train" in refused.value.problem
    assert refused.value.hint.endswith("--part train")


def test_evaluations_of_other_images_are_refused(evaluated, tmp_path):
    root = draw_folder(tmp_path / "others", per_class=20, seed=7)
    dataset = darkroom.split_dataset(
        darkroom.open_dataset(root, workspace=darkroom.Workspace(tmp_path / "workspace"))
    )
    other = darkroom.evaluate(darkroom.train(dataset, SMALL), part="valid")
    with pytest.raises(DataError) as refused:
        compare(evaluated[0], other)
    assert "different images" in refused.value.problem


def test_the_same_images_under_other_names_are_paired_by_their_content(run, evaluated, tmp_path):
    renamed = tmp_path / "renamed"
    for row in run.dataset.index.iter_rows(named=True):
        folder = renamed / row["part"] / row["image"].split("/")[0]
        folder.mkdir(parents=True, exist_ok=True)
        (content,) = run.dataset.read(run.dataset.index.filter(image=row["image"]))
        (folder / f"x{row['sha256'][:12]}.png").write_bytes(content)
    workspace = darkroom.Workspace(tmp_path / "workspace")
    dataset = darkroom.open_dataset(renamed, workspace=workspace)
    other = darkroom.evaluate(darkroom.train(dataset, SMALL), part="valid")
    told = compare(evaluated[0], other)
    assert told.images == len(evaluated[0].predictions)
    assert all("/x" in name for name in (*told.newly_broken, *told.newly_mended))
    assert len(told.newly_broken) + len(told.newly_mended) > 0


def test_the_page_holds_the_verdict_the_classes_and_the_pictures(evaluated, tmp_path):
    before, after = evaluated[1], evaluated[0]
    told = compare(before, after)
    write_comparison(tmp_path / "page.html", before, after, told)
    page = (tmp_path / "page.html").read_text()
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=\"https?:", page)
    assert "<script" not in page
    for name in (before.name, after.name, *(each.name for each in told.classes)):
        assert name in page
    shown = len(told.newly_broken[:24]) + len(told.newly_mended[:24])
    assert page.count('class="picture"') == shown > 0
    assert (told.verdict or "cannot be told") in page.lower()


def test_a_page_without_its_images_says_so_and_names_them(evaluated, tmp_path, monkeypatch):
    def gone(*_: object, **__: object):
        raise DataError("photos/ is gone", hint="bring it back")

    monkeypatch.setattr("darkroom.evaluation.compare_page.thumbnails", gone)
    before, after = evaluated[1], evaluated[0]
    told = compare(before, after)
    write_comparison(tmp_path / "page.html", before, after, told)
    page = (tmp_path / "page.html").read_text()
    assert "photos/ is gone" in page
    assert all(name in page for name in told.newly_mended[:24])


def test_runs_that_differ_in_their_seed_alone_make_one_row(runs, evaluated):
    board = compare_many(runs, part="valid")
    small = next(entry for entry in board.entries if entry.model == "mlp")
    assert len(board.entries) == 2
    assert small.seeds.of == 2
    assert set(small.evaluations) == {evaluated[1].name, evaluated[2].name}
    accuracies = [find_evaluation(each, part="valid") for each in runs[1:]]
    mean = sum(each.predictions["correct"].mean() for each in accuracies) / 2
    assert small.accuracy.value == pytest.approx(mean)
    assert 0 <= small.seeds.low <= mean <= small.seeds.high <= 1
    assert any(setting.startswith("epochs=") for setting in small.settings)
    assert not any(setting.startswith(("seed=", "model=")) for setting in small.settings)
    values = [entry.seeds.value for entry in board.entries]
    assert values == sorted(values, reverse=True)


def test_a_seed_that_was_evaluated_twice_counts_once(runs, evaluated):
    again = darkroom.evaluate(runs[2], part="valid")
    board = compare_many([*evaluated[1:], again])
    (small,) = board.entries
    assert small.seeds.of == 2
    assert again.name in small.evaluations
    assert small.settings == ()


def test_without_names_all_evaluations_of_the_newest_ones_images_are_listed(runs, evaluated):
    board = compare_many(part="valid", workspace=runs[0].workspace)
    assert {entry.model for entry in board.entries} >= {"mlp"}
    assert board.images == len(evaluated[0].predictions)


def test_a_workspace_without_evaluations_is_told_how_to_get_one(workspace):
    with pytest.raises(ArtifactError) as refused:
        compare_many()
    assert "darkroom evaluate" in refused.value.hint


def test_the_command_says_which_is_better_and_writes_the_page(typed, evaluated):
    done = typed(evaluated[1].name, evaluated[0].name)
    assert done.exit_code == 0
    assert evaluated[0].name in done.stderr
    assert "points" in done.stderr
    page = done.stdout.strip().splitlines()[-1]
    assert page.endswith(f"compare/{evaluated[1].name}-{evaluated[0].name}.html")


def test_the_command_prints_json(typed, evaluated, tmp_path):
    done = typed(evaluated[1].name, evaluated[0].name, "--json", "--to", "page.html")
    told = json.loads(done.stdout)
    assert told["verdict"] in ("better", "worse", None)
    assert told["comparison"]["images"] == len(evaluated[0].predictions)
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_the_command_lists_more_than_two(typed, evaluated):
    done = typed(*(each.name for each in evaluated))
    head, *rows = done.stdout.splitlines()
    assert head.split()[:2] == ["recipe", "seeds"]
    assert len(rows) == 2
    told = json.loads(typed("--all", "--part", "valid", "--json").stdout)
    assert len(told["entries"]) >= 2


@pytest.mark.parametrize(
    "words", [(), ("one",), ("one", "two", "--all"), ("--all", "--to", "page.html")]
)
def test_words_that_make_no_comparison_are_refused(typed, words):
    assert typed(*words).exit_code == 2
