"""Figures of studies and of a search for settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt

from darkroom.plots.figure import COLOURS, FIRST, INK, QUIET, SECOND, Figure, dressed
from darkroom.wording import counted, percent

Ends = tuple[float | None, float | None, float | None]  # value, low, high; None: not known

_SIDE = 240  # px


def batch_sizes(
    sizes: Sequence[int],
    measured: Sequence[Ends],
    images_per_s: Sequence[Ends],
    *,
    what: str,
    title: str,
) -> Figure:
    """Draw a measure and the speed against the batch size, side by side.

    Args:
        sizes: Batch sizes, the smallest first.
        measured: Of each.
        images_per_s: Of each.
        what: The measure; an accuracy is drawn in percent.
        title: One line above.
    """
    x = alt.X("size:O", title="batch size", axis=alt.Axis(labelAngle=0))
    panels = [
        _whiskered(_rows("size", sizes, measured), x, what, FIRST),
        _whiskered(_rows("size", sizes, images_per_s), x, "images/s", SECOND),
    ]
    told = ", ".join(
        f"{size}: {_read(of[0], what)}" for size, of in zip(sizes, measured, strict=True)
    )
    return Figure(
        dressed(alt.hconcat(*panels), title), f"{what} and images/s by batch size; {told}"
    )


def learning_curve(
    points: Sequence[tuple[float, float | None, float | None, float | None]],
    law: Sequence[tuple[float, float]],
    *,
    what: str,
    title: str,
) -> Figure:
    """Draw a measure against the number of training images, and where the curve would go.

    Args:
        points: Images, value and the ends of its interval.
        law: Points of the fitted curve; those beyond the images there are, are drawn dashed.
            Empty: none was fitted.
        what: The measure; an accuracy is drawn in percent.
        title: One line above.
    """
    sizes = [point[0] for point in points]
    x = alt.X(
        "images:Q",
        scale=alt.Scale(
            type="log",
            nice=False,
            domain=[0.9 * min(sizes, default=1), 2.1 * max(sizes, default=1)],
        ),
        axis=alt.Axis(format=",d", values=[*sizes, 2 * max(sizes, default=1)]),
        title="training images",
    )
    layers: list[alt.Chart | alt.LayerChart | alt.FacetChart] = []
    for is_beyond, dash in ((False, [1, 0]), (True, [4, 4])):
        rows = [
            {"images": images, "value": round(value, 5)}
            for images, value in law
            if images >= max(sizes) * 0.97 or not is_beyond
            if images <= max(sizes) * 1.03 or is_beyond
        ]
        layers.append(
            alt.Chart(alt.InlineData(values=rows))
            .mark_line(color=QUIET, strokeDash=dash, strokeWidth=1.5)
            .encode(x=x, y=_y(what))
        )
    layers.append(
        _whiskered(
            _rows("images", sizes, [point[1:] for point in points]), x, what, FIRST, line=False
        )
    )
    told = ", ".join(f"{point[0]:,.0f}: {_read(point[1], what)}" for point in points)
    end = f"; by the curve {_read(law[-1][1], what)} with {law[-1][0]:,.0f}" if law else ""
    return Figure(
        dressed(alt.layer(*layers).properties(width=410, height=_SIDE), title),
        f"{what} by training images; {told}{end}",
    )


def seed_spread(values: Mapping[int, float], mean: Ends, *, what: str, title: str) -> Figure:
    """Draw what each seed came to, with their mean and its interval.

    Args:
        values: By seed.
        mean: Of all.
        what: The measure; an accuracy is drawn in percent.
        title: One line above.
    """
    rows = [{"seed": seed, "value": round(value, 5)} for seed, value in values.items()]
    x = alt.X("seed:O", axis=alt.Axis(labelAngle=0))
    middle, low, high = mean
    ends = [{"low": low, "high": high, "middle": middle}] if None not in mean else []
    band = (
        alt.Chart(alt.InlineData(values=ends))
        .mark_rect(color=FIRST, opacity=0.15)
        .encode(y=alt.Y("low:Q", title=what), y2="high:Q")
    )
    rule = alt.Chart(alt.InlineData(values=ends)).mark_rule(color=FIRST).encode(y="middle:Q")
    dots = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_point(color=INK, filled=True, size=60, opacity=1)
        .encode(x=x, y=_y(what), tooltip=["seed:O", alt.Tooltip("value:Q", format=".4f")])
    )
    told = ", ".join(_read(value, what) for value in values.values())
    return Figure(
        dressed(alt.layer(band, rule, dots).properties(width=300, height=_SIDE), title),
        f"{what} of {counted(len(values), 'seed', 'seeds')}: {told}",
    )


def search_course(
    trials: Sequence[tuple[int, float, str]],
    importance: Mapping[str, float],
    *,
    what: str,
    title: str,
) -> Figure:
    """Draw what each trial of a search came to, the best so far, and which setting mattered.

    Args:
        trials: Number, value and how it ended, in the order of the numbers; of a trial that was
            cut short the best value until then.
        importance: Share of each setting; empty: it cannot be told, and nothing is drawn of it.
        what: The measure; an accuracy is drawn in percent.
        title: One line above.
    """
    better = max if "accuracy" in what else min
    rows = [{"trial": number, "value": value, "ended": ended} for number, value, ended in trials]
    best: list[dict[str, float]] = []
    for number, value, ended in trials:
        if ended == "finished":
            so_far = better(value, best[-1]["value"]) if best else value
            best.append({"trial": number, "value": so_far})
    words = ["finished", "cut short"]
    x = alt.X("trial:Q", axis=alt.Axis(tickMinStep=1, format="d"))
    dots = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_point(filled=True, size=50, opacity=0.9)
        .encode(
            x=x,
            y=_y(what),
            color=alt.Color(
                "ended:N",
                title=None,
                scale=alt.Scale(domain=words, range=[FIRST, COLOURS[6]]),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=["trial:Q", "ended:N", alt.Tooltip("value:Q", format=".4f")],
        )
    )
    line = (
        alt.Chart(alt.InlineData(values=best))
        .mark_line(interpolate="step-after", color=FIRST, strokeWidth=1.5)
        .encode(x=x, y=_y(what))
    )
    course = alt.layer(line, dots).properties(width=380, height=_SIDE)
    chart = alt.hconcat(course, _bars(importance)) if importance else course
    end = f", best {_read(best[-1]['value'], what)}" if best else ""
    return Figure(
        dressed(chart, title), f"{what} of {counted(len(trials), 'trial', 'trials')}{end}"
    )


def _bars(importance: Mapping[str, float]) -> alt.Chart:
    rows = [{"setting": name, "share": round(share, 4)} for name, share in importance.items()]
    bars: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(color=SECOND)
        .encode(
            x=alt.X("share:Q", axis=alt.Axis(format="%"), title="importance"),
            y=alt.Y("setting:N", sort=list(importance), title=None),
            tooltip=["setting:N", alt.Tooltip("share:Q", format=".0%")],
        )
        .properties(width=180, height=max(28 * len(rows), 60))
    )
    return bars


def _rows(name: str, places: Sequence[float], of: Sequence[Ends]) -> list[dict[str, float | None]]:
    return [
        {name: place, "value": value, "low": low, "high": high}
        for place, (value, low, high) in zip(places, of, strict=True)
        if value is not None
    ]


def _y(what: str) -> alt.Y:
    axis = alt.Axis(format="%") if "accuracy" in what else alt.Axis()
    return alt.Y("value:Q", title=what, axis=axis, scale=alt.Scale(zero=False))


def _whiskered(
    rows: Sequence[Mapping[str, float | None]],
    x: alt.X,
    what: str,
    colour: str,
    *,
    line: bool = True,
) -> alt.LayerChart | alt.FacetChart:
    """Draw values with the whiskers of their intervals; one value alone has none."""
    whole = alt.Chart(alt.InlineData(values=list(rows))).encode(x=x)
    with_ends = [row for row in rows if row["low"] is not None]
    whiskers = (
        alt.Chart(alt.InlineData(values=with_ends))
        .mark_rule(color=colour, strokeWidth=1.5)
        .encode(x=x, y=alt.Y("low:Q", title=what), y2="high:Q")
    )
    dots = whole.mark_point(color=colour, filled=True, size=60, opacity=1).encode(
        y=_y(what), tooltip=[alt.Tooltip("value:Q", format=".4f")]
    )
    lines = [whole.mark_line(color=colour, strokeWidth=1.5).encode(y=_y(what))] if line else []
    return alt.layer(*lines, whiskers, dots, width=230, height=_SIDE)


def _read(value: float | None, what: str) -> str:
    if value is None:
        return "not defined"
    return percent(value) if "accuracy" in what else f"{value:.4g}"
