"""The trials of a search, kept in SQLite by Optuna: asked for, reported, told.

Any number of processes may work on one storage. Each operation is done by one of them alone; a
trial whose process is gone is tried again with the same settings.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import secrets
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from darkroom.disk import claimed, disk_errors, is_claimed, locked, make_folder
from darkroom.errors import ArtifactError
from darkroom.records import from_json, to_line
from darkroom.training.proposals import make_pruner, make_sampler, suggested
from darkroom.training.space import Choice
from darkroom.training.tuning import Ended, SearchPlan, Tried

WAIT_S = 30.0  # for a storage that somebody else holds
_TIMES = 3  # a trial is begun; one that ends its process each time is given up
_TOO_FEW = 8  # finished trials, to tell which setting mattered
_ENDED: dict[TrialState, Ended] = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "cut short",
    TrialState.FAIL: "failed",
}


class Trials:
    """A search's storage, open for one worker.

    Args:
        path: The SQLite file; made when it does not exist.
        plan: What is searched; a storage of another plan is refused.
        seed: Of the search.
        wait_s: How long a storage that somebody else holds is waited for.
    """

    def __init__(
        self, path: Path, plan: SearchPlan, *, seed: int = 0, wait_s: float = WAIT_S
    ) -> None:
        self.path, self.plan, self._wait_s = path, plan, wait_s
        self.worker = secrets.token_hex(4)
        self._running: dict[int, optuna.Trial] = {}
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with disk_errors(path):
            make_folder(path.parent)
        with self._alone():
            self._study = self._opened(seed)

    def _opened(self, seed: int) -> optuna.Study:
        is_less = self.plan.measure == "error"
        # The path goes to SQLite itself: in a URL a brace or a question mark would mean something.
        connect = partial(_connected, self.path, self._wait_s)
        storage = optuna.storages.RDBStorage(
            "sqlite:///search.db", engine_kwargs={"creator": connect, "poolclass": StaticPool}
        )
        weakref.finalize(self, storage.engine.dispose)
        study = optuna.create_study(
            storage=storage,
            study_name="search",
            direction="minimize" if is_less else "maximize",
            pruner=make_pruner(self.plan),
            load_if_exists=True,
        )
        said = study.user_attrs.get("plan")
        if said is None:
            study.set_user_attr("plan", to_line(self.plan).decode())
            if self.plan.start is not None:
                study.enqueue_trial(self.plan.start)
        elif from_json(said, SearchPlan, where=str(self.path)) != self.plan:
            raise ArtifactError(
                f"{self.path} holds a search of another dataset, recipe or space",
                hint="name another storage, or leave it out",
            )
        # Each worker draws otherwise, and so does one that goes on where another ended.
        draws = hash((seed, len(study.trials), int(self.worker, 16))) % 2**32
        study.sampler = make_sampler(draws if len(study.trials) > 1 else seed)
        return study

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Claim the trials that are asked for, for as long as this process lives."""
        with claimed(self._claim(self.worker)):
            yield

    def ask(self, wanted: int) -> tuple[int, dict[str, Choice]] | None:
        """Take the next trial, if there are to be more.

        Args:
            wanted: How many trials there are to be in all.

        Returns:
            Its number and settings; None: enough are over or under way.
        """
        with self._alone():
            self._try_again_what_was_killed()
            counted = [one for one in self._all() if one.state != TrialState.WAITING]
            if sum(_counts(one) for one in counted) >= wanted:
                return None
            trial = self._study.ask()
            trial.set_user_attr("worker", self.worker)
            settings = {
                name: suggested(trial, name, values) for name, values in self.plan.space.items()
            }
            trial.set_user_attr("settings", settings)
            self._running[trial.number] = trial
        return trial.number, settings

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Note what an epoch came to, and tell whether the trial falls behind."""
        with self._alone():
            trial = self._running[number]
            trial.report(value, epoch)
            return bool(trial.should_prune())

    def finish(self, number: int, value: float, run: str) -> None:
        """Note what a trial came to."""
        with self._alone():
            trial = self._running.pop(number)
            trial.set_user_attr("run", run)
            self._study.tell(trial, value)

    def cut(self, number: int, *, run: str = "", why: str = "") -> None:
        """Note that a trial was cut short, or could not be trained: the sampler avoids both."""
        with self._alone():
            trial = self._running.pop(number)
            trial.set_user_attr("run", run)
            trial.set_user_attr("why", why)
            self._study.tell(trial, state=TrialState.PRUNED)

    def are_over(self, wanted: int) -> bool:
        """Tell whether as many trials are over as are wanted, and none is under way."""
        with self._alone():
            self._try_again_what_was_killed()
            trials = self._all()
        is_open = any(one.state in (TrialState.RUNNING, TrialState.WAITING) for one in trials)
        return not is_open and sum(map(_counts, trials)) >= wanted

    def tried(self) -> tuple[Tried, ...]:
        """Give every trial that is over, in the order of their numbers."""
        with self._alone():
            return tuple(_as_tried(one, self.plan) for one in self._all() if _is_over(one))

    def importance(self) -> tuple[dict[str, float], str]:
        """Say how much of the difference between finished trials each setting accounts for.

        Returns:
            A share for each setting, the largest first; or none, and why it cannot be told.

        Source: PED-ANOVA, Watanabe et al. 2023, arXiv:2304.10255.
        """
        with self._alone():
            values = [one.value for one in self._all() if one.state == TrialState.COMPLETE]
            if len(values) < _TOO_FEW or len(set(values)) < 3:
                return (
                    {},
                    f"{len(values)} finished trials are too few to tell which setting matters",
                )
            shares = optuna.importance.get_param_importances(self._study)
        if not all(map(math.isfinite, shares.values())):
            return {}, "all finished trials are alike: no setting matters"
        return {name: float(share) for name, share in shares.items()}, ""

    def _try_again_what_was_killed(self) -> None:
        for one in self._all():
            worker = one.user_attrs.get("worker", "")
            if one.state != TrialState.RUNNING or (worker and is_claimed(self._claim(worker))):
                continue
            times = int(one.user_attrs.get("times", 1))
            self._study.tell(one.number, state=TrialState.FAIL)
            if times < _TIMES:
                self._study.enqueue_trial(one.params, user_attrs={"times": times + 1})

    def _all(self) -> list[FrozenTrial]:
        return list(self._study.get_trials(deepcopy=False))

    def _claim(self, worker: str) -> Path:
        return self.path.with_name(f"{self.path.name}-{worker}")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other worker read or write meanwhile, and say it when the storage is held."""
        lock, until = (
            self.path.with_name(f".{self.path.name}.lock"),
            time.monotonic() + self._wait_s,
        )
        with contextlib.ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(locked(lock, fcntl.LOCK_EX | fcntl.LOCK_NB))
                    break
                except BlockingIOError as taken:
                    if time.monotonic() > until:
                        raise _held(self.path, self._wait_s) from taken
                    time.sleep(0.02)
            try:
                yield
            except (optuna.exceptions.StorageInternalError, DBAPIError, sqlite3.Error) as refused:
                raise self._explained(refused) from refused

    def _explained(self, refused: Exception) -> ArtifactError:
        cause = refused.__cause__ if isinstance(refused.__cause__, DBAPIError) else refused
        said = str(getattr(cause, "orig", cause))
        if "locked" in said:
            return _held(self.path, self._wait_s)
        return ArtifactError(
            f"{self.path} cannot be used as the storage of a search: {said}",
            hint=f"move it away, and search anew: mv {self.path} {self.path}.old",
        )


