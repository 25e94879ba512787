"""An interrupted training goes on to the same bytes, whatever interrupted it."""

from __future__ import annotations

import itertools
import math
import os
import shutil
import signal
import sys

import msgspec
import pytest

import darkroom
from darkroom.backend import keras
from darkroom.cli import main
from darkroom.disk import claimed
from darkroom.errors import ArtifactError, DataError, RecipeError
from darkroom.storage import read_manifest
from darkroom.training import checkpoint, loop, watch
from darkroom.training.resume import find_left_behind
from tests.training.interrupted import Nursery, dataset_in, describe, moments

EXACT = ("weights", "history", "best", "outcome", "troubles", "files", "leftovers", "numbers")
QUICK = darkroom.Recipe(model="mlp", width=0.05, image_size=33, epochs=4, batch_size=8)
STEPS = 6  # in an epoch


@pytest.fixture(scope="module")
def nursery():
    with Nursery() as nursery:
        yield nursery


@pytest.fixture(scope="module")
def reference(nursery, tmp_path_factory):
    """Train once without an interruption."""
    outcome = nursery.run(tmp_path_factory.mktemp("reference"))
    assert outcome.ended == 0
    assert outcome.told["steps"] == 4 * STEPS
    return outcome


def differing(told, reference):
    """Name what is not to the byte as in the uninterrupted training."""
    # The numbers of the last checkpoint are gone where a run was killed while it was closed.
    return [name for name in EXACT if name in told and told[name] != reference[name]]


def test_kills_within_an_epoch_a_save_and_a_validation_change_no_byte(nursery, reference, tmp_path):
    for kill in (
        {"kill_at_step": STEPS + 3},
        {"kill_in_save": (1, 6)},
        {"kill_in_validation": 2},
        {"kill_after_s": 0.1},
    ):
        assert nursery.run(tmp_path, **kill).ended == -signal.SIGKILL
    told = nursery.run(tmp_path).told
    assert differing(told, reference.told) == []
    # Killed in the second epoch, in its save, in the validation of the third, and at once.
    assert [one["epochs"] for one in told["resumed"]] == [1, 1, 2, 2]
    assert told["steps"] == 2 * STEPS  # the whole third epoch: no more than one is made again
    assert {"numbers"} < set(told)


@pytest.fixture(scope="module")
def killed(nursery, tmp_path_factory):
    """Give the folder of a training that was killed in its second epoch."""
    root = tmp_path_factory.mktemp("killed")
    assert nursery.run(root, kill_at_step=STEPS + 3).ended == -signal.SIGKILL
    return root


@pytest.mark.parametrize("forget", ["optimizer", "augmentation"])
def test_a_resume_that_forgets_something_is_found_out(forget, nursery, reference, killed, tmp_path):
    root = shutil.copytree(killed, tmp_path / "copy")
    told = nursery.run(root, forget=forget).told
    assert {"weights", "history", "numbers"} <= set(differing(told, reference.told))


@pytest.mark.parametrize(
    ("moment", "left"),
    [
        ({"stop_at_step": STEPS + 3}, 4 * STEPS - STEPS - 3),
        pytest.param({"stop_in_validation": 2}, 2 * STEPS, marks=pytest.mark.slow),
    ],
)
def test_sigterm_saves_the_very_step_and_ends_in_time(moment, left, nursery, reference, tmp_path):
    stopped = nursery.run(tmp_path, **moment)
    assert stopped.ended == 143
    assert stopped.stopped_s < 10
    told = nursery.run(tmp_path).told
    assert told["steps"] == left
    assert differing(told, reference.told) == []


@pytest.mark.slow
def test_40_kills_at_random_moments_are_followed_by_40_identical_finishes(
    nursery, reference, tmp_path, capsys
):
    drawn = moments(reference, seed=0)
    odd, kills = [], 0
    for number in range(40):
        root, passes_over = tmp_path / str(number), bool(number % 2)
        root.mkdir()
        for _ in range(2 if number % 5 == 0 else 1):
            kills += until_killed(nursery, root, drawn, passes_over=passes_over)
        told = nursery.run(root, passes_over=passes_over).told
        if differing(told, reference.told):
            odd.append((number, differing(told, reference.told)))
        shutil.rmtree(root)
    with capsys.disabled():
        sys.stdout.write(f"\n{kills} SIGKILLs: {len(odd)} of 40 finished trainings differ\n")
    assert odd == []
    assert kills >= 40


