"""A disk that fails at the n-th request, and processes that are killed there."""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import itertools
import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import cloudpickle
import pytest

from darkroom.errors import ArtifactError

OLD, NEW = b"old " * 300, b"new content " * 200
TROUBLES = ("io error", "disk full", "short write")
PRELOADED = (  # whose actions run in children; else each child would import them anew
    "tests.data.test_gather",
    "tests.test_disk",
    "tests.test_storage",
    "tests.test_workspace",
    "tests.training.test_checkpoint",
)
_PATIENCE_S = 120


class Disk:
    """Counts what is asked of the file system, and answers the n-th request with trouble."""

    def __init__(self, fail_at: int, trouble: str, *, lasting: bool = False) -> None:
        self.fail_at, self.trouble, self.lasting = fail_at, trouble, lasting
        self.calls = 0

    def request(self, half_done: Callable[[], object] = lambda: None) -> None:
        self.calls += 1
        if self.calls == self.fail_at or (self.lasting and self.calls > self.fail_at):
            if self.trouble in ("short write", "kill half done"):
                half_done()
            if self.trouble.startswith("kill"):
                os.kill(os.getpid(), signal.SIGKILL)
            number = errno.EIO if self.trouble == "io error" else errno.ENOSPC
            raise OSError(number, os.strerror(number))


class Written:
    """A file opened for writing on such a disk."""

    def __init__(self, file, disk: Disk) -> None:
        self._file, self._disk = file, disk

    def write(self, data: bytes) -> int:
        def half() -> None:
            self._file.write(data[: len(data) // 2])
            self._file.flush()

        self._disk.request(half)
        return self._file.write(data)

    def __getattr__(self, name: str):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()


@contextlib.contextmanager
def below(state: Disk) -> Iterator[None]:
    """Put such a disk below open, write, flush, mkdir and rename."""
    real_open = io.open

    def opening(file, mode="r", *args, **options):
        if not set(mode) & set("wax+"):
            return real_open(file, mode, *args, **options)
        state.request()
        return Written(real_open(file, mode, *args, **options), state)

    def counted(real):
        def call(*args, **options):
            state.request()
            return real(*args, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(io, "open", opening)
        for name in ("fsync", "rename", "replace", "mkdir"):
            patch.setattr(os, name, counted(getattr(os, name)))
        yield


def in_children(*actions: Callable[[], object]) -> list[int]:
    """Run each action in its own process and say how each ended: 0, or minus a signal.

    They are forked from a process without threads. A fork of this one would inherit the locks that
    threads of earlier tests hold at that moment, and might wait for them for ever.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOADED])
    children = [context.Process(target=_act, args=(cloudpickle.dumps(each),)) for each in actions]
    for child in children:
        child.start()
    for child in children:
        child.join(_PATIENCE_S)
    ended = [child.exitcode for child in children]
    for child in children:
        child.kill()
    assert None not in ended, f"still at work after {_PATIENCE_S} s"
    return ended


def _act(pickled: bytes) -> None:
    with contextlib.suppress(BaseException):
        pickle.loads(pickled)()
        os._exit(0)
    os._exit(1)


def until_none_fails(action: Callable[[int], object], trouble: str) -> Iterator[tuple[int, str]]:
    """Repeat an action with trouble at its first request, its second, ... and say how each went."""
    for n in itertools.count(1):
        state = Disk(n, trouble)
        outcome = "done"
        if trouble.startswith("kill"):
            (ended,) = in_children(functools.partial(on_disk, state, action, n))
            outcome = {0: "done", -signal.SIGKILL: "killed"}[ended]
        else:
            try:
                on_disk(state, action, n)
            except ArtifactError:
                outcome = "refused"
            except OSError:
                outcome = "traceback"
        yield n, outcome
        if outcome == "done" and state.calls < n:
            return


def on_disk(state: Disk, action: Callable[[int], object], n: int) -> None:
    with below(state):
        action(n)


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}
