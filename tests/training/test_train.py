"""`train`: what a run holds, how it ends, and that it can be repeated."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

import darkroom
from darkroom import storage
from darkroom.backend import keras
from darkroom.data.pixels import load_images
from darkroom.data.preprocess import scale_pixels
from darkroom.data.sources import Columns
from darkroom.errors import ArtifactError, DataError, RecipeError
from darkroom.storage import read_manifest
from darkroom.training import stages, watch
from darkroom.training.recipe import Optimizer
from darkroom.training.rewind import Rewind
from darkroom.training.run import BEST_WEIGHTS
from tests.data.packing import write_table
from tests.making import draw_folder

QUICK = darkroom.Recipe(model="mlp", width=0.05, image_size=12, epochs=2, batch_size=16)


class Raise(keras.callbacks.Callback):
    """Raises after a number of epochs."""

    def __init__(self, error: BaseException, after: int) -> None:
        super().__init__()
        self.error, self.after = error, after

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == self.after:
            raise self.error


class First(keras.callbacks.Callback):
    """Raises after the first step."""

    def on_train_batch_end(self, batch, logs=None):
        raise ZeroDivisionError


@pytest.fixture
def few(workspace, tmp_path):
    root = draw_folder(tmp_path / "few", per_class=16)
    return darkroom.split_dataset(darkroom.open_dataset(root, workspace=workspace))


def recipe(**changes):
    return msgspec.structs.replace(QUICK, **changes)


def test_a_run_is_closed_with_history_and_weights(run):
    assert read_manifest(run.path).state == "closed"
    assert [epoch.number for epoch in run.history] == [1, 2, 3]
    assert run.record.outcome == "finished"
    assert run.weights()
    assert run.dataset.is_split


def test_a_run_names_its_device_and_that_no_gpu_is_no_error(run):
    device = run.record.device
    assert device.kind in ("cpu", "gpu")
    assert device.name
    assert device.backend == keras.backend.backend()
    assert device.kind.upper() in str(device)


def test_the_kept_weights_are_those_of_the_best_epoch(few):
    seen = []

    class Keep(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((logs["val_accuracy"], -logs["val_loss"], self.model.get_weights()))

    run = darkroom.train(few, recipe(epochs=6), callbacks=[Keep()])
    best = max(range(6), key=lambda epoch: seen[epoch][:2])
    assert run.record.best_epoch == best + 1
    for (_, kept), then in zip(sorted(run.weights().items()), seen[best][2], strict=True):
        np.testing.assert_array_equal(kept, then)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(few):
    one, two, other = (
        darkroom.train(few, recipe(model="cnn_dropout", seed=seed)).path / BEST_WEIGHTS
        for seed in (3, 3, 4)
    )
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes() != other.read_bytes()


@pytest.mark.parametrize(("share", "kept"), [(np.inf, [0, 1, 2]), (1e-9, [0, 1, 1])])
def test_history_is_on_the_disk_as_often_as_saving_may_take_time(
    few, workspace, monkeypatch, share, kept
):
    monkeypatch.setattr(watch, "_SHARE", share)
    lengths = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            history = next(workspace.folder("run").glob("*/history.json"))
            lengths.append(len(json.loads(history.read_text())["epochs"]))

    run = darkroom.train(few, recipe(epochs=3), callbacks=[Look()])
    assert lengths == kept
    assert len(run.history) == 3


def test_patience_stops_a_run_that_gets_no_better(few):
    run = darkroom.train(few, recipe(epochs=30, patience=2, optimizer=Optimizer(peak_lr=1e-9)))
    assert run.record.outcome == "stopped early"
    assert len(run.history) == run.best.number + 2


@pytest.mark.parametrize(("rate", "troubles"), [(1e-9, ["no-learning"]), (0.01, [])])
def test_a_run_that_learns_nothing_says_so(few, rate, troubles):
    learning = Optimizer(name="adam", peak_lr=rate)
    run = darkroom.train(few, recipe(epochs=40, width=0.5, optimizer=learning))
    assert [trouble.name for trouble in run.record.troubles] == troubles


def test_ctrl_c_before_there_is_anything_to_save_leaves_no_run(few, workspace):
    class Now(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        darkroom.train(few, QUICK, callbacks=[Now()])
    assert darkroom.list_runs(workspace) == []


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_while_images_are_prepared_ends_at_once_and_leaves_no_run(
    few, workspace, monkeypatch, number, error
):
    def prepare(*_):
        os.kill(os.getpid(), number)
        raise AssertionError

    monkeypatch.setattr(stages, "load_images", prepare)
    with pytest.raises(error):
        darkroom.train(few, QUICK)
    assert darkroom.list_runs(workspace) == []


def test_an_error_before_the_first_epoch_leaves_no_run(few, workspace):
    with pytest.raises(ZeroDivisionError):
        darkroom.train(few, QUICK, callbacks=[First()])
    assert darkroom.list_runs(workspace) == []
    assert not list(workspace.folder("run").iterdir())


def test_an_error_later_leaves_a_run_that_can_be_resumed(few, workspace):
    with pytest.raises(ZeroDivisionError):
        darkroom.train(few, QUICK, callbacks=[Raise(ZeroDivisionError(), after=2)])
    line = darkroom.list_runs(workspace)[0]
    assert (line.outcome, line.epochs) == ("interrupted", 1)
    with pytest.raises(ArtifactError) as unfinished:
        darkroom.open_run(line.path)
    assert "darkroom resume" in unfinished.value.hint
    assert darkroom.resume(line.path).record.outcome == "finished"


def test_too_little_memory_gives_the_batch_size_that_fits_and_the_run_can_be_resumed(
    few, workspace
):
    with pytest.raises(RecipeError) as refused:
        darkroom.train(few, QUICK, callbacks=[Raise(MemoryError(), after=2)])
    assert "batches of 16 images" in refused.value.problem
    assert refused.value.hint == "--set batch_size=8"
    line = darkroom.list_runs(workspace)[0]
    assert (line.outcome, line.epochs) == ("interrupted", 1)
    assert darkroom.resume(line.path).record.outcome == "finished"


def test_too_little_memory_to_prepare_the_images_is_told_too(few, workspace, monkeypatch):
    def full(*_):
        raise MemoryError

    monkeypatch.setattr(stages, "load_images", full)
    with pytest.raises(RecipeError) as refused:
        darkroom.train(few, QUICK)
    assert "and for any smaller" in refused.value.problem
    assert darkroom.list_runs(workspace) == []


@pytest.mark.parametrize("fine", [4, 5, 7, 9])
def test_a_full_disk_is_one_error_and_leaves_no_run(few, workspace, monkeypatch, fine):
    sync, calls = os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) > fine:
            raise OSError(errno.ENOSPC, "No space left on device")
        return sync(handle)

    monkeypatch.setattr(storage.os, "fsync", full)
    with pytest.raises(ArtifactError) as refused:
        darkroom.train(few, QUICK)
    monkeypatch.undo()
    assert "full" in refused.value.problem
    assert "DARKROOM_WORKSPACE" in refused.value.hint
    assert not list(workspace.folder("run").glob("*"))


def test_an_unknown_model_names_the_nearest_before_anything_is_read():
    with pytest.raises(RecipeError) as unknown:
        darkroom.train("no such folder", darkroom.Recipe(model="resnet_tinny"))
    assert "resnet_tiny" in unknown.value.hint


def test_an_error_finding_stops_it_unless_named_and_is_recorded(workspace, tmp_path):
    root = draw_folder(tmp_path / "leaky", per_class=10)
    (root / "ball" / "zero.png").write_bytes(b"")
    with pytest.raises(DataError) as refused:
        darkroom.train(root, QUICK, workspace=workspace)
    assert "--despite unreadable" in refused.value.hint
    assert "zero.png" in refused.value.problem
    run = darkroom.train(root, QUICK, workspace=workspace, despite=["unreadable"])
    assert run.record.despite == ("unreadable",)
    assert run.record.findings[0].name == "unreadable"


def test_a_source_that_changed_after_opening_is_named(few, tmp_path):
    changed = Path(few.record.location) / few.part("train")["image"][0]
    changed.write_bytes((Path(few.record.location) / "box" / "000.png").read_bytes() + b" ")
    with pytest.raises(DataError) as refused:
        darkroom.train(few, QUICK)
    assert few.part("train")["image"][0] in refused.value.problem


def test_precision_is_the_recipes_and_evaluation_is_float32(few):
    run = darkroom.train(few, recipe(precision="bfloat16"))
    assert run.record.device.precision == "bfloat16"
    assert {weight.dtype for weight in run.weights().values()} == {np.dtype("float32")}
    assert run.model().dtype_policy.name == "float32"


@pytest.mark.parametrize(("stopped_by", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_that_is_stopped_says_so_and_how_to_go_on(tmp_path, stopped_by, status):
    root = draw_folder(tmp_path / "shapes", per_class=30)
    workspace = tmp_path / "workspace"
    command = subprocess.Popen(
        [Path(sys.executable).parent / "darkroom", "train", root, "--set", "epochs=100000",
         "--set", "model=mlp", "--set", "image_size=8"],
        env={**os.environ, "DARKROOM_WORKSPACE": str(workspace)},
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + 90
    while not list(workspace.glob("runs/*/checkpoints/0*")) and time.monotonic() < until:
        time.sleep(0.1)
    command.send_signal(stopped_by)
    _, words = command.communicate(timeout=60)
    assert command.returncode == status
    assert "darkroom resume" in words
    assert "Traceback" not in words
    run = darkroom.list_runs(darkroom.Workspace(workspace))[0]
    assert run.outcome == "interrupted"
    assert run.epochs >= 1


@pytest.fixture
def shares(workspace, tmp_path):
    """Give a dataset that asks how light an image is, 0..255."""
    draw_folder(tmp_path / "few", per_class=16)
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("few/*/*.png"))
    light = [np.asarray(Image.open(tmp_path / name).convert("L")).mean() for name in names]
    table = write_table(tmp_path / "light.csv", {"image": names, "light": light})
    opened = darkroom.open_dataset(table, columns=Columns(target="light"), workspace=workspace)
    return darkroom.split_dataset(opened)


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_a_network_learns_numbers_in_their_own_unit(shares, loss):
    settings = {"optimizer": Optimizer(name="adam", peak_lr=0.01), "dropout": 0.0, "width": 0.2}
    run = darkroom.train(shares, recipe(loss=loss, epochs=40, batch_size=8, **settings))
    spread = np.abs(shares.targets("valid") - np.median(shares.targets("train"))).mean()
    assert run.best.valid_error < 0.7 * spread  # of always answering the median
    assert run.best.valid_accuracy is None
    assert run.best.valid_error == min(epoch.valid_error for epoch in run.history)
    images = load_images(shares, "valid", run.record.preprocess)
    inputs = scale_pixels(images.take(slice(None)), run.record.preprocess)
    answers = run.model().predict_on_batch(inputs)
    error = float(np.abs(answers - shares.targets("valid")).mean())
    assert error == pytest.approx(run.best.valid_error, rel=0.05)
    assert f"{run.best.valid_error:.4g}" in run.summary()


def test_a_loss_for_classes_does_not_fit_numbers(shares):
    with pytest.raises(RecipeError, match="focal"):
        darkroom.train(shares, recipe(loss="focal"))


class Diverge(keras.callbacks.Callback):
    """Spoils the weights after a number of epochs."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.after:
            self.model.set_weights([np.full_like(one, np.nan) for one in self.model.get_weights()])