def until_killed(nursery, root, drawn, **job):
    """Draw moments until one comes before the training is over."""
    for moment in itertools.islice(drawn, 8):
        ended = nursery.run(root, **moment, **job).ended
        if ended == -signal.SIGKILL:
            return 1
        assert ended == 0
        if (root / "workspace" / "runs").exists():
            shutil.rmtree(root / "workspace" / "runs")  # it was over: again from the beginning
    raise AssertionError("no moment came in time")


@pytest.mark.slow
def test_a_training_of_head_and_trunk_that_is_killed_ends_with_the_same_bytes(nursery, tmp_path):
    weights = str(tmp_path / "random.weights.h5")
    (tmp_path / "whole").mkdir()
    whole = nursery.run(tmp_path / "whole", weights=weights)
    # Features are few numbers, so 7 steps of the head run per call: 3 calls are an epoch.
    assert whole.told["steps"] == 3 * 3 + 2 * 21
    root = tmp_path / "killed"
    root.mkdir()
    for kill in (
        {"kill_at_step": 5},  # within the head's second epoch
        {"kill_in_validation": 2},  # of the head's third
        {"kill_at_step": 6},  # within the first of all
        {"kill_in_save": (1, 5)},
        {"stop_at_step": 2},
    ):
        assert nursery.run(root, weights=weights, **kill).ended in (-signal.SIGKILL, 143)
    told = nursery.run(root, weights=weights).told
    assert [one["epochs"] for one in told["resumed"]] == [1, 2, 3, 3, 3]
    assert differing(told, whole.told) == []


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch):
    """Save every epoch, however short it is."""
    monkeypatch.setattr(watch, "_SHARE", math.inf)


