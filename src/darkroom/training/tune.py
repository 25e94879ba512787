"""`tune`: search for better settings of a recipe, and believe them only with fresh seeds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from darkroom.data.checks import refuse_errors
from darkroom.data.dataset import Dataset
from darkroom.data.opening import open_dataset
from darkroom.data.split import split_dataset
from darkroom.disk import locked
from darkroom.errors import RecipeError
from darkroom.progress import track
from darkroom.records import content_hash
from darkroom.training.finished import trained_once
from darkroom.training.plan import plan
from darkroom.training.recipe import Recipe, given_recipe
from darkroom.training.repeats import mean_of
from darkroom.training.search_worker import Job, other_workers, work
from darkroom.training.space import (
    Choice,
    Space,
    check_space,
    default_space,
    starting_point,
    with_settings,
)
from darkroom.training.study import Ask, measured_in, step_of
from darkroom.training.trials import Trials
from darkroom.training.tuning import FreshPair, Search, SearchPlan, Tried, Tuning

_POLL_S = 0.5


def tune(
    dataset: Dataset | str | Path,
    recipe: Recipe | None = None,
    space: Space | None = None,
    *,
    trials: int = 20,
    search: Search | None = None,
    despite: Iterable[str] = (),
) -> Tuning:
    """Search for better settings of a recipe, on the validation part alone.

    Each trial is a run in the workspace. Those that fall behind are cut short. The winner is
    trained again with seeds that no trial had, and so is the starting recipe; the winner is
    believed when it is better by more than the seeds explain. Called again, a search goes on where
    it was stopped or killed, and with a larger `trials` it goes on beyond.

    Args:
        dataset: As `train` takes it. Its test part is not looked at.
        recipe: The starting one, which is the first trial when it lies in the space.
        space: What may vary; None: a few settings that the recipe leaves open.
        trials: How many there are to be in all, with those of earlier calls.
        search: How to go about it: workers, pruning, fresh seeds, where the trials are kept.
        despite: As in `train`.

    Returns:
        Every trial, the winner, how much each setting mattered, and the winner's gain over the
        starting recipe with its 95 % interval over fresh seeds.

    Raises:
        RecipeError: The space does not fit the recipe, or no trial came to an end.
        DataError: As `train`.
        ArtifactError: The storage is locked by another program, or holds another search.

    Source: Bergstra et al. 2011, "Algorithms for hyper-parameter optimization"; Optuna, Akiba et
    al. 2019, arXiv:1907.10902.
    """
    return run_search(plan_search(dataset, recipe, space, trials=trials, search=search,
                                  despite=despite))  # fmt: skip


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A search that is laid out, and nothing of it done."""

    dataset: Dataset
    job: Job
    search: Search
    model: str

    @property
    def storage(self) -> Path:
        """Where the trials are kept."""
        return Path(self.job.storage)


def plan_search(
    dataset: Dataset | str | Path,
    recipe: Recipe | None = None,
    space: Space | None = None,
    *,
    trials: int = 20,
    search: Search | None = None,
    despite: Iterable[str] = (),
) -> Planned:
    """Lay out a search; nothing is trained.

    Args:
        dataset: As `tune` takes it.
        recipe: As `tune` takes it.
        space: As `tune` takes it.
        trials: As `tune` takes it.
        search: As `tune` takes it.
        despite: As in `train`.

    Raises:
        RecipeError: As `tune`.
        DataError: As `train`.
    """
    recipe, search, despite = given_recipe(recipe), search or Search(), tuple(despite)
    if trials < 1:
        raise RecipeError(f"{trials} trials are none", hint="--trials 20")
    if not isinstance(dataset, Dataset):
        dataset = open_dataset(dataset)
    if not dataset.record.split:
        dataset = split_dataset(dataset)
    settled = plan(dataset, recipe, refuse_errors(dataset, despite), despite)
    if not space:
        is_head = settled.pretrained is not None
        space = default_space(recipe, settled.recipe, images=settled.images, is_head=is_head)
    check_space(space, recipe)
    if not space:
        raise RecipeError(
            "the recipe leaves nothing open, and no space was named",
            hint="--space optimizer.peak_lr=1e-4..1e-1:log",
        )
    epochs = settled.recipe.epochs or 1
    if "epochs" not in space:  # else trials of other batch sizes would not be as long
        recipe = msgspec.structs.replace(recipe, epochs=epochs)
    searched = SearchPlan(
        dataset=dataset.manifest.id,
        recipe=recipe,
        space=dict(space),
        start=starting_point(space, settled.recipe),
        measure="error" if dataset.task == "regression" else "accuracy",
        epochs=epochs,
        pruning=search.pruning,
        despite=despite,
    )
    named = f"{dataset.name}-{content_hash(searched)[:6]}.db"
    storage = Path(search.storage or dataset.workspace.root / "tuning" / named)
    job = Job(
        plan=searched,
        dataset=str(dataset.path.resolve()),
        storage=str(storage.resolve()),
        trials=trials,
        seed=search.seed,
    )
    return Planned(dataset=dataset, job=job, search=search, model=settled.architecture.name)


