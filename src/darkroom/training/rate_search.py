"""What a search for a learning rate found: every climb of the rate, and what to train with."""

from __future__ import annotations

import html
import statistics
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.plots.rates import rate_curves
from darkroom.training.repeats import Mean
from darkroom.training.valley import Valley, smooth

if TYPE_CHECKING:
    from darkroom.plots import Figure


class Climb(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One repeat: the loss while the rate climbed."""

    seed: int  # of the weights (those of a run stay), the order, the augmentation
    losses: tuple[float, ...]  # of every step until the loss exploded
    found: Valley


class Proof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the search began from, and what was there when it was over; sha256 in hex."""

    weights: tuple[str, str]  # of what the climbs copied, before and after
    files: tuple[str, str] | None = None  # of all files of the run; None: it began from no run

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was changed."""
        pairs = [self.weights, *([self.files] if self.files else [])]
        return all(before == after for before, after in pairs)


class RateSearch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a search for a learning rate found."""

    dataset: str
    began_from: str  # `fresh weights`, or the run whose weights were copied
    model: str
    optimizer: str
    rates: tuple[float, ...]  # of each step
    climbs: tuple[Climb, ...]
    valley: Mean | None  # the suggestion: five sixths down the slope; None: there is no valley
    steepest: Mean | None  # where the loss falls fastest
    proof: Proof

    @property
    def suggestion(self) -> float | None:
        """The highest learning rate to train with, to two digits; None: there is no valley."""
        return float(f"{self.valley.value:.2g}") if self.valley else None

    def summary(self) -> str:
        """Say what to train with, or why nothing can be said."""
        of = f"{len(self.climbs)} repeats of {self.optimizer}, {self.model}, {self.began_from}"
        if self.valley is None or self.steepest is None:
            return f"No valley in {self._without_valley()} of {of}: {self._why_not()}"
        gaps = self._without_valley()
        besides = f"; {gaps} of them had no valley" if gaps else ""
        return (
            f"Learning rate {_told(self.valley)} by the valley, {_told(self.steepest)} by the "
            f"steepest descent; {of}{besides}"
        )

    def _without_valley(self) -> int:
        return sum(climb.found.valley is None for climb in self.climbs)

    def _why_not(self) -> str:
        reasons = [climb.found.why_not for climb in self.climbs if climb.found.why_not]
        low, high = self.rates[0], self.rates[-1]
        return f"{statistics.mode(reasons)} between {low:.1g} and {high:.1g}"

    @property
    def figure(self) -> Figure:
        """The loss over the rate: every repeat, their median, and the suggestions."""
        curves = [np.asarray(climb.losses) for climb in self.climbs]
        marks = {"valley": self.valley, "steepest": self.steepest}
        return rate_curves(
            np.asarray(self.rates),
            curves,
            [smooth(curve, of=len(self.rates)) for curve in curves],
            marks={name: (m.value, m.low, m.high) for name, m in marks.items() if m},
            title=f"Loss of {self.model} over the learning rate of {self.optimizer}",
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{climb.seed}</td><td>{len(climb.losses)}</td>"
            f"<td>{_rate(climb.found.valley)}</td><td>{_rate(climb.found.steepest)}</td>"
            f"<td>{climb.found.why_not}</td></tr>"
            for climb in self.climbs
        )
        figure = self.figure
        return (
            f"<p>{html.escape(self.summary())}</p>"
            f'<img src="{figure.svg_uri()}" alt="{html.escape(figure.alternative)}">'
            "<table><tr><th>seed</th><th>steps</th><th>valley</th><th>steepest</th><th></th></tr>"
            f"{rows}</table>"
        )


def _told(mean: Mean) -> str:
    return f"{_rate(mean.value)} ({_rate(mean.low)} .. {_rate(mean.high)})"


def _rate(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"
