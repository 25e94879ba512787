"""Figures of an evaluation: what is taken for what, and rates with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from darkroom.intervals import Rate
from darkroom.plots.figure import COLOURS, FIRST, INK, QUIET, Figure, dressed
from darkroom.wording import counted, percent

_MOST_ROWS = 40
_LABEL_PX = 200  # that a name may take
_LETTER_PX = 7.0  # of a wide font: a page's may be wider than the one a still is drawn with


def confusion_matrix(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> Figure:
    """Draw how often each class was taken for each other one.

    Args:
        counts: Rows are true classes, columns what they were taken for.
        classes: Names in the order of both.
    """
    rows = [
        {
            "true": classes[true],
            "predicted": classes[predicted],
            "images": count,
            "share": count / max(sum(row), 1),
        }
        for true, row in enumerate(counts)
        for predicted, count in enumerate(row)
    ]
    side = max(220, min(640, 44 * len(classes)))
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X(
            "predicted:N",
            sort=list(classes),
            title="taken for",
            axis=alt.Axis(orient="top", labelAngle=0 if max(map(len, classes)) <= 4 else -45),
        ),
        y=alt.Y("true:N", sort=list(classes), title="true class"),
    )
    cells = base.mark_rect(stroke="white").encode(
        color=alt.Color(
            "share:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=["#f6f8fa", FIRST])
        ),
        tooltip=["true:N", "predicted:N", "images:Q", alt.Tooltip("share:Q", format=".1%")],
    )
    numbers = base.mark_text(fontSize=11).encode(
        text=alt.condition("datum.images > 0", "images:Q", alt.value("")),
        color=alt.condition("datum.share > 0.5", alt.value("white"), alt.value(INK)),
    )
    layers = (cells, numbers) if len(classes) <= 30 else (cells,)
    right = sum(row[place] for place, row in enumerate(counts))
    told = f"{right:,} of {sum(map(sum, counts)):,} images on the diagonal"
    return Figure(
        dressed(alt.layer(*layers).properties(width=side, height=side)),
        f"confusion matrix of {len(classes)} classes: {told}",
    )


def rate_intervals(
    series: Mapping[str, Mapping[str, Rate]], *, what: str, reference: float | None = None
) -> Figure:
    """Draw rates as dots on the whiskers of their intervals, one row per name, the lowest first.

    Of more than 40 names the 40 lowest are drawn, and the title says so. What is not defined has
    no dot.

    Args:
        series: Rates by name, under the word for each colour; at most seven words.
        what: The rate, in words.
        reference: A rate to compare with, drawn as a line; none when None.
    """
    named: dict[str, Rate] = {}
    for rates in series.values():
        named |= {name: rate for name, rate in rates.items() if name not in named}
    order = sorted(named, key=lambda name: _or_one(named[name].value))[:_MOST_ROWS]
    shown = set(order)
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "of": word,
            "rate": round(rate.value, 4),
            "low": round(rate.low or 0.0, 4),
            "high": round(_or_one(rate.high), 4),
        }
        for word, rates in series.items()
        for name, rate in rates.items()
        if name in shown and rate.value is not None
    ]
    title = f"The {_MOST_ROWS} lowest of {len(named):,}" if len(named) > _MOST_ROWS else ""
    ends = sorted((row["rate"], row["name"]) for row in rows)
    told = (
        f", from {percent(ends[0][0])} ({ends[0][1]}) to {percent(ends[-1][0])} ({ends[-1][1]})"
        if ends
        else ""
    )
    chart = _whiskers(rows, order, list(series), what, reference)
    return Figure(
        dressed(chart, title),
        f"{what} with intervals of {counted(len(order), 'row', 'rows')}{told}",
    )


def _whiskers(
    rows: list[dict[str, Any]],
    order: list[str],
    words: list[str],
    what: str,
    reference: float | None,
) -> alt.LayerChart | alt.FacetChart:
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y(
            "name:N",
            sort=order,
            title=None,
            axis=alt.Axis(
                labelLimit=_LABEL_PX,
                minExtent=min(_LETTER_PX * max(map(len, order), default=0), _LABEL_PX),
                domain=False,
                ticks=False,
                labelPadding=6,
            ),
        ),
        color=alt.Color(
            "of:N",
            title=None,
            scale=alt.Scale(domain=words, range=list(COLOURS[: len(words)])),
            legend=alt.Legend(orient="top", symbolOpacity=1, columnPadding=24)
            if len(words) > 1
            else None,
        ),
        tooltip=[
            alt.Tooltip("name:N", title="of"),
            alt.Tooltip("of:N", title="what"),
            alt.Tooltip("rate:Q", title=what, format=".1%"),
            alt.Tooltip("low:Q", title="from", format=".1%"),
            alt.Tooltip("high:Q", title="to", format=".1%"),
        ],
    )
    is_shared = len({row["name"] for row in rows}) < len(rows)
    if is_shared:  # several rates of one name stand below each other
        base = base.encode(yOffset=alt.YOffset("of:N", sort=words))
    scale, axis = alt.Scale(zero=False, nice=True), alt.Axis(format="%", tickCount=6)
    layers: list[alt.Chart] = [
        base.mark_rule(strokeWidth=2, opacity=0.55).encode(
            x=alt.X("low:Q", title=what, scale=scale, axis=axis), x2="high:Q"
        ),
        base.mark_point(filled=True, size=48, opacity=1).encode(x="rate:Q"),
    ]
    if reference is not None:
        line = alt.Chart(alt.InlineData(values=[{"rate": reference}]))
        layers.insert(0, line.mark_rule(color=QUIET, strokeDash=[4, 3]).encode(x="rate:Q"))
    step = (24 if is_shared else 21) if len(order) <= 20 else 16
    height = alt.Step(step, **{"for": "position"})
    return alt.layer(*layers).properties(width=410, height=height)


def _or_one(share: float | None) -> float:
    return 1.0 if share is None else share