def run_search(planned: Planned, *, ask: Ask | None = None) -> Tuning:
    """Do what is missing of a search, train the winner with fresh seeds, and conclude.

    Args:
        planned: As `plan_search` gives it.
        ask: Called once, after the first training, with the seconds that the others will take at
            most; it may raise to stop the search, and what was trained stays.

    Raises:
        RecipeError: No trial came to an end.
        ArtifactError: The storage is locked by another program, or holds another search.
    """
    job, notes = planned.job, []
    trials = Trials(planned.storage, job.plan, seed=job.seed)
    to_come = job.trials - len(trials.tried()) + 2 * planned.search.seeds
    with trials.at_work():
        with other_workers(job, planned.search.workers - 1) as others:
            work(trials, job, planned.dataset, after=_asking(ask, to_come, planned.search.workers))
        notes += others
        # A worker may have been killed, or the same command is at work in another terminal.
        while not trials.are_over(job.trials):
            work(trials, job, planned.dataset)
            time.sleep(_POLL_S)
    tried = trials.tried()
    best = _best(tried, job.plan)
    importance, why = trials.importance()
    return Tuning(
        name=planned.storage.name,
        model=planned.model,
        plan=job.plan,
        trials=tried,
        best=best.number,
        settings=_changed(best, job.plan),
        importance=importance,
        notes=tuple(notes + ([why] if why else [])),
        **_with_fresh_seeds(planned, _changed(best, job.plan)),
    )


def _asking(ask: Ask | None, to_come: int, workers: int) -> Callable[[float], None] | None:
    """Ask once, of the seconds that all trainings to come take when none is cut short."""
    if ask is None:
        return None
    waiting = [ask]

    def after(seconds: float) -> None:
        if waiting:
            waiting.pop()(max(to_come - 1, 0) * seconds / workers)

    return after


def _best(tried: tuple[Tried, ...], searched: SearchPlan) -> Tried:
    """Choose the trial that came to most, beside the starting recipe; of equals the first.

    The starting recipe may have had a lucky seed: whether it was beaten is for fresh seeds to say.
    """
    finished = [one for one in tried if one.ended == "finished"]
    others = [one for one in finished if one.settings != searched.start]
    if not finished:
        last = next((one.why for one in reversed(tried) if one.why), "all were cut short")
        raise RecipeError(
            f"none of {len(tried)} trials came to an end; the last one: {last}",
            hint="name a narrower space: --space optimizer.peak_lr=1e-4..1e-2:log",
        )
    sign = -1 if searched.measure == "error" else 1
    return max(
        others or finished, key=lambda one: sign * (one.value if one.value is not None else 0.0)
    )


def _changed(best: Tried, searched: SearchPlan) -> dict[str, Choice]:
    """Give what the winner has otherwise than the starting recipe; empty when it is that one."""
    return {} if best.settings == searched.start else best.settings


def _with_fresh_seeds(planned: Planned, settings: dict[str, Choice]) -> dict[str, Any]:
    """Train the winner and the starting recipe with seeds that no trial had, pair by pair."""
    if not settings:
        return {}
    job = planned.job
    start, winner = job.plan.recipe, with_settings(job.plan.recipe, settings)
    seeds = [(start.seed + 1 + number) % 2**32 for number in range(planned.search.seeds)]
    pairs: list[FreshPair] = []
    # One command at a time: the other finds what this one has trained.
    with locked(planned.storage.with_name(f".{planned.storage.name}-fresh.lock")):
        for seed in track(seeds, "training with fresh seeds", len(seeds)):
            one, other = (
                trained_once(
                    planned.dataset,
                    msgspec.structs.replace(recipe, seed=seed),
                    despite=job.plan.despite,
                )[0]
                for recipe in (winner, start)
            )
            pairs.append(
                FreshPair(
                    seed=seed,
                    runs=(one.name, other.name),
                    winner=measured_in(one, job.plan.measure),
                    start=measured_in(other, job.plan.measure),
                )
            )
    sign = -1 if job.plan.measure == "error" else 1
    gain = mean_of(
        [sign * (pair.winner - pair.start) for pair in pairs],
        step=step_of(planned.dataset, job.plan.measure),
    )
    return {"pairs": tuple(pairs), "gain": gain}