def _connected(path: Path, wait_s: float) -> sqlite3.Connection:
    """Connect to a storage such that a killed process loses nothing, and a note is cheap.

    A log beside the file takes each note without waiting for the disk; a power cut, not a kill,
    may cost the last ones.
    """
    connection = sqlite3.connect(path, timeout=wait_s, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _held(path: Path, wait_s: float) -> ArtifactError:
    return ArtifactError(
        f"{path} is locked by another process, for more than {wait_s:g} s",
        hint="close what has the file open, then type the command again: nothing is lost",
    )


def _counts(one: FrozenTrial) -> bool:
    """Tell whether a trial is one of those that were wanted: not if it is tried again."""
    if one.state == TrialState.FAIL:
        return _is_over(one)
    return bool(one.state != TrialState.WAITING)


def _is_over(one: FrozenTrial) -> bool:
    if one.state == TrialState.FAIL:
        return int(one.user_attrs.get("times", 1)) >= _TIMES
    return one.state in (TrialState.COMPLETE, TrialState.PRUNED)


def _as_tried(one: FrozenTrial, plan: SearchPlan) -> Tried:
    better: Callable[..., Any] = min if plan.measure == "error" else max
    reported = list(one.intermediate_values.values())
    value = one.value if one.state == TrialState.COMPLETE else better(reported, default=None)
    why = str(one.user_attrs.get("why", ""))
    if one.state == TrialState.FAIL:
        why = f"its process was killed {_TIMES} times"
    return Tried(
        number=one.number,
        settings=one.user_attrs.get("settings", one.params),
        ended="failed" if why else _ENDED[one.state],
        value=value,
        epochs=len(reported),
        run=str(one.user_attrs.get("run", "")),
        why=why,
    )
