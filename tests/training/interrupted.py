"""Trainings in processes of their own, that are killed or asked to stop at a chosen moment.

`python -m tests.training.interrupted` reads jobs from standard input, one JSON object a line, and
trains each in a fork of itself: so what takes seconds to import is imported once.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

import darkroom
from tests.failing_disk import Disk, below
from tests.making import draw_folder

ROOT = Path(__file__).parent.parent.parent

# Dropout, augmentation, momentum, an average of the weights: all that has a state. Images so large
# that Keras makes one step per call (above 32 px), and a training can be stopped at every one.
RECIPE = darkroom.Recipe(
    model="cnn_dropout",
    width=0.1,
    image_size=33,
    epochs=4,
    batch_size=8,
    dropout=0.3,
    optimizer=darkroom.Optimizer(name="adamw", peak_lr=2e-3, ema=0.9),
)


class Job(msgspec.Struct, kw_only=True):
    """One training to begin, or to resume when it was begun, and what happens to it on the way."""

    root: str
    kill_after_s: float | None = None  # after the plan was told
    kill_at_step: int = 0  # of this process, from 1
    kill_in_save: tuple[int, int] = (0, 0)  # the save, and which of its requests to the disk
    kill_in_validation: int = 0
    kill_in_closing: int = 0  # at which of its requests to the disk
    stop_at_step: int = 0  # by SIGTERM
    stop_in_validation: int = 0  # by SIGTERM
    forget: Literal["", "optimizer", "augmentation"] = ""
    passes_over: bool = False  # leaves out saves as a training does; else each epoch is saved
    weights: str = ""  # of a small trunk: its head is trained first, then all of it


class Outcome(msgspec.Struct, kw_only=True):
    """How a job ended."""

    ended: int  # the exit status, or minus the signal
    trained_s: float  # from the told plan to the end
    stopped_s: float  # from SIGTERM to the end
    told: dict[str, Any] | None = None  # what the finished training consists of


class Nursery:
    """A process that trains one job after the other."""

    def __enter__(self) -> Nursery:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.training.interrupted"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, root: Path, **job: Any) -> Outcome:
        """Train until the end, whichever it is."""
        self._process.stdin.write(msgspec.json.encode(Job(root=str(root), **job)) + b"\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._process.stdout.readline(), type=Outcome)


def main() -> None:
    import tensorflow  # noqa: F401 - before the forks

    from darkroom.training import loop  # noqa: F401

    for line in sys.stdin:
        outcome = in_fork(msgspec.json.decode(line, type=Job))
        sys.stdout.buffer.write(msgspec.json.encode(outcome) + b"\n")
        sys.stdout.buffer.flush()


def in_fork(job: Job) -> Outcome:
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # NumPy may have started threads
        child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reader)
            train_job(job, writer)
            code = 0
        except SystemExit as stopped:
            code = stopped.code
        except BaseException:  # noqa: BLE001 - told, and the job failed
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        lines = [msgspec.json.decode(line) for line in told]
    ended, now = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), time.monotonic()
    facts = {key: value for line in lines for key, value in line.items()}
    return Outcome(
        ended=ended,
        trained_s=now - facts.get("began", now),
        stopped_s=now - facts.get("asked", now),
        told=facts.get("told"),
    )


def train_job(job: Job, writer: int) -> None:
    """Train in this process, which nothing else is done in."""
    from darkroom.training import loop, watch

    def tell(**fact: Any) -> None:
        os.write(writer, msgspec.json.encode(fact) + b"\n")

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def stop() -> None:
        tell(asked=time.monotonic())
        os.kill(os.getpid(), signal.SIGTERM)

    def announce(*_: object) -> None:
        tell(began=time.monotonic())
        if job.kill_after_s is not None:
            timer = threading.Timer(job.kill_after_s, kill)
            timer.daemon = True
            timer.start()

    if not job.passes_over:
        watch._SHARE = math.inf  # every epoch is saved, however short it is
    final: dict[str, str] = {}
    spy_on_saves(loop, job.kill_in_save)
    spy_on_closing(loop, job.kill_in_closing, final)
    at_validation(watch, {job.kill_in_validation: kill, job.stop_in_validation: stop})
    if job.forget == "optimizer":
        forget_optimizer(loop)
    if job.forget == "augmentation":
        forget_augmentation()
    steps = steps_callback({job.kill_at_step: kill, job.stop_at_step: stop})
    run = begin_or_resume(job, callbacks=[steps], announce=announce)
    tell(told=describe(run) | final | {"steps": steps.count})


def begin_or_resume(job: Job, **options: Any) -> darkroom.Run:
    dataset = dataset_in(Path(job.root))
    for line in darkroom.list_runs(dataset.workspace):
        return darkroom.resume(line.path, **options)
    return darkroom.train(dataset, recipe_of(job), **options)


def recipe_of(job: Job) -> darkroom.Recipe:
    if not job.weights:
        return RECIPE
    if not Path(job.weights).exists():
        draw_weights(Path(job.weights))
    transfer = darkroom.Transfer(weights=job.weights, fine_tune_epochs=2, groups=1)
    return darkroom.Recipe(
        model="mobilenet_v2", width=0.35, image_size=36, epochs=3, batch_size=2, dropout=0.3,
        transfer=transfer,
    )  # fmt: skip


def dataset_in(root: Path, *, per_class: int = 24) -> darkroom.Dataset:
    folder = root / "photos"
    if not folder.exists():
        draw_folder(folder, per_class=per_class)
    workspace = darkroom.Workspace(root / "workspace")
    return darkroom.split_dataset(darkroom.open_dataset(folder, workspace=workspace))


def describe(run: darkroom.Run) -> dict[str, Any]:
    """Say what has to be the same, to the byte, however a training came to its end."""
    files = sorted(str(path.relative_to(run.path)) for path in run.path.rglob("*"))
    return {
        "weights": sha256((run.path / "weights/best.safetensors").read_bytes()),
        "history": sha256((run.path / "history.json").read_bytes()),
        "best": run.record.best_epoch,
        "outcome": run.record.outcome,
        "troubles": len(run.record.troubles),
        "files": files,
        "leftovers": [str(path) for path in run.path.parent.glob(".*")],
        "resumed": [msgspec.to_builtins(one) for one in run.record.resumed],
    }


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def steps_callback(at: dict[int, Any]) -> Any:
    """Give a callback that counts the steps of this process, and does something at some."""
    from darkroom.backend import keras

    class Steps(keras.callbacks.Callback):
        count = 0

        def on_train_batch_end(self, batch, logs=None):
            self.count += 1
            if self.count in at:
                at[self.count]()

    return Steps()


def spy_on_saves(loop: Any, kill_in: tuple[int, int]) -> None:
    """Kill the process within a save."""
    real, saves = loop.write_checkpoint, []

    def write(*args: Any) -> Path:
        saves.append(1)
        if len(saves) != kill_in[0]:
            return real(*args)
        with below(Disk(kill_in[1], "kill half done")):
            return real(*args)

    loop.write_checkpoint = write


def spy_on_closing(loop: Any, kill_at: int, final: dict[str, str]) -> None:
    """Take the numbers of the last checkpoint when a run is closed; then perhaps kill it there."""
    real = loop.close_run

    def close(path: Path, *args: Any) -> None:
        last, _ = loop.read_checkpoint(path)
        kept = {name: tensor for name, tensor in last.tensors.items() if "metrics" not in name}
        final["numbers"] = sha256(b"".join(kept[name].tobytes() for name in sorted(kept)))
        with below(Disk(kill_at, "kill half done")) if kill_at else contextlib.nullcontext():
            real(path, *args)

    loop.close_run = close


def at_validation(watch: Any, at: dict[int, Any]) -> None:
    """Do something while an epoch is judged."""
    judged: list[int] = []
    real = watch._StopJudging.on_test_batch_end

    def on_test_batch_end(self: Any, batch: int, logs: Any = None) -> None:
        judged.append(1)
        if len(judged) in at:
            at[len(judged)]()
        real(self, batch, logs)

    watch._StopJudging.on_test_batch_end = on_test_batch_end


def forget_optimizer(loop: Any) -> None:
    """The control: a resumed training whose optimizer begins anew."""
    from darkroom.training.checkpoint import gather_state

    real = loop.restore_state

    def restore(model: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        fresh = gather_state(model)
        kept = {name: value for name, value in fresh.items() if name.startswith("optimizer.")}
        return real(model, tensors | kept)

    loop.restore_state = restore


def forget_augmentation() -> None:
    """The control: images that are varied by chance instead of by seed, epoch and image."""
    from darkroom.data import augment

    chance = np.random.default_rng()
    augment.draw_uniform = lambda identities, *_: chance.random(len(identities))


def draw_weights(path: Path) -> None:
    """Write a small trunk at random in the form of one that was pretrained."""
    from darkroom.backend import keras

    keras.utils.set_random_seed(0)
    trunk = keras.applications.MobileNetV2(
        input_shape=(32, 32, 3), alpha=0.35, include_top=False, weights=None
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Keras 3.15 with NumPy 2.4
        trunk.save_weights(path)


def moments(outcome: Outcome, seed: int) -> Iterator[dict[str, Any]]:
    """Draw moments to be killed at, by the duration of a whole training: for ever."""
    chance = np.random.default_rng(seed)
    while True:
        yield from (
            {"kill_after_s": float(chance.uniform(0, 0.9 * outcome.trained_s))},
            {"kill_in_save": (int(chance.integers(1, 5)), int(chance.integers(1, 15)))},
            {"kill_at_step": int(chance.integers(1, outcome.told["steps"] + 1))},
            {"kill_in_validation": int(chance.integers(1, 5))},
        )


if __name__ == "__main__":
    main()
