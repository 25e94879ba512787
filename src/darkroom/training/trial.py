"""A curriculum beside a random order: pairs of trainings, and whether one of the two won."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from darkroom.data.dataset import Dataset
from darkroom.data.opening import open_dataset
from darkroom.data.split import split_dataset
from darkroom.errors import RecipeError
from darkroom.plots.curriculum import order_curves
from darkroom.progress import track
from darkroom.training.curriculum import difficulty
from darkroom.training.finished import trained_once
from darkroom.training.recipe import Curriculum, Recipe
from darkroom.training.repeats import Mean, mean_of
from darkroom.training.run import Run
from darkroom.training.studies import Measure, told_gain
from darkroom.training.study import step_of
from darkroom.wording import percent
from darkroom.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from darkroom.plots import Figure


class Pair(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two trainings that differ in the order of the images alone."""

    seed: int
    runs: tuple[str, str]  # names in the workspace: with the curriculum, in random order
    curriculum: tuple[float, ...]  # the measure on the validation part, for each epoch
    random: tuple[float, ...]


class CurriculumTrial(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a curriculum came to beside a random order."""

    dataset: str
    model: str
    curriculum: Curriculum
    measure: Measure  # of the validation part: a share, or the mean absolute error of a number
    pairs: tuple[Pair, ...]
    best: Mean  # how much better the curriculum's best epoch is than the other's; below 0: worse
    last: Mean  # the same of the last epoch

    @property
    def winner(self) -> Literal["curriculum", "random order"] | None:
        """Which best epochs are better; None: the interval of the difference holds 0."""
        if self.best.low is not None and self.best.low > 0:
            return "curriculum"
        if self.best.high is not None and self.best.high < 0:
            return "random order"
        return None

    def summary(self) -> str:
        """Say which of the two won, or that it cannot be told."""
        won = {
            "curriculum": "The curriculum won",
            "random order": "The random order won",
            None: "It cannot be told which is better",
        }[self.winner]
        return (
            f"{won}: with the curriculum {told_gain(self.measure, self.best)} in the best epoch, "
            f"{told_gain(self.measure, self.last)} in the last; {len(self.pairs)} pairs of "
            f"{self.model}"
        )

    @property
    def figure(self) -> Figure:
        """The mean curves of both, each with its spread over the pairs."""
        return order_curves(
            {
                "curriculum": [pair.curriculum for pair in self.pairs],
                "random order": [pair.random for pair in self.pairs],
            },
            what=f"validation {self.measure}",
            title=self.summary().partition(":")[0],
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{pair.seed}</td><td>{self._best(pair.curriculum)}</td>"
            f"<td>{self._best(pair.random)}</td></tr>"
            for pair in self.pairs
        )
        figure = self.figure
        return (
            f"<p>{html.escape(self.summary())}</p>"
            f'<img src="{figure.svg_uri()}" alt="{html.escape(figure.alternative)}">'
            f"<table><tr><th>seed</th><th>curriculum</th><th>random order</th></tr>{rows}</table>"
        )

    def _best(self, values: tuple[float, ...]) -> str:
        return f"{min(values):.4g}" if self.measure == "error" else percent(max(values))


def try_curriculum(
    dataset: Dataset | str | Path,
    recipe: Recipe,
    *,
    seeds: int = 3,
    despite: Iterable[str] = (),
    workspace: Workspace | None = None,
) -> CurriculumTrial:
    """Train with a curriculum and in random order, and say which is better.

    Each pair begins from the same weights, and differs in the order of the images alone. All runs
    stay in the workspace, and one that is finished already is taken, not trained again.

    Args:
        dataset: As `train` takes it.
        recipe: With a curriculum.
        seeds: Pairs, at least 2; the recipe's seed and those after it.
        despite: As in `train`.
        workspace: Where a dataset is opened.

    Returns:
        Every pair, and the mean differences with their 95 % intervals over the seeds. They say
        how far another seed may differ, not another validation part.

    Raises:
        RecipeError: The recipe has no curriculum, or there are fewer than 2 seeds.
        DataError: As `train`, or an image has no difficulty.

    Source: Bengio et al. 2009, doi:10.1145/1553374.1553380; a random order as the control, Hacohen
    and Weinshall 2019, arXiv:1904.03626.
    """
    if recipe.curriculum is None or seeds < 2:
        raise RecipeError(
            "a trial needs a curriculum and 2 seeds, got "
            + (f"{seeds}" if recipe.curriculum else "no curriculum"),
            hint="--set curriculum.difficulty=edges --seeds 3",
        )
    if not isinstance(dataset, Dataset):
        dataset = open_dataset(dataset, workspace=workspace)
    if not dataset.record.split:
        dataset = split_dataset(dataset)
    difficulty(dataset, recipe.curriculum)  # what is missing is told before anything is trained
    measure: Measure = "error" if dataset.task == "regression" else "accuracy"
    despite = tuple(despite)
    recipes = [
        msgspec.structs.replace(recipe, seed=(recipe.seed + number) % 2**32, curriculum=curriculum)
        for number in range(seeds)
        for curriculum in (recipe.curriculum, None)
    ]
    runs = [
        trained_once(dataset, each, despite=despite)[0]
        for each in track(recipes, "training", len(recipes))
    ]
    pairs = tuple(
        Pair(
            seed=eased.record.recipe.seed,
            runs=(eased.name, control.name),
            curriculum=_curve(eased, measure),
            random=_curve(control, measure),
        )
        for eased, control in zip(runs[::2], runs[1::2], strict=True)
    )
    best, last = compare_orders(pairs, measure, step=step_of(dataset, measure))
    return CurriculumTrial(
        dataset=dataset.name,
        model=runs[0].record.architecture.name,
        curriculum=recipe.curriculum,
        measure=measure,
        pairs=pairs,
        best=best,
        last=last,
    )


def compare_orders(pairs: Sequence[Pair], measure: Measure, *, step: float) -> tuple[Mean, Mean]:
    """Give how much better the curriculum is than random order, pair by pair.

    Args:
        pairs: At least one.
        measure: Of accuracy more is better, of an error less.
        step: That the measure is a multiple of, as `step_of` gives it.

    Returns:
        The mean difference of the best epochs and that of the last ones, above 0 where the
        curriculum is better.
    """
    better, sign = (min, -1) if measure == "error" else (max, 1)
    best = [sign * (better(pair.curriculum) - better(pair.random)) for pair in pairs]
    last = [sign * (pair.curriculum[-1] - pair.random[-1]) for pair in pairs]
    return mean_of(best, step=step), mean_of(last, step=step)


def _curve(run: Run, measure: Measure) -> tuple[float, ...]:
    values = (getattr(epoch, f"valid_{measure}") for epoch in run.history)
    return tuple(float(value) for value in values)
