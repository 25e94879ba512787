"""What a training shows while it runs: a live line on a terminal, a line per epoch elsewhere."""

from __future__ import annotations

import math
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from darkroom.wording import percent

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from darkroom.findings import Finding
    from darkroom.training.record import Epoch, Pace

_REFRESH_S = 0.2
_LINE_S = 10.0  # without a terminal, epochs that come faster than this share a line


class Show(Protocol):
    """What `fit` tells the outside."""

    def prepare(self) -> None:
        """Make room for the progress of what comes before the first step of a stage."""
        ...

    def step(self, epoch: int, share: float, logs: dict[str, Any]) -> None:
        """Take note of a step: the number of finished epochs, and the share of this one."""
        ...

    def epoch(self, done: Epoch, pace: Pace, is_best: bool) -> None:  # noqa: FBT001
        """Take note of a finished epoch."""
        ...

    def warn(self, finding: Finding) -> None:
        """Take note of what is wrong with the training."""
        ...


class Quiet:
    """Shows nothing."""

    def __enter__(self) -> Quiet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave nothing behind."""

    def prepare(self) -> None:
        """Ignore it."""

    def step(self, epoch: int, share: float, logs: dict[str, Any]) -> None:
        """Ignore the step."""

    def epoch(self, done: Epoch, pace: Pace, is_best: bool) -> None:  # noqa: FBT001
        """Ignore the epoch."""

    def warn(self, finding: Finding) -> None:
        """Ignore it; the run records it."""


class Terminal:
    """A live line with loss, accuracy, images/s and the time left, on standard error.

    Without a terminal it prints a line at most every ten seconds, and one at the end.

    Args:
        images: Training images per epoch.
        epochs: Of all stages.
        of_labels: What is right is counted by label, because images have several.
    """

    def __init__(self, images: int, epochs: int, *, of_labels: bool = False) -> None:
        self._epochs, self._images, self._before = epochs, images, 0.0
        self._accuracy = "labels right" if of_labels else "accuracy"
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._shown = self._began = time.monotonic()
        self._is_waiting = True
        self._valid = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.prepare()

    def prepare(self) -> None:
        """Take the bar away until the next step."""
        if self._bar is not None:
            self._bar.stop()
        self._bar, self._task, self._is_waiting = None, None, True

    def _begin(self, done: float) -> None:
        self._is_waiting = False
        self._began, self._before = time.monotonic(), done
        if sys.stderr.isatty():
            self._bar, self._task = _training_bar(self._epochs, done)

    def step(self, epoch: int, share: float, logs: dict[str, Any]) -> None:
        """Move the bar, a few times a second."""
        if self._is_waiting:
            self._begin(epoch + share)  # what came before was not seen to begin
            return
        now = time.monotonic()
        if self._bar is None or self._task is None or now - self._shown < _REFRESH_S:
            return
        self._shown = now
        done = epoch + share
        speed = (done - self._before) * self._images / max(now - self._began, 1e-9)
        self._bar.update(
            self._task,
            completed=done,
            description=f"epoch {epoch + 1}/{self._epochs}",
            # What matters most comes first: a narrow terminal cuts the end.
            told=f"{self._goodness(logs.get('accuracy'), logs.get('error'))}{self._valid} · "
            f"loss {float(logs.get('loss', 0)):.3f} · {speed:,.0f} images/s",
        )

    def epoch(self, done: Epoch, pace: Pace, is_best: bool) -> None:  # noqa: FBT001
        """Say what the epoch came to."""
        if self._is_waiting:  # an epoch that was only judged
            self._begin(done.number)
        self._valid = f" · valid {_level(done.valid_accuracy, done.valid_error)}"
        if self._bar is not None and self._task is not None:
            told = f"epoch {done.number}/{self._epochs}"
            self._bar.update(self._task, completed=done.number, description=told)
            return
        now = time.monotonic()
        if now - self._shown < _LINE_S and done.number < self._epochs:
            return
        self._shown = now
        here = done.number - self._before
        left = (now - self._began) / here * (self._epochs - done.number) if here else None
        told_left = "" if left is None else f" · {left:.0f} s left"
        best = " (best)" if is_best else ""
        print(  # noqa: T201 - this is the terminal
            f"  epoch {done.number}/{self._epochs} · loss {done.loss:.3f} · "
            f"{self._goodness(done.accuracy, done.error)}{self._valid}{best} · "
            f"{pace.images_per_s:,.0f} images/s{told_left}",
            file=sys.stderr,
            flush=True,
        )

    def warn(self, finding: Finding) -> None:
        """Say what is wrong, and what to try."""
        words = f"  warning   {finding.what}\n            next: {finding.next_step}"
        if self._bar is not None:
            self._bar.console.print(words, markup=False, highlight=False, soft_wrap=True)
        else:
            print(words, file=sys.stderr, flush=True)  # noqa: T201 - this is the terminal

    def _goodness(self, accuracy: float | None, error: float | None) -> str:
        return f"{self._accuracy if error is None else 'error'} {_level(accuracy, error)}"


def _level(accuracy: float | None, error: float | None) -> str:
    return percent(accuracy or 0.0) if error is None else f"{error:.3g}"


def _training_bar(epochs: int, done: float) -> tuple[Progress, TaskID]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    cut = Column(no_wrap=True, overflow="ellipsis", ratio=1)  # where the terminal is narrow
    bar = Progress(
        TextColumn("  {task.description}"),
        BarColumn(bar_width=10),
        TimeRemainingColumn(),
        TextColumn("left ·"),
        TextColumn("{task.fields[told]}", table_column=cut),
        expand=True,
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task(f"epoch {max(math.ceil(done), 1)}/{epochs}", total=epochs, told="")
    bar.update(task, completed=done)
    bar.start()
    return bar, task
