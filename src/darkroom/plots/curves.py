"""Figures of what a threshold trades: ROC and precision-recall curves, one line per class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt

from darkroom.plots.figure import COLOURS, QUIET, Figure, dressed
from darkroom.wording import counted

Points = Sequence[tuple[float, float]]

_IN_COLOUR = 5  # lines told apart: those of the smallest areas
_ROWS = 1_400  # drawn at most, all lines together
_FEWEST = 8  # points of a line
_PALE, _OTHERS = "#b6bec7", "all others"
_SIDE = 320  # px


def roc_curves(curves: Mapping[str, Points], areas: Mapping[str, float | None]) -> Figure:
    """Draw how many images of each class are found at which share of false positives.

    The five classes of the smallest areas have a colour each, the others are pale.

    Args:
        curves: Of each class, false positive rate and true positive rate, 0..1.
        areas: Of each class, the area below its curve; None: not defined.
    """
    drawn = _Lines(curves, areas)
    chance = alt.Chart(alt.InlineData(values=[{"x": 0, "y": 0}, {"x": 1, "y": 1}]))
    diagonal = chance.mark_line(color=QUIET, strokeDash=[3, 3], strokeWidth=1).encode(
        x="x:Q", y="y:Q"
    )
    lines = drawn.chart("false positive rate", "true positive rate (recall)")
    return Figure(
        dressed(alt.layer(diagonal, lines).properties(width=_SIDE, height=_SIDE)),
        f"ROC curves of {drawn.told}",
    )


def precision_recall_curves(
    curves: Mapping[str, Points], areas: Mapping[str, float | None]
) -> Figure:
    """Draw how many images of each class are found at which precision.

    The five classes of the smallest areas have a colour each, the others are pale.

    Args:
        curves: Of each class, recall and precision, 0..1.
        areas: Of each class, its average precision; None: not defined.
    """
    drawn = _Lines(curves, areas)
    lines = drawn.chart("recall", "precision")
    return Figure(
        dressed(lines.properties(width=_SIDE, height=_SIDE)),
        f"precision-recall curves of {drawn.told}",
    )


class _Lines:
    """The rows of all lines, and which of them have a colour."""

    def __init__(self, curves: Mapping[str, Points], areas: Mapping[str, float | None]) -> None:
        known = {name: area for name, area in areas.items() if area is not None and name in curves}
        worst = sorted(known, key=lambda name: known[name])[:_IN_COLOUR]
        self._labels = {name: f"{name}  {known[name]:.3f}" for name in worst}
        self._has_others = len(known) > len(worst)
        most = max(_ROWS // max(len(known), 1), _FEWEST)
        pale = [name for name in known if name not in self._labels]
        self._rows = [
            {"class": name, "drawn": self._labels.get(name, _OTHERS), "step": step, "x": x, "y": y}
            for name in [*pale, *reversed(worst)][-_ROWS // _FEWEST :]
            for step, (x, y) in enumerate(_thinned(curves[name], most))
        ]
        ends = sorted(known.values())
        span = f", areas from {ends[0]:.3f} to {ends[-1]:.3f}" if ends else ""
        lowest = f"; the smallest is that of {worst[0]}" if worst else ""
        self.told = f"{counted(len(known), 'class', 'classes')}{span}{lowest}"

    def chart(self, x: str, y: str) -> alt.Chart:
        """Draw the pale lines first, the worst one last."""
        domain = [*self._labels.values(), *([_OTHERS] if self._has_others else [])]
        colours = [*COLOURS[: len(self._labels)], *([_PALE] if self._has_others else [])]
        ends, axis = alt.Scale(domain=[0, 1]), alt.Axis(format="%", tickCount=5)
        chart: alt.Chart = (
            # A tuple: the rows of a list would be copied with every change to the chart.
            alt.Chart(alt.InlineData(values=tuple(self._rows)))
            .mark_line(strokeWidth=1.8)
            .encode(
                x=alt.X("x:Q", title=x, scale=ends, axis=axis),
                y=alt.Y("y:Q", title=y, scale=ends, axis=axis),
                detail="class:N",
                color=alt.Color(
                    "drawn:N",
                    title="class and area",
                    scale=alt.Scale(domain=domain, range=colours),
                    legend=alt.Legend(orient="right", labelLimit=150, symbolStrokeWidth=3),
                ),
                order="step:Q",  # as they come: a line may go straight up
                tooltip=[
                    "class:N",
                    alt.Tooltip("x:Q", title=x, format=".1%"),
                    alt.Tooltip("y:Q", title=y, format=".1%"),
                ],
            )
        )
        return chart


def _thinned(points: Points, most: int) -> Points:
    """Take points at even distances, with both ends."""
    if len(points) <= most:
        return points
    steps = most - 1
    return [points[round(place * (len(points) - 1) / steps)] for place in range(most)]
