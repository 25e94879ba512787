"""Runs that are finished already: what was trained once is not trained again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from darkroom.backend import keras
from darkroom.data.checks import refuse_errors
from darkroom.data.dataset import Dataset
from darkroom.errors import DarkroomError
from darkroom.records import from_json
from darkroom.training.curriculum import RANKS, difficulty, kept_ranks
from darkroom.training.plan import plan
from darkroom.training.recipe import Recipe
from darkroom.training.record import RunRecord
from darkroom.training.run import Run, open_run
from darkroom.training.train import train


def find_finished(dataset: Dataset, planned: RunRecord) -> Run | None:
    """Look for a finished run of the same plan on the same dataset and the same kind of device.

    A run that a callback stopped is none: its recipe does not say what it came to.

    Args:
        dataset: The parent of the run, by its id.
        planned: As `plan` gives it.

    Returns:
        The newest, or None.
    """
    for path, manifest in dataset.workspace.artifacts("run"):
        if manifest.state != "closed" or manifest.parents[0].id != dataset.manifest.id:
            continue
        try:
            text = (path / "run.json").read_bytes()
            record = from_json(text, RunRecord, where=str(path / "run.json"))
            if _plan_of(record) == _plan_of(planned):
                run = open_run(path)
                if _came_to_its_end(run) and _is_ranked_as_now(run):
                    return run
        except (OSError, DarkroomError):
            continue  # damaged: it is trained again
    return None


def trained_once(
    dataset: Dataset,
    recipe: Recipe,
    *,
    despite: Iterable[str] = (),
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> tuple[Run, bool]:
    """Take the finished run of a recipe, or train one.

    Args:
        dataset: Split.
        recipe: As `train` takes it.
        despite: As `train` takes it.
        callbacks: As `train` takes them; they see nothing of a run that is taken.

    Returns:
        The run, and whether it was trained now.

    Raises:
        DataError: As `train`.
        RecipeError: As `train`.
    """
    despite = tuple(despite)
    planned = plan(dataset, recipe, refuse_errors(dataset, despite), despite)
    if (known := find_finished(dataset, planned)) is not None:
        return known, False
    return train(dataset, recipe, despite=despite, callbacks=callbacks), True


def _plan_of(record: RunRecord) -> tuple[object, ...]:
    return (
        record.recipe,
        record.pretrained,
        record.architecture,
        record.preprocess,
        record.classes,
        record.despite,
        record.device,
    )


def _is_ranked_as_now(run: Run) -> bool:
    """Tell whether a curriculum would take the same order; its table may have changed."""
    curriculum = run.record.recipe.curriculum
    if curriculum is None:
        return True
    if not (run.path / RANKS).exists():
        return False
    now = difficulty(run.dataset, curriculum)
    return bool((kept_ranks(run.path, run.dataset, curriculum) == now).all())


def _came_to_its_end(run: Run) -> bool:
    """Tell whether a run made all its epochs, or stopped by the patience of its own recipe."""
    if run.record.outcome == "finished":
        return True
    patience, best = run.record.recipe.patience, run.record.best_epoch
    return (
        run.record.outcome == "stopped early"
        and patience is not None
        and best is not None
        and len(run.history) - best >= patience
    )
