"""The figure of a search for a learning rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from darkroom.plots.figure import FIRST, INK, QUIET, SECOND, Figure, dressed
from darkroom.wording import counted

if TYPE_CHECKING:
    from jaxtyping import Float

    Curve = Float[np.ndarray, "steps"]

_ROWS = 4_000  # drawn at most; Altair takes 5,000
_HEAD_ROOM = 0.6  # of the fall is drawn above the highest start; what explodes leaves the figure


def rate_curves(
    rates: Curve,
    losses: Sequence[Curve],
    smoothed: Sequence[Curve],
    *,
    marks: Mapping[str, tuple[float, float | None, float | None]],
    title: str,
) -> Figure:
    """Draw the loss over a climbing learning rate: each repeat, their median, the suggestions.

    Args:
        rates: Of each step, above 0.
        losses: Of each repeat; one that exploded is shorter than the rates.
        smoothed: The same without the noise.
        marks: A suggested rate with the ends of its interval, by how it was found.
        title: One line above.
    """
    step = max(-(-2 * len(losses) * len(rates) // _ROWS), 1)
    rows = [
        {"rate": rate, "loss": loss, "repeat": number, "kind": kind}
        for kind, curves in (("measured", losses), ("smoothed", smoothed))
        for number, curve in enumerate(curves, 1)
        for rate, loss in zip(rates[::step].tolist(), curve[::step].tolist(), strict=False)
    ]
    median = [
        {
            "rate": rate,
            "loss": float(np.median([curve[at] for curve in smoothed if at < len(curve)])),
        }
        for at, rate in enumerate(rates.tolist())
        if 2 * sum(at < len(curve) for curve in smoothed) > len(smoothed)
    ]
    low = min((float(curve.min()) for curve in losses if len(curve)), default=0.0)
    start = max((float(curve[:5].max()) for curve in losses if len(curve)), default=1.0)
    high = start + _HEAD_ROOM * max(start - low, 1e-3)
    layers = [_curves(rows, (low, high)), _line(median, INK, 2.5, (low, high))]
    for (name, (value, lower, upper)), colour in zip(marks.items(), (SECOND, FIRST), strict=False):
        layers += _mark(name, value, (lower or value, upper or value), colour)
    told = ", ".join(f"{name} at {value:.2g}" for name, (value, _, _) in marks.items())
    return Figure(
        dressed(alt.layer(*layers).properties(width=480, height=260), title),
        f"Loss over the learning rate, {counted(len(losses), 'repeat', 'repeats')}: "
        f"{told or 'no valley'}",
    )


def _curves(rows: list[dict[str, float | int | str]], ends: tuple[float, float]) -> alt.Chart:
    """Every repeat twice: a pale line as measured, a clearer one smoothed."""
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(clip=True, color=QUIET)
        .encode(
            x=_rate_axis(),
            y=_loss_axis(ends),
            detail="repeat:N",
            opacity=alt.Opacity(
                "kind:N",
                scale=alt.Scale(domain=["measured", "smoothed"], range=[0.2, 0.6]),
                legend=None,
            ),
            strokeWidth=alt.StrokeWidth(
                "kind:N",
                scale=alt.Scale(domain=["measured", "smoothed"], range=[1, 1.5]),
                legend=None,
            ),
            tooltip=[
                "repeat:N",
                alt.Tooltip("rate:Q", format=".3~g"),
                alt.Tooltip("loss:Q", format=".4~g"),
            ],
        )
    )
    return chart


def _line(
    rows: list[dict[str, float]], colour: str, width: float, ends: tuple[float, float]
) -> alt.Chart:
    base = alt.Chart(alt.InlineData(values=rows))
    line: alt.Chart = base.mark_line(clip=True, color=colour, strokeWidth=width)
    return line.encode(x=_rate_axis(), y=_loss_axis(ends))


def _mark(name: str, value: float, interval: tuple[float, float], colour: str) -> list[alt.Chart]:
    """A line at the suggestion with its name above, on a band as wide as its interval."""
    row = {"rate": value, "low": interval[0], "high": interval[1], "name": f"{name} {value:.2g}"}
    base = alt.Chart(alt.InlineData(values=[row]))
    band = base.mark_rect(color=colour, opacity=0.12, clip=True)
    rule = base.mark_rule(color=colour, strokeWidth=2, strokeDash=[5, 3])
    return [
        band.encode(x=_rate_axis("low"), x2="high:Q"),
        rule.encode(x=_rate_axis()),
        base.mark_text(
            color=colour, align="right", dx=-5, dy=-2, baseline="top", fontSize=12
        ).encode(x=_rate_axis(), y=alt.value(4 if name == "valley" else 20), text="name:N"),
    ]


def _rate_axis(column: str = "rate") -> alt.X:
    return alt.X(
        f"{column}:Q",
        title="learning rate",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(format=".0e", tickCount=8, grid=True),
    )


def _loss_axis(ends: tuple[float, float]) -> alt.Y:
    return alt.Y("loss:Q", title="loss", scale=alt.Scale(domain=list(ends), nice=True))
