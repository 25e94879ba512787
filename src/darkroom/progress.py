"""Progress on the terminal for anything that may take longer than two seconds.

Nothing is shown, and rich is not imported, until the two seconds are over. Where standard error is
no terminal, a line says every ten seconds how far it is.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

T = TypeVar("T")
_QUIET_S = 2.0
_LINE_S = 10.0  # without a terminal, at most a line in this time


def track(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """Pass items on, and show how many have gone by and how long the rest will take.

    Args:
        items: Anything.
        what: A few words, for example `reading images`.
        total: How many items there will be.
    """
    for item, _ in track_sized(((item, 1) for item in items), what, total):
        yield item


def track_sized(
    items: Iterable[tuple[T, float]], what: str, total: float
) -> Iterator[tuple[T, float]]:
    """As `track`, for items that do not count for one each (chunks, megabytes).

    Args:
        items: Pairs of an item and how much it counts for.
        what: A few words.
        total: The sum of all counts; 0 when nobody knows.
    """
    started, done = time.monotonic(), 0.0
    told = started
    bar: Progress | None = None
    task: TaskID | None = None
    try:
        for item, count in items:
            yield item, count
            done += count
            if bar is not None and task is not None:
                bar.update(task, completed=done)
            elif sys.stderr.isatty():
                if time.monotonic() - started > _QUIET_S:
                    bar, task = _bar(what, total, done)
            elif time.monotonic() - told > _LINE_S and done != total:
                told = time.monotonic()
                _say(what, total, done, told - started)
    finally:
        if bar is not None:
            bar.stop()


def _say(what: str, total: float, done: float, seconds: float) -> None:
    left = f"/{total:,.0f} · {seconds / done * (total - done):.0f} s left" if total and done else ""
    print(f"  {what} {done:,.0f}{left}", file=sys.stderr, flush=True)  # noqa: T201 - the terminal


def _bar(what: str, total: float, done: float) -> tuple[Progress, TaskID]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("  {task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task(what, total=total or None)
    bar.update(task, completed=done)
    bar.start()
    return bar, task
