"""Checkpoints on a disk that fails, and under a process that is killed: one is always whole."""

from __future__ import annotations

import contextlib
import itertools
import math
import re
import shutil

import msgspec
import numpy as np
import pytest

import darkroom
from darkroom.disk import claimed
from darkroom.errors import ArtifactError
from darkroom.records import from_json, to_json
from darkroom.training import checkpoint, loop, watch
from darkroom.training.checkpoint import Position, read_checkpoint, write_checkpoint
from darkroom.training.record import RunRecord
from tests.failing_disk import TROUBLES, Disk, below, files_below, in_children, until_none_fails
from tests.training.interrupted import dataset_in, describe

KILLS = ("kill", "kill half done")
MEMBERS = ("position.json", "state.safetensors", "best.safetensors", "manifest.json")
RECIPE = darkroom.Recipe(model="mlp", width=0.05, image_size=24, epochs=3, batch_size=16)


def save(run, step, write=write_checkpoint):
    """Write a checkpoint in which everything says the same step."""
    tensors = {"model.0000": np.full(300, step, np.float32), "optimizer.0000": np.array(step)}
    return write(run, Position(step=step), tensors, b"best %d " % step * 100)


def saved_step(run):
    """Read the last checkpoint, and check that all of it is of one step."""
    last, _ = read_checkpoint(run)
    step = last.position.step
    assert (last.tensors["model.0000"] == step).all()
    assert last.tensors["optimizer.0000"] == step
    assert last.best == b"best %d " % step * 100
    return step


def careless(run, position, tensors, best):
    """Write a checkpoint in the place of the last one, file by file."""
    (run / "checkpoints" / "000001" / "position.json").write_bytes(to_json(position))
    (run / "checkpoints" / "000001" / "best.safetensors").write_bytes(best)


def in_trouble(folder, trouble, write=write_checkpoint):
    """Save step 1, then step 2 with trouble at its first request, its second, and so on."""
    save(folder / "1", 1)
    attempts = until_none_fails(lambda n: save(folder / str(n), 2, write), trouble)
    for n, outcome in attempts:
        save(folder / str(n + 1), 1)
        yield folder / str(n), outcome


@pytest.mark.parametrize("trouble", [*TROUBLES, *KILLS])
def test_a_save_in_trouble_leaves_the_last_checkpoint_or_the_new_one_whole(trouble, tmp_path):
    ended, steps = [], set()
    for run, outcome in in_trouble(tmp_path, trouble):
        step = saved_step(run)
        assert step in (1, 2)
        assert step == 2 or outcome != "done"
        ended.append(outcome)
        steps.add(step)
        good = save(run, 3)
        assert saved_step(run) == 3
        assert files_below(run) == {f"checkpoints/{good.name}/{name}" for name in MEMBERS}
    assert set(ended) == {"done", "killed" if trouble in KILLS else "refused"}
    assert steps == {1, 2}
    assert len(ended) > 15  # requests that were tried


@pytest.mark.parametrize("trouble", ["short write", "kill half done"])
def test_a_careless_save_in_trouble_leaves_none(trouble, tmp_path):
    def try_all():
        for run, _ in in_trouble(tmp_path, trouble, careless):
            saved_step(run)

    with pytest.raises(ArtifactError, match="no checkpoint"):
        try_all()


def test_a_full_disk_is_told_with_the_path_and_the_bytes(tmp_path):
    save(tmp_path, 1)
    problems = []
    for n in itertools.count(1):
        state = Disk(n, "disk full")
        try:
            with below(state):
                save(tmp_path, 2)
        except ArtifactError as refused:
            problems.append(refused.problem)
        if state.calls < n:
            break
    told = [re.fullmatch(r"the disk is full: (\S+) needs ([\d,]+) bytes, .*", p) for p in problems]
    assert all(one[1].startswith(str(tmp_path)) for one in told)
    assert {"state.safetensors", "best.safetensors"} <= {one[1].split("/")[-1] for one in told}
    assert "700" in {one[2] for one in told}  # of the best weights


@pytest.fixture
def two(tmp_path, monkeypatch):
    """Give a run with two checkpoints, as a kill leaves it that comes before the older is gone."""
    save(tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "remove_folder", lambda _: None)
        newer = save(tmp_path, 2)
    return tmp_path, newer


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [cut, flip, lambda path: path.unlink()])
@pytest.mark.parametrize("name", MEMBERS)
def test_a_torn_file_is_told_and_the_checkpoint_before_it_is_used(two, name, damage):
    run, newer = two
    assert saved_step(run) == 2
    damage(newer / name)
    assert saved_step(run) == 1
    (told,) = read_checkpoint(run)[1]
    assert str(newer) in told
    save(run, 3)
    assert saved_step(run) == 3
    assert len(list((run / "checkpoints").iterdir())) == 1


