"""Studies: the grid, what is taken and not trained again, the law through a learning curve."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from darkroom.backend import keras
from darkroom.errors import RecipeError
from darkroom.intervals import Estimate
from darkroom.training.finished import find_finished, trained_once
from darkroom.training.learning_curve import forecast
from darkroom.training.plan import plan
from darkroom.training.recipe import Recipe
from darkroom.training.run import open_run
from darkroom.training.studies import StudyRun, conclude, spread_of, told_gain
from darkroom.training.study import plan_study, run_study, study
from darkroom.training.train import train

RECIPE = Recipe(image_size=12, model="mlp", width=0.1, batch_size=16, epochs=2, seed=40)


def run_names(dataset) -> list[str]:
    return sorted(path.name for path, _ in dataset.workspace.artifacts("run"))


def of(what: str, rows: list[tuple[int, int, float]], *, measure: str = "accuracy"):
    runs = [
        StudyRun(
            value=value,
            seed=seed,
            run=f"{value}-{seed}",
            measured=measured,
            images_per_s=100.0 * max(value, 1),
            seconds=1.0,
        )
        for value, seed, measured in rows
    ]
    return conclude(what, runs, dataset="shapes", model="mlp", measure=measure)


@pytest.fixture(scope="module")
def by_size(dataset):
    return study(dataset, RECIPE, "batch-size", values=(8, 24), seeds=2)


def test_every_value_is_trained_with_every_seed_and_all_else_is_equal(by_size, dataset):
    assert [(run.value, run.seed) for run in by_size.runs] == [(8, 40), (24, 40), (8, 41), (24, 41)]
    recipes = [open_run(one.run, workspace=dataset.workspace).record.recipe for one in by_size.runs]
    alike = {msgspec.json.encode(msgspec.structs.replace(r, batch_size=1, seed=0)) for r in recipes}
    assert len(alike) == 1
    assert [point.measured.of for point in by_size.points] == [2, 2]


def test_a_study_that_is_called_again_trains_nothing(by_size, dataset):
    before = run_names(dataset)
    again = study(dataset, RECIPE, "batch-size", values=(8, 24), seeds=2)
    assert again == by_size
    assert run_names(dataset) == before
    more = study(dataset, RECIPE, "batch-size", values=(8, 32), seeds=1)  # the control
    assert more.runs[0].run == by_size.runs[0].run
    assert len(run_names(dataset)) == len(before) + 1


def test_a_study_is_shown_with_a_sentence_a_figure_and_its_runs(by_size):
    page = by_size._repr_html_()
    assert "4 runs of mlp" in page
    assert "data:image/svg+xml" in page
    assert page.count("<tr>") == 5
    assert len(by_size.figure.svg()) > 1_000


def test_nested_subsets_are_trained_for_as_many_steps_as_the_whole(dataset):
    grid = plan_study(dataset, RECIPE, "data-size", values=(0.25, 0.5, 1.0), seeds=1)
    steps = [cell.recipe.epochs * -(-cell.value // cell.recipe.batch_size) for cell in grid.cells]
    assert [cell.value for cell in grid.cells] == [18, 36, 72]
    assert steps == [10, 9, 10]
    assert grid.cells[-1].dataset is dataset
    valid = {cell.dataset.fingerprint("valid") for cell in grid.cells}
    assert len(valid) == 1


def test_a_learning_curve_is_told_by_the_images_of_each_subset(dataset):
    found = study(dataset, RECIPE, "data-size", values=(0.25, 0.5, 1.0), seeds=2)
    assert [point.value for point in found.points] == [18, 36, 72]
    assert found.forecast.images == 72
    assert "training images" in found.figure.alternative
    assert "72 training images" in found.summary() or "cannot be told" in found.summary()


def test_the_default_batch_sizes_lie_around_the_settled_one(dataset):
    grid = plan_study(dataset, RECIPE, "batch-size", seeds=1)
    assert [cell.value for cell in grid.cells] == [4, 8, 16, 32, 64]


def test_a_value_that_cannot_be_trained_is_left_out_and_told(dataset):
    found = study(dataset, RECIPE, "batch-size", values=(8, 5_000), seeds=1)
    assert [run.value for run in found.runs] == [8]
    assert "5000" in found.left_out[0].replace(",", "")
    with pytest.raises(RecipeError):  # the control: of nothing there is no study
        study(dataset, RECIPE, "batch-size", values=(5_000, 6_000), seeds=1)


@pytest.mark.parametrize(
    ("what", "options", "fact"),
    [
        ("batch-sizes", {}, "batch-sizes"),
        ("seeds", {"values": [1, 2]}, "values"),
        ("seeds", {"seeds": 0}, "got 0"),
        ("seeds", {"seeds": 1}, "got 1"),
        ("batch-size", {"values": [8, 2.5]}, "not 2.5"),
        ("batch-size", {"values": [8, 0]}, "not 0"),
        ("batch-size", {"values": [8, float("nan")]}, "not nan"),
        ("batch-size", {"values": [8, float("inf")]}, "not inf"),
        ("batch-size", {"values": [8, 8.0]}, "2 different values"),
        ("data-size", {"values": [0.5, 1, 0.5]}, "got 0.5, 1, 0.5"),
    ],
)
def test_a_study_that_does_not_exist_is_refused(dataset, what, options, fact):
    with pytest.raises(RecipeError) as refused:
        plan_study(dataset, RECIPE, what, **options)
    assert fact in refused.value.problem


def test_a_study_asks_once_after_its_first_training(dataset):
    asked: list[float] = []
    recipe = msgspec.structs.replace(RECIPE, seed=90)
    run_study(plan_study(dataset, recipe, "seeds", seeds=3), ask=asked.append)
    assert len(asked) == 1
    assert asked[0] > 0
    run_study(plan_study(dataset, recipe, "seeds", seeds=3), ask=asked.append)
    assert len(asked) == 1  # all are finished: nothing is to be asked


def test_a_study_that_is_stopped_keeps_what_was_trained(dataset):
    class Stop(Exception):  # noqa: N818
        pass

    def ask(_: float) -> None:
        raise Stop

    grid = plan_study(dataset, msgspec.structs.replace(RECIPE, seed=95), "seeds", seeds=3)
    with pytest.raises(Stop):
        run_study(grid, ask=ask)
    assert grid.waiting() == 2


def test_a_run_that_a_callback_stopped_is_not_taken(dataset):
    class Enough(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    recipe = msgspec.structs.replace(RECIPE, seed=97)
    cut = train(dataset, recipe, callbacks=[Enough()])
    assert cut.record.outcome == "stopped early"
    assert find_finished(dataset, plan(dataset, recipe)) is None
    whole, is_new = trained_once(dataset, recipe)
    assert (is_new, len(whole.history)) == (True, 2)
    assert trained_once(dataset, recipe)[0].name == whole.name


def test_a_run_that_its_own_patience_stopped_is_taken(dataset):
    recipe = msgspec.structs.replace(RECIPE, seed=98, epochs=40, patience=1)
    stopped = train(dataset, recipe)
    assert stopped.record.outcome == "stopped early"
    assert trained_once(dataset, recipe)[0].name == stopped.name


def test_the_seeds_of_a_study_differ_and_so_do_their_words():
    found = of("seeds", [(0, 0, 0.90), (1, 1, 0.92), (2, 2, 0.94)])
    assert found.spread.value == pytest.approx(0.02)
    assert "standard deviation 2.0 points (1.0 .. 12.6)" in found.summary()
    assert "differ by up to 12.2 points" in found.summary()


def test_one_seed_tells_nothing_of_seeds():
    found = of("seeds", [(0, 0, 0.90)])
    assert found.spread.value is None
    assert "cannot be told" in found.summary()
    assert found.figure.svg()


def test_the_interval_of_a_spread_holds_the_truth():
    rng = np.random.default_rng(0)
    held = [
        spread.low <= 0.02 <= spread.high
        for spread in (spread_of(rng.normal(0.9, 0.02, 5).tolist()) for _ in range(400))
    ]
    assert np.mean(held) == pytest.approx(0.95, abs=0.03)


def test_a_faster_batch_that_costs_nothing_that_can_be_told_is_told_so():
    rows = [(8, 0, 0.90), (64, 0, 0.91), (8, 1, 0.92), (64, 1, 0.90), (8, 2, 0.91), (64, 2, 0.909)]
    told = of("batch-size", rows).summary()
    assert told.startswith("Batch size 8 came out best")
    assert "64 is the fastest, 8.0 times as fast" in told
    assert "cannot be told from none" in told


def test_a_faster_batch_that_costs_accuracy_is_told_with_its_interval():
    rows = [(8, s, 0.90 + s / 100) for s in range(3)] + [(64, s, 0.80 + s / 100) for s in range(3)]
    told = of("batch-size", rows).summary()
    assert "-10.0 points (-10.0 .. -10.0)" in told
    assert "cannot be told" not in told


def test_a_difference_of_shares_ends_at_100_points():
    rows = [(8, 0, 0.95), (8, 1, 0.55), (64, 0, 0.2), (64, 1, 0.9)]
    assert "-20.0 points (-100.0 .. +100.0)" in of("batch-size", rows).summary()


@pytest.mark.parametrize(
    ("measure", "gain", "words"),
    [
        ("accuracy", -0.058, "5.8 points (4.8 .. 6.8) less validation accuracy"),
        ("accuracy", 0.058, "5.8 points (4.8 .. 6.8) more validation accuracy"),
        ("error", 0.5, "0.5 (0.49 .. 0.51) less validation error"),
        ("error", -0.5, "0.5 (0.49 .. 0.51) more validation error"),
    ],
)
def test_what_costs_is_not_called_more(measure, gain, words):
    estimate = Estimate(value=gain, low=gain - 0.01, high=gain + 0.01)
    assert told_gain(measure, estimate) == words


def test_an_interval_of_a_share_ends_at_1():
    point = of("batch-size", [(8, 0, 1.0), (8, 1, 0.9), (8, 2, 1.0)]).points[0]
    assert point.measured.high == 1.0


SIZES = [125, 250, 500, 1_000] * 3


def curve(rest: float, scale: float, slope: float, noise: float, rng) -> list[float]:
    return [rest + scale * size**-slope + rng.normal(0, noise) for size in SIZES]


@pytest.mark.parametrize(
    ("rest", "scale", "slope", "noise"),
    [(0.02, 2, 0.35, 0.005), (0.0, 1.5, 0.3, 0.01), (0.1, 3, 0.6, 0.01), (0.05, 0, 0.3, 0.005)],
)
def test_the_interval_of_the_forecast_holds_the_truth(rest, scale, slope, noise):
    rng = np.random.default_rng(1)
    true = scale * 1_000**-slope * (1 - 2**-slope)
    found = [
        forecast(SIZES, curve(rest, scale, slope, noise, rng), enough=0.005).gain for _ in range(60)
    ]
    assert np.mean([gain.low <= true <= gain.high for gain in found]) >= 0.88


def test_a_steep_curve_says_that_more_images_help_and_a_flat_one_does_not():
    rng = np.random.default_rng(2)
    assert forecast(SIZES, curve(0.02, 2, 0.35, 0.004, rng), enough=0.005).verdict == "helps"
    flat = forecast(SIZES, curve(0.05, 0, 0.3, 0.002, rng), enough=0.005)
    assert flat.verdict == "next to nothing"
    noisy = forecast(SIZES, curve(0.05, 0, 0.3, 0.05, rng), enough=0.005)
    assert noisy.verdict == "cannot tell"


def test_no_more_error_can_go_away_than_there_is():
    rng = np.random.default_rng(3)
    errors = curve(0.0, 30, 1.2, 0.004, rng)
    gain = forecast(SIZES, errors, enough=0.005).gain
    assert gain.high <= np.mean(errors[3::4]) + 1e-9


@pytest.mark.parametrize("sizes", [[], [100], [100, 200] * 5, [100, 200, 400]])
def test_of_too_few_trainings_no_curve_is_told(sizes):
    found = forecast(sizes, [0.1] * len(sizes), enough=0.005)
    assert found.gain.value is None
    assert "too few" in found.why
    assert found.verdict == "cannot tell"


def test_of_an_error_less_is_better():
    rows = [(8, s, 5.0 + s / 10) for s in range(3)] + [(64, s, 4.0 + s / 10) for s in range(3)]
    assert of("batch-size", rows, measure="error").summary().startswith("Batch size 64 came out")
    rows = [(size, seed, 30 * size**-0.4) for size in (100, 200, 400) for seed in range(3)]
    told = of("data-size", rows, measure="error").summary()
    assert told.startswith("More images would help")
    assert "less validation error" in told
