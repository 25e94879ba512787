"""Figures of a training."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from darkroom.plots.figure import FIRST, QUIET, SECOND, Figure, dressed

_POINTS = 200  # of a curve; more cannot be told apart


def learning_curves(
    train: Sequence[float], valid: Sequence[float], *, what: str, best: int | None = None
) -> Figure:
    """Draw a quantity over the epochs, for the training and the validation part.

    Args:
        train: One value per epoch.
        valid: One value per epoch.
        what: `loss` or `accuracy`; the latter is drawn in percent.
        best: The number of the epoch whose weights were kept, from 1.
    """
    rows = [
        {"epoch": number, "value": value, "part": part}
        for part, values in (("training", train), ("validation", valid))
        for number, value in enumerate(values, 1)
    ]
    axis = alt.Axis(format="%") if what == "accuracy" else alt.Axis()
    lines = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(point=alt.OverlayMarkDef(size=30), strokeWidth=2)
        .encode(
            x=alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1, format="d"), title="epoch"),
            y=alt.Y("value:Q", title=what, axis=axis, scale=alt.Scale(zero=False)),
            color=alt.Color(
                "part:N",
                title=None,
                scale=alt.Scale(domain=["training", "validation"], range=[FIRST, SECOND]),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=["part:N", "epoch:Q", alt.Tooltip("value:Q", format=".4f")],
        )
    )
    mark = (
        alt.Chart(alt.InlineData(values=[{"epoch": best}] if best else []))
        .mark_rule(strokeDash=[3, 3], color=QUIET)
        .encode(x="epoch:Q")
    )
    ends = f"{train[-1]:.3g} in training, {valid[-1]:.3g} in validation" if train else "no epoch"
    return Figure(
        dressed(alt.layer(lines, mark).properties(width=410, height=240)),
        f"{what} over {len(train)} epochs, at the end {ends}",
    )


def rate_curve(rates: Sequence[float], *, epochs: int) -> Figure:
    """Draw the learning rate over the epochs.

    Args:
        rates: Of every step that was made, at least one.
        epochs: How many these steps were.
    """
    steps, points = len(rates), min(len(rates), _POINTS)
    chosen = [round(point * (steps - 1) / max(points - 1, 1)) for point in range(points)]
    rows = [{"epoch": (step + 1) / steps * epochs, "rate": float(rates[step])} for step in chosen]
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(strokeWidth=2, color=FIRST)
        .encode(
            x=alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1, format="d"), title="epoch"),
            y=alt.Y("rate:Q", title="learning rate"),
            tooltip=[alt.Tooltip("epoch:Q", format=".2f"), alt.Tooltip("rate:Q", format=".3g")],
        )
    )
    return Figure(
        dressed(chart.properties(width=410, height=240)),
        f"learning rate over {epochs} epochs, at most {float(max(rates)):.3g}",
    )
