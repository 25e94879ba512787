"""A worker of a search takes a trial, trains it, tells what it came to, until there are enough.

`python -m darkroom.training.search_worker` reads a Job from standard input.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, ClassVar

import msgspec

from darkroom.backend import keras
from darkroom.data.dataset import Dataset
from darkroom.data.kept import load_dataset
from darkroom.errors import RecipeError
from darkroom.records import from_json, to_line
from darkroom.training.finished import trained_once
from darkroom.training.space import Choice, with_settings
from darkroom.training.studies import Measure
from darkroom.training.study import measured_in
from darkroom.training.trials import Trials
from darkroom.training.tuning import SearchPlan

_GRACE_S = 15.0  # in which a worker that is asked to stop saves its training


class Job(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a worker is told."""

    SCHEMA: ClassVar[int] = 1

    plan: SearchPlan
    dataset: str  # its path
    storage: str  # the path of an SQLite file
    trials: int  # in all
    seed: int  # of the search


class Judged(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports what each epoch came to, and stops a training that falls behind.

    Args:
        report: Takes the number of an epoch, from 1, and what it came to; tells whether to stop.
        measure: Of the validation part.
    """

    def __init__(self, report: Callable[[int, float], bool], measure: Measure) -> None:
        super().__init__()
        self._report, self._measure = report, measure
        self._values: list[float] = []
        self.is_behind = False

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Report, and stop when the trial falls behind."""
        self._values.append(float((logs or {})[f"val_{self._measure}"]))
        if self._report(len(self._values), self._values[-1]):
            self.is_behind = True
            self.model.stop_training = True

    def get_state(self) -> list[float]:
        """Give what was reported, for the checkpoint."""
        return self._values

    def set_state(self, values: list[float]) -> None:
        """Report again what was reported of a training that was killed: its trial is a new one."""
        self._values = list(values)
        for number, value in enumerate(values, 1):
            self._report(number, value)


def work(
    trials: Trials,
    job: Job,
    dataset: Dataset,
    *,
    after: Callable[[float], None] | None = None,
) -> None:
    """Train trials until there are enough.

    Args:
        trials: At work in this process.
        job: What to do.
        dataset: Split.
        after: Called after each whole training with the seconds that it took.
    """
    while (asked := trials.ask(job.trials)) is not None:
        began = time.monotonic()
        is_new = _try(trials, job.plan, dataset, *asked)
        if after is not None and is_new:
            after(time.monotonic() - began)


@contextlib.contextmanager
def other_workers(job: Job, count: int) -> Iterator[list[str]]:
    """Let other processes work too while the block runs, and wait for them.

    Yields:
        What went wrong with them, once the block is over.
    """
    notes: list[str] = []
    with contextlib.ExitStack() as stack:
        said = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(count)]
        children = [_begun(job, errors) for errors in said]
        try:
            yield notes
            for child, errors in zip(children, said, strict=True):
                if code := child.wait():
                    errors.seek(0)
                    words = errors.read().decode(errors="replace").strip().splitlines()
                    notes.append(f"a worker ended with {code}: {words[-1] if words else 'silence'}")
        finally:
            for child in children:
                child.terminate()  # does nothing to one that is over
            for child in children:
                _ended(child)


def _try(
    trials: Trials, plan: SearchPlan, dataset: Dataset, number: int, settings: dict[str, Choice]
) -> bool:
    """Train one trial, and tell whether that was a whole training."""
    measure = plan.measure

    def report(epoch: int, value: float) -> bool:
        return trials.report(number, epoch, value)

    judged = Judged(report, measure)
    try:
        recipe = with_settings(plan.recipe, settings)
        run, is_new = trained_once(dataset, recipe, despite=plan.despite, callbacks=[judged])
    except RecipeError as refused:  # these settings cannot be trained; others may
        trials.cut(number, why=refused.problem)
        return False
    if not is_new:
        for epoch in run.history:
            report(epoch.number, float(getattr(epoch, f"valid_{measure}")))
    if judged.is_behind and run.record.outcome == "stopped early":
        trials.cut(number, run=run.name)
        return False
    trials.finish(number, measured_in(run, measure), run.name)
    return is_new


def _begun(job: Job, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    # -P: a numpy.py that lies in the working folder is not to be imported.
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "darkroom.training.search_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=errors,
    )
    if child.stdin is not None:
        # One that ended before it could read says why with its exit code.
        with contextlib.suppress(BrokenPipeError), child.stdin as told:
            told.write(to_line(job))
    return child


def _ended(child: subprocess.Popen[bytes]) -> None:
    try:
        child.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def main() -> None:
    """Do the job on standard input."""
    job = from_json(sys.stdin.buffer.read(), Job, where="standard input")
    trials = Trials(Path(job.storage), job.plan, seed=job.seed)
    with trials.at_work():
        work(trials, job, load_dataset(Path(job.dataset)))


if __name__ == "__main__":
    main()