def test_a_training_that_diverges_at_once_says_so_and_leaves_no_run(few, workspace):
    with pytest.raises(RecipeError) as diverged:
        darkroom.train(few, QUICK, callbacks=[Diverge(after=0)])
    assert "the loss of the first step is not a number" in diverged.value.problem
    assert "precision=float32" in diverged.value.hint
    assert darkroom.list_runs(workspace) == []


def test_a_training_that_diverges_later_keeps_the_best_weights_before_it(few, workspace):
    with pytest.raises(RecipeError) as diverged:
        darkroom.train(few, recipe(epochs=3), callbacks=[Diverge(after=1)])
    line = darkroom.list_runs(workspace)[0]
    assert str(line.path) in diverged.value.problem
    assert (line.outcome, line.epochs) == ("failed", 1)
    assert all(np.isfinite(one).all() for one in darkroom.open_run(line.path).weights().values())


@pytest.mark.parametrize("per_call", [1, 8])
def test_a_training_that_diverges_names_its_step_however_many_run_per_call(
    few, monkeypatch, per_call
):
    monkeypatch.setattr(stages, "steps_per_call", lambda _: per_call)
    too_fast = Optimizer(name="sgd", schedule="constant", peak_lr=1e3, momentum=0.99)
    with pytest.raises(RecipeError) as diverged:
        darkroom.train(few, recipe(batch_size=4, optimizer=too_fast))
    assert "the loss of step 4 of 16 is not a number" in diverged.value.problem
    assert " and 1 more" not in diverged.value.problem  # the four images of that step alone
    if per_call > 1:  # the control
        monkeypatch.setattr(Rewind, "first_broken", lambda _, steps: steps)
        with pytest.raises(RecipeError, match=r"the loss of steps 1\.\.8 of 16 is"):
            darkroom.train(few, recipe(batch_size=4, optimizer=too_fast))


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_weight_decay_can_be_switched_off(few, optimizer):
    settings = Optimizer(name=optimizer, weight_decay=0.0, peak_lr=1e-3)
    assert darkroom.train(few, recipe(optimizer=settings)).record.outcome == "finished"


def test_a_run_lies_in_the_workspace_of_its_dataset(few, tmp_path):
    run = darkroom.train(few, QUICK, workspace=darkroom.Workspace(tmp_path / "elsewhere"))
    assert run.workspace.root == few.workspace.root
    assert darkroom.evaluate(run).metrics.images == few.counts["test"]


def test_a_callback_of_the_users_may_stop_it_early(few):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    assert darkroom.train(few, QUICK, callbacks=[Stop()]).record.outcome == "stopped early"


def test_listing_runs_imports_no_training_framework(run):
    root = str(run.workspace.root)
    code = (
        f"import sys, darkroom; darkroom.list_runs(darkroom.Workspace({root!r}))\n"
        "print(' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"keras", "tensorflow", "polars"}
