"""A curriculum beside a random order: pairs, what is said of them, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from darkroom.cli.curriculum import curriculum as command
from darkroom.errors import DataError, RecipeError
from darkroom.training.recipe import Curriculum, Recipe
from darkroom.training.run import open_run
from darkroom.training.trial import CurriculumTrial, Pair, compare_orders, try_curriculum

EASY = Curriculum(difficulty="edges", start=0.3)
RECIPE = Recipe(
    image_size=16, model="mlp", width=0.1, batch_size=16, epochs=2, seed=5, curriculum=EASY
)


@pytest.fixture(scope="module")
def trial(dataset):
    return try_curriculum(dataset, RECIPE, seeds=2)


def of(
    *pairs: tuple[list[float], list[float]], measure: str = "accuracy", images: int = 1_000
) -> CurriculumTrial:
    made = tuple(
        Pair(seed=number, runs=("a", "b"), curriculum=tuple(one), random=tuple(other))
        for number, (one, other) in enumerate(pairs)
    )
    best, last = compare_orders(made, measure, step=1 / images)
    return CurriculumTrial(
        dataset="shapes", model="mlp", curriculum=EASY, measure=measure, pairs=made, best=best,
        last=last,
    )  # fmt: skip


def test_each_pair_shares_its_seed_and_differs_in_the_curriculum_alone(trial, dataset):
    assert [pair.seed for pair in trial.pairs] == [5, 6]
    for pair in trial.pairs:
        eased, control = (open_run(name, workspace=dataset.workspace) for name in pair.runs)
        assert eased.record.recipe.curriculum == EASY
        assert control.record.recipe == msgspec.structs.replace(
            eased.record.recipe, curriculum=None
        )
        assert pair.curriculum == tuple(epoch.valid_accuracy for epoch in eased.history)
        assert len(pair.random) == 2


def test_a_trial_that_is_called_again_trains_nothing_until_its_order_changes(dataset, tmp_path):
    path, names = tmp_path / "scores.csv", dataset.part("train")["image"].to_list()

    def tried(scores) -> CurriculumTrial:
        rows = "".join(f"{name},{score}\n" for name, score in zip(names, scores, strict=True))
        path.write_text(f"image,score\n{rows}")
        named = Curriculum(difficulty=f"{path}:score")
        return try_curriculum(dataset, msgspec.structs.replace(RECIPE, curriculum=named), seeds=2)

    first = tried(range(len(names)))
    assert tried(range(len(names))) == first
    turned = tried(range(len(names), 0, -1))  # the control: the same recipe, another order
    eased, random = zip(*(pair.runs for pair in turned.pairs), strict=True)
    assert not set(eased) & {pair.runs[0] for pair in first.pairs}
    assert set(random) == {pair.runs[1] for pair in first.pairs}


def test_a_trial_is_shown_with_a_sentence_a_figure_and_its_pairs(trial):
    page = trial._repr_html_()
    assert trial.summary().partition(":")[0] in page
    assert "data:image/svg+xml" in page
    assert page.count("<tr>") == 3


def test_the_figure_has_the_mean_and_the_spread_of_both(trial):
    (rows,) = trial.figure.spec["datasets"].values()
    assert {row["order"] for row in rows} == {"curriculum", "random order"}
    assert len(rows) == 4
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)
    assert len(trial.figure.svg()) > 1_000


def test_a_difference_that_all_pairs_share_is_won():
    won = of(([0.5, 0.90], [0.5, 0.80]), ([0.5, 0.91], [0.5, 0.80]), ([0.5, 0.89], [0.4, 0.80]))
    assert won.winner == "curriculum"
    assert won.best.value == pytest.approx(0.10)
    assert "10.0 points" in won.summary()
    lost = of(([0.80], [0.90]), ([0.80], [0.91]), ([0.80], [0.89]))
    assert lost.winner == "random order"


def test_two_pairs_that_differ_alike_on_few_images_are_not_certain_to_the_last_digit():
    alike = [([0.5], [0.45]), ([0.5], [0.45])]
    few, many = of(*alike, images=20), of(*alike, images=10_000)
    assert few.winner is None
    assert few.best.low < few.best.value < few.best.high
    assert many.winner == "curriculum"


def test_a_difference_that_comes_and_goes_cannot_be_told():
    unclear = of(([0.9], [0.8]), ([0.7], [0.8]), ([0.85], [0.8]))
    assert unclear.winner is None
    assert unclear.summary().startswith("It cannot be told")


def test_equal_pairs_cannot_be_told():
    assert of(([0.8], [0.8]), ([0.8], [0.8])).winner is None


def test_pairs_are_compared_and_not_their_means():
    # The seeds differ by far more than the orders do: unpaired, nothing could be told.
    paired = of(([0.50], [0.48]), ([0.70], [0.68]), ([0.90], [0.879]))
    assert paired.winner == "curriculum"


def test_the_best_and_the_last_epoch_are_told_apart():
    both = of(([0.9, 0.5], [0.8, 0.7]), ([0.9, 0.5], [0.8, 0.7]))
    assert both.best.value == pytest.approx(0.1)
    assert both.last.value == pytest.approx(-0.2)


def test_of_an_error_less_is_better():
    won = of(([5.0, 1.0], [5.0, 2.0]), ([5.0, 1.1], [5.0, 2.0]), measure="error")
    assert won.winner == "curriculum"
    assert "less validation error" in won.summary()


@pytest.mark.parametrize(
    ("recipe", "seeds", "told"),
    [(Recipe(), 3, "no curriculum"), (RECIPE, 1, "got 1")],
)
def test_a_trial_that_could_tell_nothing_is_refused(dataset, recipe, seeds, told):
    with pytest.raises(RecipeError) as refused:
        try_curriculum(dataset, recipe, seeds=seeds)
    assert told in refused.value.problem


def test_a_difficulty_with_gaps_is_told_before_anything_is_trained(dataset):
    before = sorted(dataset.workspace.root.glob("runs/*"))
    gaps = Recipe(curriculum=Curriculum(difficulty="sharpness"))
    with pytest.raises(DataError):
        try_curriculum(dataset, gaps)
    assert sorted(dataset.workspace.root.glob("runs/*")) == before


def test_the_command_says_who_won_and_prints_json(dataset, monkeypatch, tmp_path):
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(dataset.workspace.root))
    monkeypatch.chdir(tmp_path)
    words = ["--seeds", "2", "--set", "curriculum.difficulty=edges", "--set", "model=mlp",
             "--set", "width=0.1", "--set", "epochs=1", "--set", "image_size=12",
             "--json", "--to", "figure.svg"]  # fmt: skip
    done = CliRunner().invoke(command, [dataset.name, *words], catch_exceptions=False)
    assert "2 pairs of mlp" in done.stderr
    told = json.loads(done.stdout)
    assert told["winner"] in ("curriculum", "random order", None)
    assert [len(pair["random"]) for pair in told["trial"]["pairs"]] == [1, 1]
    assert Path("figure.svg").read_text().startswith("<svg")