def test_where_none_is_whole_it_is_said_and_nothing_is_removed(two):
    run, newer = two
    for path in (run / "checkpoints").glob("*/position.json"):
        cut(path)
    before = files_below(run)
    with pytest.raises(ArtifactError, match=str(newer)) as torn:
        read_checkpoint(run)
    assert f"rm -r {run}" in torn.value.hint
    assert files_below(run) == before


def test_a_run_that_was_never_saved_has_none(tmp_path):
    assert read_checkpoint(tmp_path) == (None, [])


def test_a_step_that_is_saved_twice_is_never_without_a_checkpoint(tmp_path):
    """The epoch is trained and saved when somebody asks to stop, and judged and saved later."""
    save(tmp_path, 1)
    for n in itertools.count(1):
        state = Disk(n, "io error")
        with contextlib.suppress(ArtifactError), below(state):
            save(tmp_path, 1)
        assert saved_step(tmp_path) == 1
        if state.calls < n:
            return


def test_two_processes_cannot_both_train_a_run(tmp_path):
    def claim() -> None:
        with claimed(tmp_path / "a"):
            pass

    with claimed(tmp_path / "a"):
        assert in_children(claim, claim) == [1, 1]
    assert in_children(claim) == [0]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return dataset_in(tmp_path_factory.mktemp("disk"), per_class=16)


@pytest.fixture(scope="module")
def whole(photos):
    return describe(darkroom.train(photos, RECIPE))


def same(run, whole):
    facts = describe(run)
    return {name: facts[name] for name in whole if name != "resumed"} == {
        name: whole[name] for name in whole if name != "resumed"
    }


@pytest.mark.parametrize("request_", [1, 8])
def test_a_disk_that_fills_up_ends_a_training_that_can_be_resumed(
    photos, whole, monkeypatch, request_
):
    monkeypatch.setattr(watch, "_SHARE", math.inf)
    real, saves = loop.write_checkpoint, []

    def fill_up(*args):
        saves.append(1)
        if len(saves) != 2:
            return real(*args)
        with below(Disk(request_, "disk full", lasting=True)):
            return real(*args)

    monkeypatch.setattr(loop, "write_checkpoint", fill_up)
    with pytest.raises(ArtifactError, match="the disk is full"):
        darkroom.train(photos, RECIPE)
    line = darkroom.list_runs(photos.workspace)[0]
    assert (line.outcome, line.epochs) == ("interrupted", 1)
    run = darkroom.resume(line.path)
    assert run.record.resumed[0].epochs == 1
    assert same(run, whole)


@pytest.fixture
def half(photos, monkeypatch):
    """Give an open run of two epochs, and what is left of it is removed."""
    monkeypatch.setattr(watch, "_SHARE", math.inf)
    real, saves = loop.write_checkpoint, []

    def pull_the_plug(*args):
        saves.append(real(*args))
        if len(saves) == 2:
            raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(loop, "write_checkpoint", pull_the_plug)
        with pytest.raises(ZeroDivisionError):
            darkroom.train(photos, msgspec.structs.replace(RECIPE, seed=1))
    path = photos.workspace.find(darkroom.list_runs(photos.workspace)[0].path, "run")
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("trouble", ["io error", "kill half done"])
def test_a_run_whose_closing_is_in_trouble_is_closed_by_the_next_try(half, trouble):
    record = from_json((half / "run.json").read_bytes(), RunRecord, where="run.json")
    copies = {n: shutil.copytree(half, half.with_name(f"copy-{n}")) for n in range(1, 40)}
    outcomes = []
    closing = until_none_fails(
        lambda n: loop.close_as_it_stands(copies[n], record, "interrupted"), trouble
    )
    for n, outcome in closing:
        run = darkroom.resume(copies[n], close=True)
        assert (run.record.outcome, len(run.history)) == ("interrupted", 2)
        assert files_below(run.path) == {
            "history.json", "manifest.json", "pace.json", "run.json",
            "weights/best.safetensors",
        }  # fmt: skip
        outcomes.append(outcome)
    assert set(outcomes) == {"done", "killed" if trouble == "kill half done" else "refused"}
    for copy in copies.values():
        shutil.rmtree(copy)
