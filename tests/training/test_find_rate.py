"""The search for a learning rate: what it finds, and that it touches nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

import darkroom
from darkroom.cli.find_lr import find_lr as command
from darkroom.errors import RecipeError
from darkroom.training import find_rate
from darkroom.training.find_rate import find_learning_rate, run_digest, weights_digest
from darkroom.training.loop import build_network
from darkroom.training.rate_search import RateSearch
from darkroom.training.recipe import Curriculum, Optimizer, Recipe, Transfer
from tests.making import draw_folder
from tests.training.interrupted import draw_weights

RECIPE = Recipe(
    image_size=16, model="mlp", width=0.2, batch_size=16, optimizer=Optimizer(name="sgd")
)
FLAT = {"steps": 20, "repeats": 2, "bounds": (1e-12, 1e-11)}  # nothing is learned


@pytest.fixture(scope="module")
def search(dataset):
    return find_learning_rate(dataset, RECIPE, steps=60)


@pytest.fixture(scope="module")
def flat(dataset):
    return find_learning_rate(dataset, RECIPE, **FLAT)


def test_a_rate_is_suggested_with_an_interval_over_the_repeats(search):
    for mean in (search.valley, search.steepest):
        assert search.rates[0] < mean.value < search.rates[-1]
        assert mean.low < mean.value < mean.high
        assert mean.of >= 2
    assert search.suggestion == pytest.approx(search.valley.value, rel=0.06)
    assert "by the valley" in search.summary()


def test_the_rate_climbs_evenly_on_a_logarithmic_axis(search):
    steps = np.diff(np.log(search.rates))
    np.testing.assert_allclose(steps, steps[0])
    assert search.rates[-1] / search.rates[0] == pytest.approx(1e6)


def test_a_climb_ends_when_the_loss_explodes(search):
    assert len({climb.seed for climb in search.climbs}) == 3
    assert min(len(climb.losses) for climb in search.climbs) < 60
    assert all(np.isfinite(climb.losses).all() for climb in search.climbs)


def test_the_losses_are_those_of_each_step_and_not_their_mean(flat):
    for climb in flat.climbs:
        # Nothing is learned: late steps are as far from the mean as early ones, which a mean
        # over all steps so far would not be.
        away = np.abs(np.asarray(climb.losses) - np.mean(climb.losses))
        assert away[10:].mean() > 0.3 * away[:10].mean() > 0


def test_the_same_search_gives_the_same_answer_and_writes_no_run(dataset, flat):
    before = {path.name for path in dataset.workspace.root.glob("runs/*")}
    assert find_learning_rate(dataset, RECIPE, **FLAT) == flat
    assert {path.name for path in dataset.workspace.root.glob("runs/*")} == before


def test_the_rate_that_is_found_learns_and_a_hundredth_of_it_hardly_does(dataset, search):
    def loss(rate: float) -> float:
        optimizer = Optimizer(name="sgd", peak_lr=rate)
        recipe = msgspec.structs.replace(RECIPE, epochs=2, optimizer=optimizer)
        return darkroom.train(dataset, recipe).history[-1].valid_loss

    assert loss(search.suggestion) < loss(search.suggestion / 100) - 0.1


def test_without_a_valley_it_says_so_and_suggests_nothing(flat):
    assert flat.suggestion is None
    assert flat.summary().startswith("No valley in 2 of 2 repeats")
    assert "1e-12" in flat.summary()
    assert flat.figure.alternative.endswith("no valley")


def test_a_search_from_a_run_copies_its_weights_and_touches_nothing(run):
    search = find_learning_rate(run, steps=20, repeats=2)
    assert search.proof.is_untouched
    assert search.proof.weights[0] == weights_digest(run.model())
    assert search.proof.files[0] == run_digest(run)
    assert run.name in search.summary()
    # It begins where the run ended, and not where the run began.
    fresh = find_learning_rate(run.dataset, run.record.recipe, steps=20, repeats=2)
    assert first_loss(search) < first_loss(fresh) - 0.1


def test_control_a_run_that_is_changed_meanwhile_is_seen(run, tmp_path):
    class Careless(darkroom.Run):
        def weights(self):
            found = super().weights()
            with (self.path / "history.json").open("a") as file:
                file.write(" ")
            return found

    runs = tmp_path / "workspace" / "runs"
    shutil.copytree(run.path, runs / run.path.name)
    careless = Careless(runs / run.path.name, run.manifest)
    careless.dataset = run.dataset
    search = find_learning_rate(careless, steps=20, repeats=2)
    assert not search.proof.is_untouched
    assert search.proof.weights[0] == search.proof.weights[1]


def test_control_a_search_that_trains_what_it_should_copy_is_seen(run, monkeypatch):
    network = build_network(run.record)
    monkeypatch.setattr(find_rate, "build_network", lambda _: network)
    search = find_learning_rate(run, steps=20, repeats=2)
    assert not search.proof.is_untouched
    assert search.proof.files[0] == search.proof.files[1]


def test_a_search_with_a_pretrained_trunk_leaves_what_it_copies_alone(workspace, tmp_path):
    draw_weights(tmp_path / "trunk.weights.h5")
    root = draw_folder(tmp_path / "photos", per_class=12)
    dataset = darkroom.split_dataset(darkroom.open_dataset(root, workspace=workspace))
    transfer = Transfer(weights=str(tmp_path / "trunk.weights.h5"))
    recipe = Recipe(model="mobilenet_v2", width=0.35, image_size=36, transfer=transfer)
    search = find_learning_rate(dataset, recipe, steps=20, repeats=2)
    assert search.proof.is_untouched
    assert all(np.isfinite(climb.losses).all() for climb in search.climbs)


def test_control_a_weight_that_moves_changes_the_digest(run):
    model = run.model()
    before = weights_digest(model)
    assert weights_digest(run.model()) == before
    weight = model.weights[-1]
    weight.assign(weight + 1e-6)
    assert weights_digest(model) != before


def test_a_search_from_no_run_leaves_its_own_network_alone(search):
    assert search.proof.files is None
    assert search.proof.is_untouched


def test_a_curriculum_is_left_out(dataset, flat):
    eased = msgspec.structs.replace(RECIPE, curriculum=Curriculum(difficulty="edges", start=0.1))
    assert find_learning_rate(dataset, eased, **FLAT) == flat


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"repeats": 1}, "1 x 100"),
        ({"steps": 5}, "3 x 5"),
        ({"bounds": (1.0, 0.1)}, "(1.0, 0.1)"),
        ({"bounds": (0.0, 0.1)}, "(0.0, 0.1)"),
    ],
)
def test_a_search_that_cannot_tell_is_refused(dataset, settings, told):
    with pytest.raises(RecipeError) as refused:
        find_learning_rate(dataset, RECIPE, **settings)
    assert told in refused.value.problem


def test_a_recipe_beside_a_run_is_refused(run):
    with pytest.raises(RecipeError) as refused:
        find_learning_rate(run, RECIPE)
    assert run.name in refused.value.problem


def test_a_notebook_shows_sentence_figure_and_climbs(search):
    page = search._repr_html_()
    assert "by the valley" in page
    assert "data:image/svg+xml" in page
    assert page.count("<tr>") == 4


def test_the_figure_has_every_repeat_their_median_and_both_suggestions(search):
    figure = search.figure
    named = figure.spec["datasets"]
    tables = [named[layer["data"]["name"]] for layer in figure.spec["layer"]]
    assert {row["repeat"] for row in tables[0]} == {1, 2, 3}
    assert {row["kind"] for row in tables[0]} == {"measured", "smoothed"}
    names = {row["name"].split()[0] for table in tables[2:] for row in table}
    assert names == {"valley", "steepest"}
    assert figure.spec["layer"][0]["encoding"]["x"]["scale"]["type"] == "log"
    assert len(figure.svg()) > 1_000


def test_the_command_prints_the_rate_the_next_command_and_the_figures_path(
    dataset, monkeypatch, tmp_path
):
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(dataset.workspace.root))
    monkeypatch.chdir(tmp_path)
    words = ["--set", "model=mlp", "--set", "width=0.2", "--set", "batch_size=16",
             "--set", "image_size=16", "--set", "optimizer.name=sgd"]  # fmt: skip
    done = CliRunner().invoke(command, [dataset.name, *words], catch_exceptions=False)
    figure = Path(done.stdout.splitlines()[-1])
    assert figure.read_text().startswith("<svg")
    assert "by the valley" in done.stderr
    told = next(line for line in done.stderr.splitlines() if " next " in line)
    assert f"darkroom train {dataset.name} --set model=mlp" in told
    rate = told.rpartition("optimizer.peak_lr=")[2]
    assert 1e-5 < float(rate) < 1


def test_the_command_from_a_run_prints_json(run, monkeypatch, tmp_path):
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(run.workspace.root))
    figure = tmp_path / "figure.svg"
    done = CliRunner().invoke(
        command, ["--run", run.name, "--json", "--to", str(figure)], catch_exceptions=False
    )
    told = json.loads(done.stdout)
    assert len(told["search"]["climbs"]) == 3
    assert told["search"]["proof"]["files"][0] == run_digest(run)
    assert figure.read_text().startswith("<svg")


def test_the_command_refuses_a_run_and_a_source(run, monkeypatch):
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(run.workspace.root))
    refused = CliRunner().invoke(command, ["photos", "--run", run.name]).exception
    assert isinstance(refused, RecipeError)
    assert "photos" in refused.problem


def first_loss(search: RateSearch) -> float:
    return float(np.mean([climb.losses[0] for climb in search.climbs]))
