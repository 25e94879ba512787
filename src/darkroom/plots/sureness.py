"""Figures of how sure answers are: calibration, giving no answer, costs, and what is unknown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from darkroom.intervals import Rate
from darkroom.plots.figure import COLOURS, FIRST, QUIET, SECOND, Figure, dressed
from darkroom.wording import counted, percent

Bins = Sequence[tuple[float, Rate]]  # mean confidence, and the share that was right
# Threshold, false positive and negative rate (None: not defined), cost.
Rates = tuple[float, float | None, float | None, float]

_SIDE = 300  # px
_WIDTH, _HEIGHT = 410, 240  # px
_MOST_LINES = 6
_AS_IT_ANSWERS, _BEFORE = "as it answers", "before the temperature"


def reliability_diagram(bins: Bins, before: Bins = ()) -> Figure:
    """Draw how often answers of each confidence are right; honest ones lie on the diagonal.

    Args:
        bins: Groups of answers of like confidence; larger circles stand for more answers.
        before: The same without the temperature; empty when there is none.
    """
    rows: list[dict[str, Any]] = [
        {
            "of": word,
            "confidence": round(confidence, 4),
            "right": round(rate.value, 4),
            "low": round(rate.low or 0.0, 4),
            "high": round(1.0 if rate.high is None else rate.high, 4),
            "answers": rate.of or 0,
        }
        for word, groups in ((_BEFORE, before), (_AS_IT_ANSWERS, bins))
        for confidence, rate in groups
        if rate.value is not None
    ]
    words = [_AS_IT_ANSWERS, _BEFORE] if before else [_AS_IT_ANSWERS]
    dashes = alt.Scale(domain=words, range=[[1, 0], [4, 3]][: len(words)])
    legend = alt.Legend(orient="top", symbolOpacity=1, columnPadding=24) if before else None
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=_x("confidence", "confidence"),
        color=alt.Color(
            "of:N",
            title=None,
            scale=alt.Scale(domain=words, range=[FIRST, QUIET][: len(words)]),
            legend=legend,
        ),
        tooltip=[
            alt.Tooltip("of:N", title="measured"),
            alt.Tooltip("confidence:Q", format=".1%"),
            alt.Tooltip("right:Q", title="right", format=".1%"),
            alt.Tooltip("answers:Q", format=","),
        ],
    )
    title = "share that is right"
    sizes = alt.Size("answers:Q", scale=alt.Scale(range=[16, 180]), legend=None)
    layers = [
        _diagonal(),
        base.mark_rule(opacity=0.45, strokeWidth=1.5).encode(y=_y("low", title), y2="high:Q"),
        base.mark_line(strokeWidth=2).encode(
            y=_y("right", title),
            strokeDash=alt.StrokeDash("of:N", title=None, scale=dashes, legend=legend),
        ),
        base.mark_circle(opacity=0.9).encode(y=_y("right", title), size=sizes),
    ]
    last = [row for row in rows if row["of"] == _AS_IT_ANSWERS][-1:]
    told = "".join(
        f"; the surest are right in {percent(row['right'])} at a confidence of "
        f"{percent(row['confidence'])}"
        for row in last
    )
    return Figure(
        dressed(alt.layer(*layers).properties(width=_SIDE, height=_SIDE)),
        f"reliability diagram of {counted(len(bins), 'group', 'groups')} of answers{told}",
    )


def coverage_curve(
    points: Sequence[tuple[float, float, float]], *, chosen: float | None = None
) -> Figure:
    """Draw how many answers are right when only the surest are given.

    Args:
        points: Threshold, share of images that get an answer, share of these that is right.
        chosen: The threshold in force, marked by a dot; None: every image gets an answer.
    """
    rows = [
        {"threshold": round(at, 4), "answered": round(answered, 4), "right": round(right, 4)}
        for at, answered, right in points
    ]
    floor = math.floor(20 * min((row["right"] for row in rows), default=0.0) - 0.5) / 20
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X(
            "answered:Q",
            title="share of images that get an answer",
            axis=alt.Axis(format="%", tickCount=6),
            scale=alt.Scale(domain=[0, 1]),
        ),
        y=alt.Y(
            "right:Q",
            title="share of answers that is right",
            axis=alt.Axis(format="%", tickCount=6),
            scale=alt.Scale(domain=[max(floor, 0.0), 1]),
        ),
        tooltip=[
            alt.Tooltip("threshold:Q", title="answers from", format=".1%"),
            alt.Tooltip("answered:Q", format=".1%"),
            alt.Tooltip("right:Q", format=".1%"),
        ],
    )
    layers = [base.mark_line(color=FIRST, strokeWidth=2, point=alt.OverlayMarkDef(size=14))]
    if chosen is not None and rows:
        nearest = min(rows, key=lambda row: abs(row["threshold"] - chosen))
        dot = base.properties(data=alt.InlineData(values=[nearest]))
        layers.append(dot.mark_point(filled=True, size=130, color=SECOND, opacity=1))
    all_of, most = rows[:1], max(rows, key=lambda row: row["right"], default=None)
    told = "".join(f", {percent(row['right'])} when all are answered" for row in all_of)
    if most:
        told += f", {percent(most['right'])} when {percent(most['answered'])} are"
    return Figure(
        dressed(alt.layer(*layers).properties(width=_WIDTH, height=_HEIGHT)),
        f"share of right answers over the share answered{told}",
    )


def cost_trade_off(curves: Mapping[str, Sequence[Rates]], chosen: Mapping[str, float]) -> Figure:
    """Draw what each threshold costs, and where the chosen one lies.

    Of one class both rates of errors are drawn too. Of more than six those are drawn whose
    threshold is worth most; the title says so.

    Args:
        curves: Of each class, its points by threshold, 0..1; costs in ordinary errors per image.
        chosen: The threshold in force of each.
    """
    spans = {
        name: max((point[3] for point in points), default=0.0)
        - min((point[3] for point in points), default=0.0)
        for name, points in curves.items()
    }
    drawn = sorted(spans, key=lambda name: -spans[name])[:_MOST_LINES]
    rows: list[dict[str, Any]] = [
        {"class": name, "threshold": round(at, 4), "cost": round(cost, 5)}
        for name in drawn
        for at, _, _, cost in curves[name]
    ]
    dots = [
        min(
            (row for row in rows if row["class"] == name),
            key=lambda row: abs(row["threshold"] - chosen[name]),
        )
        for name in drawn
        if name in chosen and curves[name]
    ]
    x = alt.X("threshold:Q", title="threshold", scale=alt.Scale(domain=[0, 1]))
    colour = alt.Color(
        "class:N",
        title=None,
        scale=alt.Scale(domain=drawn, range=list(COLOURS[: len(drawn)])),
        legend=alt.Legend(orient="top") if len(drawn) > 1 else None,
    )
    tooltip = [
        alt.Tooltip("class:N"),
        alt.Tooltip("threshold:Q", format=".3f"),
        alt.Tooltip("cost:Q"),
    ]
    costs = [
        alt.Chart(alt.InlineData(values=of)).encode(
            x=x, y=alt.Y("cost:Q", title="cost per image"), color=colour, tooltip=tooltip
        )
        for of in (rows, dots)
    ]
    panel = alt.layer(
        costs[0].mark_line(strokeWidth=2),
        costs[1].mark_point(filled=True, size=130, opacity=1),
    )
    told = "; ".join(f"{row['class']} {row['cost']:.3g} at {row['threshold']:.3g}" for row in dots)
    title = f"The {_MOST_LINES} of {len(curves):,} classes that it matters most for"
    chart: alt.LayerChart | alt.FacetChart | alt.HConcatChart = panel.properties(
        width=_WIDTH, height=_HEIGHT
    )
    if len(drawn) == 1:
        half = {"width": (_WIDTH - 30) // 2, "height": _HEIGHT}
        errors = _errors(curves[drawn[0]], chosen.get(drawn[0]))
        panels = (errors.properties(**half), panel.properties(**half))
        chart = alt.hconcat(*panels, spacing=24).resolve_scale(color="independent")
    return Figure(
        dressed(chart, title if len(curves) > len(drawn) else ""),
        f"cost per image over the threshold: {told or 'nothing to draw'}",
    )


def _errors(points: Sequence[Rates], chosen: float | None) -> alt.LayerChart | alt.FacetChart:
    """Both rates of errors over the threshold, with a line at the chosen one."""
    words = ["false positive rate", "false negative rate"]
    rows = [
        {"threshold": round(at, 4), "rate": round(rate, 4), "what": word}
        for place, word in enumerate(words)
        for at, *rates, _ in points
        if (rate := rates[place]) is not None
    ]
    lines = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("threshold:Q", title="threshold", scale=alt.Scale(domain=[0, 1])),
            y=_y("rate", "rate"),
            color=alt.Color(
                "what:N",
                title=None,
                scale=alt.Scale(domain=words, range=[FIRST, SECOND]),
                legend=alt.Legend(orient="top", direction="vertical"),
            ),
            tooltip=["what:N", "threshold:Q", alt.Tooltip("rate:Q", format=".1%")],
        )
    )
    marks = [] if chosen is None else [{"threshold": chosen}]
    rule = alt.Chart(alt.InlineData(values=marks)).mark_rule(strokeDash=[3, 3], color=QUIET)
    return alt.layer(lines, rule.encode(x="threshold:Q"))


def unknown_trade_off(
    points: Sequence[tuple[float, float]], *, chosen: tuple[float, float] | None = None
) -> Figure:
    """Draw how much of what is unknown is caught at which share of false alarms.

    Args:
        points: Share of known images taken for unknown, and share of unknown ones caught.
        chosen: Both at the threshold in force; None: there is none.
    """
    rows = [
        {"step": step, "alarms": round(alarms, 4), "caught": round(caught, 4)}
        for step, (alarms, caught) in enumerate(points)
    ]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=_x("alarms", "false alarms: known images taken for unknown"),
        y=_y("caught", "unknown images caught"),
        order="step:Q",
        tooltip=[
            alt.Tooltip("alarms:Q", title="false alarms", format=".1%"),
            alt.Tooltip("caught:Q", format=".1%"),
        ],
    )
    layers = [_diagonal(), base.mark_line(color=FIRST, strokeWidth=2)]
    told = ""
    if chosen is not None:
        dot = base.properties(
            data=alt.InlineData(values=[{"alarms": chosen[0], "caught": chosen[1]}])
        )
        layers.append(dot.mark_point(filled=True, size=130, color=SECOND, opacity=1))
        told = f": at {percent(chosen[0])} of false alarms {percent(chosen[1])} are caught"
    return Figure(
        dressed(alt.layer(*layers).properties(width=_SIDE, height=_SIDE)),
        f"unknown images caught over false alarms{told}",
    )


def _x(column: str, title: str) -> alt.X:
    return alt.X(f"{column}:Q", title=title, **_of_shares())


def _y(column: str, title: str) -> alt.Y:
    return alt.Y(f"{column}:Q", title=title, **_of_shares())


def _of_shares() -> dict[str, Any]:
    return {"scale": alt.Scale(domain=[0, 1]), "axis": alt.Axis(format="%", tickCount=6)}


def _diagonal() -> alt.Chart:
    ends = [{"x": 0, "y": 0}, {"x": 1, "y": 1}]
    line: alt.Chart = (
        alt.Chart(alt.InlineData(values=ends))
        .mark_line(color=QUIET, strokeDash=[3, 3], strokeWidth=1)
        .encode(x="x:Q", y="y:Q")
    )
    return line