@pytest.fixture
def few(tmp_path):
    return dataset_in(tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Train once in this process without an interruption."""
    return describe(darkroom.train(dataset_in(tmp_path_factory.mktemp("whole")), QUICK))


class At(keras.callbacks.Callback):
    """Counts steps, also over an interruption, and does something at one."""

    def __init__(self, step: int = 0, action=None) -> None:
        super().__init__()
        self.step, self.action, self.count = step, action, 0
        self.made = 0  # here, without those before an interruption

    def on_train_batch_end(self, batch, logs=None):
        self.count += 1
        self.made += 1
        if self.count == self.step:
            self.action()

    def get_state(self):
        return {"count": self.count}

    def set_state(self, state):
        self.count = state["count"]


def fail():
    raise ZeroDivisionError


def interrupted(dataset, step=2 * STEPS + 2, recipe=QUICK, callbacks=()):
    """Begin a training that an error ends in its third epoch, and give the folder of its run."""
    with pytest.raises(ZeroDivisionError):
        darkroom.train(dataset, recipe, callbacks=[*callbacks, At(step, fail)])
    path = dataset.workspace.find(darkroom.list_runs(dataset.workspace)[0].path, "run")
    assert read_manifest(path).state == "open"
    return path


def test_train_typed_again_goes_on_and_then_begins_anew(few, whole):
    path = interrupted(few)
    run = darkroom.train(few, QUICK)
    assert run.path == path
    assert differing(describe(run), whole) == []
    assert [one.epochs for one in run.record.resumed] == [2]
    again = darkroom.train(few, QUICK)
    assert again.path != path
    assert differing(describe(again), whole) == []
    assert again.record.resumed == ()


def test_another_recipe_or_another_dataset_begins_a_run_of_its_own(few):
    path = interrupted(few)
    other = msgspec.structs.replace(QUICK, epochs=1)
    assert darkroom.train(few, other).path != path
    torn = darkroom.split_dataset(few, seed=9)
    assert interrupted(torn, step=1 + STEPS) != path
    assert read_manifest(path).state == "open"


def test_ctrl_c_saves_the_very_step(few, whole):
    def press():
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        darkroom.train(few, QUICK, callbacks=[At(STEPS + 3, press)])
    rest = At()
    run = darkroom.resume(darkroom.list_runs(few.workspace)[0].path, callbacks=[rest])
    assert rest.made == 4 * STEPS - STEPS - 3
    assert differing(describe(run), whole) == []


def test_an_epoch_that_was_stopped_while_it_was_judged_is_judged_first(few, whole, monkeypatch):
    class Press(watch._StopJudging):
        def on_test_batch_end(self, batch, logs=None):
            os.kill(os.getpid(), signal.SIGINT)
            super().on_test_batch_end(batch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(watch, "_StopJudging", Press)
        with pytest.raises(KeyboardInterrupt):
            darkroom.train(few, QUICK)
    rest, of_keras = At(), keras.callbacks.EarlyStopping(patience=99)
    path = darkroom.list_runs(few.workspace)[0].path
    run = darkroom.resume(path, callbacks=[rest, of_keras])
    assert rest.made == 3 * STEPS
    assert differing(describe(run), whole) == []


def test_a_run_that_another_process_trains_is_left_to_it(few):
    path = interrupted(few)
    with claimed(path):
        with pytest.raises(ArtifactError, match="another process"):
            darkroom.resume(path)
        assert darkroom.list_runs(few.workspace)[0].outcome == "training"
        assert darkroom.train(few, QUICK).path != path
    assert darkroom.list_runs(few.workspace)[-1].outcome == "interrupted"


def test_a_run_that_its_process_finished_meanwhile_is_given_back(few, whole, monkeypatch):
    path = interrupted(few)
    real = darkroom.Dataset.verify_source

    def slow(dataset):  # while it reads, the other process comes to the end
        monkeypatch.setattr(darkroom.Dataset, "verify_source", real)
        darkroom.resume(path)

    monkeypatch.setattr(darkroom.Dataset, "verify_source", slow)
    run = darkroom.resume(path)
    assert len(run.record.resumed) == 1
    assert differing(describe(run), whole) == []


def test_the_state_of_each_of_the_users_callbacks_goes_on(few):
    first = At()
    path = interrupted(few, callbacks=[first])
    assert first.count == 2 * STEPS + 2
    two = [At(), At()]
    darkroom.resume(path, callbacks=two)
    assert [one.count for one in two] == [4 * STEPS, 4 * STEPS]


def test_a_callback_whose_state_no_checkpoint_can_hold_is_named_before_the_first_step(few):
    class Odd(At):
        def get_state(self):
            return {"seen": {1, 2, 3}, "model": object()}

    odd = Odd()
    with pytest.raises(RecipeError, match="Odd") as refused:
        darkroom.train(few, QUICK, callbacks=[odd])
    assert "get_state" in refused.value.hint
    assert odd.made == 0
    assert darkroom.list_runs(few.workspace) == []


def test_a_torn_checkpoint_is_told_and_the_one_before_it_is_used(few, whole, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "remove_folder", lambda _: None)
        path = interrupted(few)
    newest = max((path / "checkpoints").iterdir())
    (newest / "state.safetensors").write_bytes(b"torn")
    run = darkroom.resume(path)
    assert str(newest) in run.record.resumed[0].damaged[0]
    assert run.record.resumed[0].epochs == 1
    assert differing(describe(run), whole) == []


def test_a_run_without_a_whole_checkpoint_is_refused_and_left_as_it_is(few):
    path = interrupted(few)
    for torn in path.glob("checkpoints/*/position.json"):
        torn.unlink()
    for go_on in (lambda: darkroom.resume(path), lambda: darkroom.train(few, QUICK)):
        with pytest.raises(ArtifactError, match=r"position\.json") as refused:
            go_on()
        assert f"rm -r {path}" in refused.value.hint
    assert list(path.glob("checkpoints/*/best.safetensors"))


def test_the_checkpoint_of_another_network_is_refused(few, tmp_path):
    shutil.rmtree(few.workspace.root / "cache", ignore_errors=True)
    path = interrupted(few)
    photos = shutil.copytree(tmp_path / "photos", tmp_path / "fewer")
    shutil.rmtree(photos / "ball")
    fewer = darkroom.split_dataset(darkroom.open_dataset(photos, workspace=few.workspace))
    other = interrupted(fewer, step=STEPS)
    shutil.rmtree(path / "checkpoints")
    shutil.copytree(other / "checkpoints", path / "checkpoints")
    with pytest.raises(ArtifactError, match="another network"):
        darkroom.resume(path)
    assert (path / "checkpoints").is_dir()


def test_a_run_can_be_closed_with_the_epochs_it_has(few):
    path = interrupted(few)
    with pytest.raises(ArtifactError, match="not finished") as open_still:
        darkroom.evaluate(path)
    assert f"darkroom resume {path}" in open_still.value.hint
    run = darkroom.resume(path, close=True)
    assert (run.record.outcome, len(run.history)) == ("interrupted", 2)
    assert darkroom.evaluate(run).metrics.images == few.counts["test"]
    assert darkroom.resume(path).path == path  # closed is closed
    assert darkroom.train(few, QUICK).path != path


def test_a_run_without_a_finished_epoch_cannot_be_closed(few, monkeypatch):
    monkeypatch.setattr(watch, "_INTERVAL_S", 0.0)  # a save at every step
    path = interrupted(few, step=3)
    with pytest.raises(ArtifactError, match="no finished epoch"):
        darkroom.resume(path, close=True)
    assert darkroom.resume(path).record.resumed[0].epochs == 0


def test_a_run_that_was_stopped_while_it_was_closed_is_closed_by_train(few, whole, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(loop, "write_closed_manifest", lambda *_: fail())
        with pytest.raises(ZeroDivisionError):
            darkroom.train(few, QUICK)
    path = next(few.workspace.folder("run").glob("*/run.json")).parent
    run = darkroom.train(few, QUICK)
    assert run.path == path
    assert differing(describe(run), whole) == []


def test_what_differs_from_the_first_machine_is_recorded_and_said(few, capsys, monkeypatch):
    path = interrupted(few)
    text = (path / "run.json").read_text()
    known = msgspec.json.decode(text)
    keras_then = f'"keras": "{known["versions"]["keras"]}"'
    text = text.replace(keras_then, '"keras": "3.0.0"')
    threads = known["device"]["threads"]
    (path / "run.json").write_text(text.replace(f'"threads": {threads}', '"threads": 96'))
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(few.workspace.root))
    with pytest.raises(SystemExit) as ended:
        main(["resume"])
    assert not ended.value.code
    said = capsys.readouterr().err
    assert "not to the byte" in said
    assert "was 3.0.0" in said
    differs = darkroom.open_run(path).record.resumed[0].differs
    assert differs == (f"threads {threads}, was 96", f"keras {keras.__version__}, was 3.0.0")


def test_an_image_that_changed_since_is_named(few, tmp_path):
    path = interrupted(few)
    name = few.part("train")["image"][0]
    (tmp_path / "photos" / name).write_bytes((tmp_path / "photos/box/000.png").read_bytes() + b" ")
    with pytest.raises(DataError, match=name) as refused:
        darkroom.resume(path)
    assert f"darkroom train {tmp_path / 'photos'}" in refused.value.hint
    assert refused.value.hint.endswith(f"darkroom resume {path} --close")
    assert read_manifest(path).state == "open"
    assert darkroom.resume(path, close=True).record.outcome == "interrupted"


def test_a_run_that_is_left_behind_by_changed_images_is_found(few, tmp_path):
    path = interrupted(few)
    assert find_left_behind(few) == []  # the control: `train` would go on with it
    (tmp_path / "photos" / few.part("train")["image"][0]).unlink()
    now = darkroom.split_dataset(
        darkroom.open_dataset(tmp_path / "photos", workspace=few.workspace)
    )
    assert find_left_behind(now) == [path]
    with pytest.raises(DataError, match="cannot be read"):
        darkroom.resume(path)
    darkroom.resume(path, close=True)
    assert find_left_behind(now) == []
