"""`study`: a small grid of ordinary runs that differ in one thing, and what it does."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import get_args

import msgspec

from darkroom.data.checks import refuse_errors
from darkroom.data.dataset import Dataset
from darkroom.data.opening import open_dataset
from darkroom.data.split import split_dataset
from darkroom.data.subset import training_subset
from darkroom.errors import RecipeError, nearest
from darkroom.progress import track
from darkroom.training.finished import find_finished, trained_once
from darkroom.training.plan import plan
from darkroom.training.recipe import Recipe, given_recipe
from darkroom.training.record import RunRecord
from darkroom.training.run import Run
from darkroom.training.studies import Measure, Study, StudyName, StudyRun, conclude

Values = Sequence[int | float] | None
Ask = Callable[[float], None]  # given the seconds that are left, raises when that is too long

_SHARES = (0.125, 0.25, 0.5, 1.0)  # of the training part
_FACTORS = (0.25, 0.5, 1, 2, 4)  # of the batch size that the recipe is settled with
_LEAST_BATCH = 4  # images
_DIFFERENT = {"batch-size": 2, "data-size": 3}  # of fewer sizes there is no learning curve
_SEEDS = {"batch-size": 3, "data-size": 3, "seeds": 5}


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One training of a grid."""

    value: int
    dataset: Dataset
    recipe: Recipe


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """All trainings of a study, in their order: every value with one seed, then with the next."""

    what: StudyName
    dataset: Dataset
    model: str
    cells: tuple[Cell, ...]
    despite: tuple[str, ...]

    def waiting(self) -> int:
        """Count the trainings that are not finished already."""
        return sum(_find(self, cell) is None for cell in self.cells)


def study(
    dataset: Dataset | str | Path,
    recipe: Recipe | None = None,
    what: StudyName = "seeds",
    *,
    values: Values = None,
    seeds: int | None = None,
    despite: Iterable[str] = (),
) -> Study:
    """Train a small grid that varies one thing, and say what it does.

    Runs of the same recipe on the same images that are finished already are taken, not trained
    again; so a study that was stopped goes on when it is called again.

    Args:
        dataset: As `train` takes it.
        recipe: The starting one. What it leaves open is settled once, for all images.
        what: `batch-size`: accuracy and images/s against the batch size, all else equal, the
            learning rate too. `data-size`: a learning curve over nested shares of the training
            part, each trained for as many steps as the whole. `seeds`: the same again and again.
        values: Batch sizes, or shares of the training part in 0..1; None: usual ones.
        seeds: Repeats of each value: the recipe's seed and those after it; None: 3, of `seeds` 5.
        despite: As in `train`.

    Returns:
        Every run and a mean for each value with its 95 % interval over the seeds. It says how far
        another seed may differ, not another validation part.

    Raises:
        RecipeError: There is no such study, or a value does not fit.
        DataError: As `train`.

    Source: the learning curve, Cortes et al. 1993, and Hestness et al. 2017, arXiv:1712.00409.
    """
    return run_study(plan_study(dataset, recipe, what, values=values, seeds=seeds, despite=despite))


def plan_study(
    dataset: Dataset | str | Path,
    recipe: Recipe | None = None,
    what: StudyName = "seeds",
    *,
    values: Values = None,
    seeds: int | None = None,
    despite: Iterable[str] = (),
) -> Grid:
    """Lay out the trainings of a study; nothing is trained.

    Args:
        dataset: As `study` takes it.
        recipe: As `study` takes it.
        what: As `study` takes it.
        values: As `study` takes them.
        seeds: As `study` takes them.
        despite: As in `train`.

    Raises:
        RecipeError: As `study`.
        DataError: As `train`.
    """
    if what not in get_args(StudyName):
        raise RecipeError(
            f"there is no study `{what}`",
            hint=f"did you mean {nearest(what, get_args(StudyName))}?",
        )
    repeats = _SEEDS[what] if seeds is None else seeds
    _refuse_grid(what, values, repeats)
    if not isinstance(dataset, Dataset):
        dataset = open_dataset(dataset)
    if not dataset.record.split:
        dataset = split_dataset(dataset)
    despite = tuple(despite)
    settled = plan(dataset, given_recipe(recipe), refuse_errors(dataset, despite), despite)
    cells = tuple(
        cell
        for number in range(repeats)
        for cell in _cells(dataset, settled, what, values, (settled.recipe.seed + number) % 2**32)
    )
    return Grid(
        what=what,
        dataset=dataset,
        model=settled.architecture.name,
        cells=cells,
        despite=despite,
    )


