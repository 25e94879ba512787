"""The figure of a curriculum beside a random order."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import altair as alt

from darkroom.plots.figure import FIRST, SECOND, Figure, dressed

_COLOURS = [FIRST, SECOND]


def order_curves(
    curves: Mapping[str, Sequence[Sequence[float]]], *, what: str, title: str
) -> Figure:
    """Draw a quantity over the epochs for two orders of the images: mean, lowest and highest.

    Args:
        curves: Of each of two orders, one curve per training with a value per epoch. An epoch
            that not all trainings of an order came to is left out.
        what: The quantity; an accuracy is drawn in percent.
        title: One line above.
    """
    rows = [
        {
            "order": order,
            "epoch": number,
            "value": statistics.fmean(values),
            "low": min(values),
            "high": max(values),
        }
        for order, repeats in curves.items()
        for number, values in enumerate(zip(*repeats, strict=False), 1)
    ]
    axis = alt.Axis(format="%") if "accuracy" in what else alt.Axis()
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1, format="d"), title="epoch"),
        color=alt.Color(
            "order:N",
            title=None,
            scale=alt.Scale(domain=list(curves), range=_COLOURS),
            legend=alt.Legend(orient="top"),
        ),
    )
    scale = alt.Scale(zero=False)
    band = base.mark_area(opacity=0.15).encode(
        y=alt.Y("low:Q", title=what, axis=axis, scale=scale), y2="high:Q"
    )
    line = base.mark_line(point=alt.OverlayMarkDef(size=30), strokeWidth=2).encode(
        y=alt.Y("value:Q", title=what, axis=axis, scale=scale),
        tooltip=["order:N", "epoch:Q", alt.Tooltip("value:Q", format=".4f")],
    )
    last = {row["order"]: row["value"] for row in rows}
    ends = ", ".join(f"{order} {value:.3g}" for order, value in last.items())
    return Figure(
        dressed(alt.layer(band, line).properties(width=410, height=240), title),
        f"{what} over the epochs, mean and spread; at the end {ends or 'nothing'}",
    )
