"""What a search came to: its trials, the winner, and whether the winner is believed."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from darkroom.errors import RecipeError
from darkroom.plots.studies import search_course
from darkroom.training.recipe import Recipe
from darkroom.training.repeats import Mean
from darkroom.training.space import Choice, Range, as_typed, with_settings
from darkroom.training.studies import Measure, told_gain
from darkroom.wording import counted

if TYPE_CHECKING:
    from darkroom.plots import Figure

Pruning = Literal["percentile", "median", "hyperband", "none"]
Ended = Literal["finished", "cut short", "failed"]


class Search(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a search goes about it."""

    workers: int = 1  # processes that train at the same time
    pruning: Pruning = "percentile"  # which trials are cut short
    seeds: int = 4  # fresh ones, with which the winner and the starting recipe are trained again
    seed: int = 0  # of the search itself; the trials share the recipe's
    storage: str | None = None  # an SQLite file; None: in the workspace, named by what is searched

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise RecipeError(f"{self.workers} workers are none", hint="--workers 1")
        if self.seeds < 2:
            raise RecipeError(
                f"{self.seeds} fresh seeds have no interval, and nothing can be believed",
                hint="--seeds 4",
            )


class SearchPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is searched: two searches of the same plan are one."""

    SCHEMA: ClassVar[int] = 1

    dataset: str  # its id
    recipe: Recipe  # the starting one, with its epochs settled
    space: dict[str, Range | tuple[Choice, ...]]
    start: dict[str, Choice] | None = None  # the starting recipe as a point; None: not in it
    measure: Measure  # of the validation part: a share, or the mean absolute error of a number
    epochs: int  # of the starting recipe
    pruning: Pruning
    despite: tuple[str, ...]


class Tried(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One trial that is over."""

    number: int  # from 0
    settings: dict[str, Choice]
    ended: Ended
    value: float | None  # of the validation part; cut short: the best until then; None: no epoch
    epochs: int  # that were judged
    run: str = ""  # its name in the workspace
    why: str = ""  # it failed


class FreshPair(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The winner and the starting recipe, trained with a seed that no trial had."""

    seed: int
    runs: tuple[str, str]  # names in the workspace: the winner, the starting recipe
    winner: float
    start: float


class Tuning(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a search found, and what it came to with fresh seeds."""

    name: str  # of the storage
    model: str
    plan: SearchPlan
    trials: tuple[Tried, ...]
    best: int  # the number of the trial that won
    settings: dict[str, Choice]  # of the winner; empty: the starting recipe won
    importance: dict[str, float]  # share of each setting; empty: see `notes`
    pairs: tuple[FreshPair, ...] = ()
    gain: Mean | None = None  # of the winner over the start, pair by pair; below 0: worse
    notes: tuple[str, ...] = ()

    @property
    def is_believed(self) -> bool:
        """Whether the winner is better with fresh seeds too: all of the interval is above 0."""
        return self.gain is not None and self.gain.low is not None and self.gain.low > 0

    @property
    def recipe(self) -> Recipe:
        """The recipe to go on with: the winner when it is believed, else the starting one."""
        recipe = self.plan.recipe
        return with_settings(recipe, self.settings) if self.is_believed else recipe

    @property
    def typed(self) -> list[str]:
        """The winner's settings in the way of `--set`."""
        return as_typed(self.settings)

    def summary(self) -> str:
        """Say whether there is a winner, and whether it is believed."""
        cut = sum(one.ended == "cut short" for one in self.trials)
        failed = sum(one.ended == "failed" for one in self.trials)
        told = f"{counted(len(self.trials), 'trial', 'trials')} of {self.model}, {cut} cut short"
        told += f", {failed} failed" if failed else ""
        if self.gain is None:
            return f"No trial was better than the starting recipe; {told}"
        return (
            f"The winner is {'' if self.is_believed else 'not '}believed: with fresh seeds "
            f"{told_gain(self.plan.measure, self.gain)} than the "
            f"starting recipe, in {len(self.pairs)} pairs; {told}; {', '.join(self.typed)}"
        )

    @property
    def figure(self) -> Figure:
        """Every trial, the best so far, and the importance of each setting."""
        return search_course(
            [
                (one.number, one.value, one.ended)
                for one in self.trials
                if one.value is not None and one.ended != "failed"
            ],
            self.importance,
            what=f"validation {self.plan.measure}",
            title=self.summary().partition(":")[0].partition(";")[0],
        )

    def _repr_html_(self) -> str:
        names = list(self.plan.space)
        rows = "".join(
            f"<tr><td>{one.number}{' *' if one.number == self.best else ''}</td>"
            + "".join(f"<td>{html.escape(str(one.settings.get(name, '')))}</td>" for name in names)
            + f"<td>{'' if one.value is None else f'{one.value:.4g}'}</td><td>{one.ended}</td></tr>"
            for one in self.trials
        )
        figure = self.figure
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        return (
            f"<p>{html.escape(self.summary())}</p>"
            f'<img src="{figure.svg_uri()}" alt="{html.escape(figure.alternative)}">'
            f"<table><tr><th>trial</th>{head}<th>validation {self.plan.measure}</th><th></th></tr>"
            f"{rows}</table>"
        )