def run_study(grid: Grid, *, ask: Ask | None = None) -> Study:
    """Train what is missing of a grid, and conclude.

    Args:
        grid: As `plan_study` gives it.
        ask: Called once, after the first training, with the seconds that the others will take
            about; it may raise to stop the study, and what was trained stays.

    Raises:
        RecipeError: No training came to an end.
        DataError: As `train`.
    """
    measure: Measure = "error" if grid.dataset.task == "regression" else "accuracy"
    waiting = grid.waiting() if ask else 0
    runs: list[StudyRun] = []
    left_out: list[str] = []
    refused: RecipeError | None = None
    for cell in track(grid.cells, "training", len(grid.cells)):
        began = time.monotonic()
        try:
            run, is_new = trained_once(cell.dataset, cell.recipe, despite=grid.despite)
        except RecipeError as wrong:  # this value cannot be trained; others may
            refused = wrong
            left_out.append(f"{grid.what} {cell.value}: {wrong.problem}")
            continue
        runs.append(_as_study_run(run, cell, measure))
        if ask is not None and is_new:
            ask((waiting - 1) * (time.monotonic() - began))
            ask = None
    if refused is not None and not runs:
        raise refused
    return conclude(
        grid.what,
        runs,
        dataset=grid.dataset.name,
        model=grid.model,
        measure=measure,
        left_out=tuple(dict.fromkeys(left_out)),
    )


def speed_of(run: Run) -> float | None:
    """Give the images/s of a run; None when the only epoch it made was compiled in as well."""
    speeds = [pace.images_per_s for pace in run.pace[1:]]
    return statistics.median(speeds) if speeds else None


def measured_in(run: Run, measure: Measure) -> float:
    """Give what a run came to on the validation part, at the epoch that was kept."""
    return float(getattr(run.best, f"valid_{measure}"))


def step_of(dataset: Dataset, measure: Measure) -> float:
    """Give what a measure of the validation part is a multiple of: one image, or one label."""
    if measure == "error":
        return 0.0
    labels = len(dataset.classes) if dataset.task == "multi-label" else 1
    return 1 / (dataset.counts["valid"] * labels)


def _refuse_grid(what: StudyName, values: Values, repeats: int) -> None:
    """Refuse what would tell nothing after all trainings, before the first."""
    if what == "seeds" and values is not None:
        raise RecipeError(
            f"a study of seeds takes a number of seeds and no values, got {list(values)}",
            hint="--seeds 5",
        )
    if repeats < (least := 2 if what == "seeds" else 1):
        raise RecipeError(
            f"a study of {what} needs {least} seeds or more, got {repeats}", hint="--seeds 5"
        )
    if values is None:
        return
    usual = "16,32,64" if what == "batch-size" else "0.25,0.5,1"
    odd = [value for value in values if value < 1 or not float(value).is_integer()]
    if what == "batch-size" and odd:
        raise RecipeError(
            f"a batch has a whole number of images, 1 or more, not {odd[0]:g}",
            hint=f"--values {usual}",
        )
    if len(set(values)) < _DIFFERENT[what]:
        raise RecipeError(
            f"a study of {what} needs {_DIFFERENT[what]} different values or more, got "
            f"{', '.join(f'{value:g}' for value in values)}",
            hint=f"--values {usual}",
        )


def _cells(
    dataset: Dataset, settled: RunRecord, what: StudyName, values: Values, seed: int
) -> list[Cell]:
    recipe = msgspec.structs.replace(settled.recipe, seed=seed)
    if what == "seeds":
        return [Cell(value=seed, dataset=dataset, recipe=recipe)]
    if what == "batch-size":
        sizes = _batch_sizes(settled) if values is None else [*map(int, dict.fromkeys(values))]
        return [
            Cell(
                value=size, dataset=dataset, recipe=msgspec.structs.replace(recipe, batch_size=size)
            )
            for size in sizes
        ]
    cells = []
    for share in _SHARES if values is None else dict.fromkeys(values):
        subset = training_subset(dataset, float(share), seed=seed)
        images = subset.counts["train"]
        shrunk = _as_many_steps(recipe, settled.images, images)
        cells.append(Cell(value=images, dataset=subset, recipe=shrunk))
    return cells


def _batch_sizes(settled: RunRecord) -> list[int]:
    """Give the usual batch sizes around the settled one; several devices share each."""
    usual, devices = settled.recipe.batch_size or 1, settled.device.devices
    sizes = {round(usual * factor / devices) * devices for factor in _FACTORS}
    return sorted(size for size in sizes if _LEAST_BATCH <= size <= settled.images)


def _as_many_steps(recipe: Recipe, images: int, fewer: int) -> Recipe:
    """Let a training of fewer images make as many steps as that of all, in more epochs.

    In as many epochs it would make fewer steps, and lack time as well as images.
    """
    batch = min(recipe.batch_size or 1, fewer)
    steps = (recipe.epochs or 1) * -(-images // (recipe.batch_size or 1))
    return msgspec.structs.replace(
        recipe, batch_size=batch, epochs=max(round(steps / -(-fewer // batch)), 1)
    )


def _find(grid: Grid, cell: Cell) -> Run | None:
    findings = refuse_errors(cell.dataset, grid.despite)
    try:
        return find_finished(cell.dataset, plan(cell.dataset, cell.recipe, findings, grid.despite))
    except RecipeError:
        return None  # told when it is its turn


def _as_study_run(run: Run, cell: Cell, measure: Measure) -> StudyRun:
    return StudyRun(
        value=cell.value,
        seed=cell.recipe.seed,
        run=run.name,
        measured=measured_in(run, measure),
        step=step_of(cell.dataset, measure),
        images_per_s=speed_of(run),
        seconds=sum(pace.seconds for pace in run.pace),
    )
