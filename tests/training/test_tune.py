"""The search: its storage, what a kill loses, what is cut short, and what is believed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import polars as pl
import pytest

from darkroom.data.checks import check_dataset
from darkroom.data.dataset import Dataset
from darkroom.data.kept import store_dataset
from darkroom.disk import locked
from darkroom.errors import ArtifactError, RecipeError
from darkroom.records import from_json, to_json, to_line
from darkroom.training.recipe import Augment, Optimizer, Recipe
from darkroom.training.repeats import mean_of
from darkroom.training.run import open_run
from darkroom.training.search_worker import Job, Judged, other_workers, work
from darkroom.training.space import Range
from darkroom.training.trials import Trials
from darkroom.training.tune import plan_search, run_search, tune
from darkroom.training.tuning import FreshPair, Search, SearchPlan, Tried, Tuning

RECIPE = Recipe(image_size=12, model="mlp", width=0.1, batch_size=16, epochs=3, seed=60)
SPACE = {"optimizer.peak_lr": Range(low=1e-4, high=1e-1, log=True), "dropout": (0.0, 0.2, 0.4)}
START = {"optimizer.peak_lr": 1e-3, "dropout": 0.2}
EPOCHS = 8


def plan(**options) -> SearchPlan:
    given = {"pruning": "median", "start": START, "measure": "accuracy", **options}
    return SearchPlan(
        dataset="0" * 32, recipe=RECIPE, space=SPACE, epochs=EPOCHS, despite=(), **given
    )


def goodness(settings: dict, epoch: int) -> float:
    """Stand in for a training: the rate has an optimum, and all grow towards what they reach."""
    rate = settings["optimizer.peak_lr"]
    return max(0.9 - abs(rate - 0.01) * 3 - settings["dropout"] / 10, 0.1) * epoch / EPOCHS


def pretend(trials: Trials, wanted: int) -> int:
    """Do trials without training, and count the epochs they took."""
    epochs = 0
    with trials.at_work():
        while (asked := trials.ask(wanted)) is not None:
            number, settings = asked
            for epoch in range(1, EPOCHS + 1):
                epochs += 1
                is_behind = trials.report(number, epoch, goodness(settings, epoch))
                if is_behind and epoch < EPOCHS:
                    trials.cut(number, run=f"run-{number}")
                    break
            else:
                trials.finish(number, goodness(settings, EPOCHS), f"run-{number}")
    return epochs


@pytest.fixture
def storage(tmp_path) -> Path:
    return tmp_path / "tuning" / "odd {name}? 100%.db"  # none of it may mean something


def test_a_search_ends_with_as_many_trials_as_were_wanted_and_begins_with_the_start(storage):
    trials = Trials(storage, plan())
    pretend(trials, 12)
    tried = trials.tried()
    assert [one.number for one in tried] == list(range(12))
    assert tried[0].settings == START
    assert trials.are_over(12)
    assert not trials.are_over(13)
    assert [path.name for path in storage.parent.glob("*.db")] == [storage.name]


@pytest.mark.parametrize("pruning", ["percentile", "median", "hyperband"])
def test_trials_that_fall_behind_are_cut_short(tmp_path, pruning):
    trials, whole = Trials(tmp_path / "a.db", plan(pruning=pruning)), Trials(
        tmp_path / "b.db", plan(pruning="none")
    )  # fmt: skip
    shorter, longer = pretend(trials, 20), pretend(whole, 20)
    assert longer == 20 * EPOCHS
    assert {one.ended for one in whole.tried()} == {"finished"}  # the control: switched off
    assert shorter < 0.75 * longer
    cut = [one for one in trials.tried() if one.ended == "cut short"]
    assert all(EPOCHS // 4 <= one.epochs < EPOCHS for one in cut)
    best = max(one.value for one in trials.tried() if one.ended == "finished")
    assert best > goodness(START, EPOCHS)


def test_a_search_goes_on_where_it_was_and_beyond(storage):
    pretend(Trials(storage, plan()), 5)
    before = Trials(storage, plan()).tried()
    again = Trials(storage, plan())
    assert pretend(again, 5) == 0
    pretend(again, 8)
    assert again.tried()[:5] == before
    assert len(again.tried()) == 8
    assert len({str(one.settings) for one in again.tried()}) == 8  # none is drawn a second time


def test_a_search_is_the_same_again_from_the_same_seed(tmp_path):
    one, again, other = (
        Trials(tmp_path / f"{name}.db", plan(), seed=seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    for trials in (one, again, other):
        pretend(trials, 6)
    assert one.tried() == again.tried()
    assert one.tried() != other.tried()


def test_a_storage_of_another_search_is_refused(storage):
    Trials(storage, plan())
    with pytest.raises(ArtifactError) as refused:
        Trials(storage, plan(measure="error"))
    assert str(storage) in refused.value.problem


def test_a_file_that_is_no_storage_is_refused(tmp_path):
    (tmp_path / "a.db").write_text("something else entirely, and long enough to be read" * 20)
    with pytest.raises(ArtifactError) as refused:
        Trials(tmp_path / "a.db", plan())
    assert "a.db" in refused.value.problem
    assert "mv" in refused.value.hint


@pytest.mark.parametrize("by", ["another worker", "another program"])
def test_a_locked_storage_is_told_after_bounded_waiting(storage, by):
    trials = Trials(storage, plan(), wait_s=0.5)
    began = time.monotonic()
    if by == "another worker":
        with (
            locked(storage.with_name(f".{storage.name}.lock")),
            pytest.raises(ArtifactError) as told,
        ):
            trials.tried()
    else:
        holder = sqlite3.connect(storage)
        holder.execute("BEGIN EXCLUSIVE")
        with trials.at_work(), pytest.raises(ArtifactError) as told:
            trials.ask(5)
        holder.close()
    assert time.monotonic() - began < 20
    assert "locked" in told.value.problem
    assert str(storage) in told.value.problem
    with trials.at_work():
        assert trials.ask(5) is not None  # the control: it is free again


def test_the_trial_of_a_process_that_is_gone_is_tried_again_with_its_settings(storage):
    gone = Trials(storage, plan())
    with gone.at_work():
        number, settings = gone.ask(5)
    after = Trials(storage, plan())
    with after.at_work():
        again, same = after.ask(5)
    assert (number, same) == (0, settings)
    assert again != number
    assert [one.number for one in after.tried()] == []


def test_the_trial_of_a_process_that_lives_is_left_alone(storage):
    lives, other = Trials(storage, plan()), Trials(storage, plan())
    with lives.at_work(), other.at_work():
        number, _ = lives.ask(2)
        another, settings = other.ask(2)
        assert settings != START
        assert other.ask(2) is None  # two are under way, and two are wanted
        lives.finish(number, 0.5, "a")
        other.finish(another, 0.6, "b")
    assert [one.value for one in other.tried()] == [0.5, 0.6]


def test_a_trial_that_ends_its_process_each_time_is_given_up(storage):
    for _ in range(3):
        trials = Trials(storage, plan())
        with trials.at_work():
            assert trials.ask(1) is not None
    trials = Trials(storage, plan())
    with trials.at_work():
        assert trials.ask(1) is None
    (lost,) = trials.tried()
    assert (lost.ended, lost.settings) == ("failed", START)
    assert "3 times" in lost.why


def test_importance_names_the_setting_that_matters_or_says_why_not(tmp_path):
    trials = Trials(tmp_path / "a.db", plan(pruning="none"))
    assert trials.importance()[1].startswith("0 finished trials are too few")
    pretend(trials, 16)
    shares, why = trials.importance()
    assert why == ""
    assert next(iter(shares)) == "optimizer.peak_lr"
    assert sum(shares.values()) == pytest.approx(1)


def test_what_was_reported_is_reported_again_after_a_resumption():
    seen: list[tuple[int, float]] = []
    judged = Judged(lambda epoch, value: seen.append((epoch, value)) or False, "accuracy")
    judged.on_epoch_end(0, {"val_accuracy": 0.5})
    judged.on_epoch_end(1, {"val_accuracy": 0.6})
    resumed = Judged(lambda epoch, value: seen.append((epoch, value)) or False, "accuracy")
    resumed.set_state(judged.get_state())
    resumed.on_epoch_end(0, {"val_accuracy": 0.7})
    assert seen[2:] == [(1, 0.5), (2, 0.6), (3, 0.7)]


def told(*gains: float, settings: dict | None = None) -> Tuning:
    pairs = tuple(
        FreshPair(seed=seed, runs=("a", "b"), winner=0.8 + gain, start=0.8)
        for seed, gain in enumerate(gains)
    )
    return Tuning(
        name="a.db", model="mlp", plan=plan(), importance={}, best=1, pairs=pairs,
        settings={"dropout": 0.0} if settings is None else settings,
        gain=mean_of(gains) if gains else None,
        trials=(Tried(number=0, settings=START, ended="finished", value=0.8, epochs=8),
                Tried(number=1, settings={}, ended="cut short", value=0.5, epochs=2)),
    )  # fmt: skip


def test_a_winner_is_believed_when_it_is_better_by_more_than_the_seeds_explain():
    won = told(0.05, 0.06, 0.055)
    assert won.is_believed
    assert won.recipe.dropout == 0.0
    assert won.summary().startswith("The winner is believed")
    lucky = told(0.05, -0.03, 0.01)  # the control
    assert not lucky.is_believed
    assert lucky.recipe == RECIPE
    assert lucky.summary().startswith("The winner is not believed")


def test_a_search_that_found_nothing_says_so():
    assert told(settings={}).summary().startswith("No trial was better than the starting recipe")


def test_a_search_is_shown_with_its_trials_and_written_as_json():
    found = told(0.05, 0.06)
    page = found._repr_html_()
    assert page.count("<tr>") == 3
    assert "data:image/svg+xml" in page
    assert from_json(to_json(found.plan), SearchPlan, where="") == found.plan


@pytest.mark.parametrize(
    ("options", "fact"),
    [({"workers": 0}, "0 workers"), ({"seeds": 1}, "1 fresh seeds")],
)
def test_a_search_that_cannot_be_done_is_refused(options, fact):
    with pytest.raises(RecipeError, match=fact):
        Search(**options)


def test_a_recipe_that_leaves_nothing_open_needs_a_space(dataset):
    said = Recipe(
        image_size=12, model="mlp", batch_size=16, epochs=1,
        optimizer=Optimizer(peak_lr=1e-3, weight_decay=0.01), augment=Augment(shift=0.0),
    )  # fmt: skip
    said = msgspec.convert(msgspec.to_builtins(said), Recipe)
    with pytest.raises(RecipeError, match="leaves nothing open") as refused:
        plan_search(dataset, said)
    assert "--space" in refused.value.hint


@pytest.fixture(scope="module")
def found(dataset):
    return tune(dataset, RECIPE, SPACE, trials=6, search=Search(seeds=2, pruning="none"))


def test_each_trial_is_a_run_with_the_settings_it_says(found, dataset):
    assert [one.ended for one in found.trials] == ["finished"] * 6
    for one in found.trials:
        run = open_run(one.run, workspace=dataset.workspace)
        assert run.record.recipe.optimizer.peak_lr == one.settings["optimizer.peak_lr"]
        assert run.record.recipe.dropout == one.settings["dropout"]
        assert run.record.recipe.seed == RECIPE.seed
        assert one.value == run.best.valid_accuracy


def test_the_winner_and_the_start_are_trained_with_seeds_that_no_trial_had(found, dataset):
    assert [pair.seed for pair in found.pairs] == [61, 62]
    for pair in found.pairs:
        winner, start = (open_run(name, workspace=dataset.workspace) for name in pair.runs)
        assert winner.record.recipe.seed == start.record.recipe.seed == pair.seed
        assert winner.record.recipe.dropout == found.settings["dropout"]
        assert start.record.recipe.dropout is None
        assert pair.winner - pair.start == pytest.approx(
            winner.best.valid_accuracy - start.best.valid_accuracy
        )
    assert found.gain.of == 2


def test_a_search_that_is_called_again_trains_nothing(found, dataset):
    runs = len(dataset.workspace.artifacts("run"))
    again = tune(dataset, RECIPE, SPACE, trials=6, search=Search(seeds=2, pruning="none"))
    assert again == found
    assert len(dataset.workspace.artifacts("run")) == runs


def test_settings_that_cannot_be_trained_are_told_and_others_go_on(dataset):
    sizes = {"batch_size": (16, 5_000)}
    found = tune(dataset, msgspec.structs.replace(RECIPE, epochs=1), sizes, trials=4,
                 search=Search(seeds=2))  # fmt: skip
    failed = [one for one in found.trials if one.ended == "failed"]
    assert all("5000" in one.why.replace(",", "") for one in failed)
    assert found.settings == {}
    with pytest.raises(RecipeError, match="came to an end"):  # the control: nothing is left
        tune(dataset, RECIPE, {"batch_size": (5_000, 6_000)}, trials=2, search=Search(seeds=2))


def test_a_search_asks_once_and_keeps_what_was_trained(dataset):
    class Stop(Exception):  # noqa: N818
        pass

    asked: list[float] = []

    def ask(seconds: float) -> None:
        asked.append(seconds)
        raise Stop

    recipe = msgspec.structs.replace(RECIPE, seed=70)
    planned = plan_search(dataset, recipe, SPACE, trials=5, search=Search(seeds=2))
    with pytest.raises(Stop):
        run_search(planned, ask=ask)
    assert len(asked) == 1
    assert asked[0] > 0
    assert len(Trials(planned.storage, planned.job.plan).tried()) == 1


class Asked(Dataset):
    """Notes which parts are asked for."""

    def __init__(self, *given) -> None:
        super().__init__(*given)
        self.parts: list[str] = []

    def part(self, part: str) -> pl.DataFrame:
        self.parts.append(part)
        return super().part(part)


def test_a_search_never_asks_for_the_test_part(dataset):
    spied = Asked(dataset.path, dataset.manifest)
    check_dataset(spied)
    spied.parts.clear()  # `train` checks for leaks into the test part, once for each dataset
    recipe = msgspec.structs.replace(RECIPE, seed=80, epochs=1)
    before = dataset.workspace.events("look", subject=dataset.fingerprint("test"))
    tune(spied, recipe, SPACE, trials=2, search=Search(seeds=2))
    assert set(spied.parts) == {"train", "valid"}
    assert dataset.workspace.events("look", subject=dataset.fingerprint("test")) == before
    spied.targets("test")  # the control: it would have been noticed
    assert "test" in spied.parts


def test_a_search_comes_to_the_same_whatever_the_test_part_says(dataset):
    turned = pl.when(pl.col("part") == "test").then(
        pl.col("labels").list.eval((pl.element() + 1) % 3)
    )
    index = dataset.index.with_columns(
        turned.otherwise(pl.col("labels")).cast(dataset.index.schema["labels"]).alias("labels")
    )
    other = store_dataset(
        dataset.workspace, dataset.record, index, dataset.skipped, made_by="split",
        parents=dataset.manifest.parents,
    )  # fmt: skip
    recipe = msgspec.structs.replace(RECIPE, seed=82, epochs=2)
    one, same = (
        tune(each, recipe, SPACE, trials=2, search=Search(seeds=2)) for each in (dataset, other)
    )
    assert other.fingerprint("test") != dataset.fingerprint("test")  # the control
    assert [t.value for t in one.trials] == [t.value for t in same.trials]
    assert one.gain == same.gain


@pytest.fixture
def job(dataset, tmp_path) -> Job:
    recipe = msgspec.structs.replace(RECIPE, epochs=24, seed=84)
    search = Search(storage=str(tmp_path / "kill.db"), seeds=2)
    return plan_search(dataset, recipe, SPACE, trials=3, search=search).job


def begin(job: Job) -> subprocess.Popen:
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "darkroom.training.search_worker"], stdin=subprocess.PIPE,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    with child.stdin as words:
        words.write(to_line(job))
    return child


def wait_for(what, child: subprocess.Popen, seconds: float = 900) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert child.poll() is None, "the worker came to its end"
        assert time.monotonic() < until
        time.sleep(0.2)  # each look keeps the worker waiting


def test_a_worker_that_is_killed_loses_no_finished_trial(job, dataset):
    trials = Trials(Path(job.storage), job.plan)
    child = begin(job)
    try:
        wait_for(lambda: len(trials.tried()) >= 1, child)
        wait_for(lambda: _is_under_way(job), child)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    kept = trials.tried()
    (torn,) = _under_way(job)
    assert len(kept) >= 1
    with trials.at_work():
        work(trials, job, dataset)
    after = trials.tried()
    assert after[: len(kept)] == kept
    assert len(after) == job.trials
    assert torn in [one.settings for one in after[len(kept) :]]
    assert trials.are_over(job.trials)


def test_a_worker_that_ends_before_it_is_told_anything_is_named(job, monkeypatch):
    class Over(subprocess.Popen):
        def __init__(self, *args, **options) -> None:
            super().__init__(*args, **options)
            self.wait()

    monkeypatch.setattr("sys.executable", "/bin/false")
    monkeypatch.setattr("subprocess.Popen", Over)
    with other_workers(job, 2) as notes:
        pass
    assert notes == ["a worker ended with 1: silence"] * 2


def _under_way(job: Job) -> list[dict]:
    with sqlite3.connect(job.storage) as reader:
        rows = reader.execute(
            "SELECT a.value_json FROM trials t JOIN trial_user_attributes a USING (trial_id) "
            "WHERE t.state = 'RUNNING' AND a.key = 'settings' AND EXISTS "
            "(SELECT 1 FROM trial_intermediate_values v WHERE v.trial_id = t.trial_id)"
        ).fetchall()
    reader.close()
    return [msgspec.json.decode(text) for (text,) in rows]


def _is_under_way(job: Job) -> bool:
    try:
        return bool(_under_way(job))
    except sqlite3.OperationalError:  # just being written
        return False


@pytest.mark.slow
def test_two_workers_share_one_search(dataset, tmp_path):
    recipe = msgspec.structs.replace(RECIPE, epochs=6, seed=86)
    search = Search(workers=2, seeds=2, storage=str(tmp_path / "two.db"))
    found = tune(dataset, recipe, SPACE, trials=5, search=search)
    assert len(found.trials) == 5
    assert not [note for note in found.notes if "worker" in note]
    assert not list(tmp_path.glob(".two.db-????????.lock"))  # no claim is left behind
