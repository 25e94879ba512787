"""Figures of what is measured on images: how a measure is spread, and the values of pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from darkroom.plots.figure import COLOURS, FIRST, INK, SECOND, Figure, dressed
from darkroom.wording import counted

if TYPE_CHECKING:
    from jaxtyping import Float

_BINS = 40
_MOST_GROUPS = 60  # with a row each; of more, the 30 lowest and the 30 highest
_TAIL = 0.995  # of the images; the rest stand in the last bin when they would squeeze all others
_CHANNELS = {3: ("red", "green", "blue"), 1: ("grey",)}
_DASHES = ([1, 0], [6, 3], [2, 2])


def measure_histogram(
    values: Mapping[str, Float[np.ndarray, "images"]], *, what: str, unit: str = ""
) -> Figure:
    """Draw how a measure is spread, one line per group, each a share of its own group.

    A few far outliers would squeeze everything else; they are put into the last bin, and the
    title says how many.

    Args:
        values: Of each group (a part, say), the measure of its images; NaN is left out.
        what: The name of the measure.
        unit: Its unit, if it has one.
    """
    kept = {group: _finite(of) for group, of in values.items()}
    pooled = np.concatenate([*kept.values(), np.zeros(0)])
    fewest = min((len(of) for of in kept.values() if len(of)), default=0)
    edges, beyond = _edges(pooled, bins=min(max(round(fewest**0.5), _BINS // 4), _BINS))
    rows = [
        {"value": at, "share": share, "group": group}
        for group, of in kept.items()
        for at, share in _steps(of, edges)
    ]
    named = f"{what}, {unit}" if unit else what
    groups = list(kept)
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            x=alt.X("value:Q", title=named, scale=alt.Scale(nice=False, zero=False)),
            y=alt.Y("share:Q", title="share of the images", axis=alt.Axis(format=".0%")),
            color=alt.Color(
                "group:N",
                title=None,
                scale=alt.Scale(domain=groups, range=list(COLOURS[: len(groups)])),
                legend=alt.Legend(orient="top") if len(groups) > 1 else None,
            ),
            tooltip=[
                alt.Tooltip("group:N", title="of"),
                alt.Tooltip("value:Q", title=f"{what} from", format=".4~g"),
                alt.Tooltip("share:Q", format=".1%"),
            ],
        )
        .properties(width=410, height=220)
    )
    title = f"{what.capitalize()} of {counted(len(pooled), 'image', 'images')}"
    if beyond:
        title += f"; {beyond:,} beyond {edges[-1]:.4g} in the last step"
    medians = ", ".join(f"{group} {np.median(of):.4g}" for group, of in kept.items() if len(of))
    return Figure(dressed(chart, title), f"{title}; median: {medians}")


def _steps(
    values: Float[np.ndarray, "images"], edges: Float[np.ndarray, "edges"]
) -> list[tuple[float, float]]:
    """Give each bin's beginning with the share in it, and the last end with the last share."""
    inside = np.clip(values, edges[0], edges[-1])
    shares = (np.histogram(inside, edges)[0] / max(len(values), 1)).tolist()
    return list(zip(edges.tolist(), [*shares, shares[-1]], strict=True))


def _finite(values: Float[np.ndarray, "images"]) -> Float[np.ndarray, "images"]:
    values = np.asarray(values, np.float64)
    finite: Float[np.ndarray, "images"] = values[np.isfinite(values)]
    return finite


def _edges(
    pooled: Float[np.ndarray, "images"], *, bins: int
) -> tuple[Float[np.ndarray, "edges"], int]:
    """Choose the bins, and count the images that lie beyond the last one."""
    if not len(pooled):
        return np.linspace(0, 1, 2), 0
    low, usual, high = (float(np.quantile(pooled, share)) for share in (0, _TAIL, 1))
    if high == low:
        around = 0.05 * max(abs(low), 1.0)
        return np.linspace(low - 1.5 * around, low + 1.5 * around, 4), 0
    if high - low > 2 * (usual - low) > 0:
        return np.linspace(low, usual, bins + 1), int((pooled > usual).sum())
    return np.linspace(low, high, bins + 1), 0


def measure_ranges(
    values: Mapping[str, Float[np.ndarray, "images"]], *, what: str, unit: str = ""
) -> Figure:
    """Draw where a measure lies in each group: its median, middle half and middle 90 %.

    Groups stand in the order of their medians. Of more than 60 the 30 lowest and the 30 highest
    are drawn.

    Args:
        values: Of each group (a class, say), the measure of its images; NaN is left out.
        what: The name of the measure.
        unit: Its unit, if it has one.
    """
    rows = [
        dict(
            zip(
                ("p05", "p25", "p50", "p75", "p95"),
                np.quantile(of, (0.05, 0.25, 0.5, 0.75, 0.95)).tolist(),
                strict=True,
            ),
            group=group,
            images=len(of),
        )
        for group, of in ((group, _finite(of)) for group, of in values.items())
        if len(of)
    ]
    rows.sort(key=lambda row: (row["p50"], row["group"]))
    title = f"{what.capitalize()} of each of {len(rows):,} classes"
    if len(rows) > _MOST_GROUPS:
        half = _MOST_GROUPS // 2
        title = f"{what.capitalize()}: the {half} lowest and the {half} highest of {len(rows):,}"
        rows = rows[:half] + rows[-half:]
    named = f"{what}, {unit}" if unit else what

    def along(column: str) -> alt.X:
        scale = alt.Scale(zero=False)
        return alt.X(f"{column}:Q", title=named, scale=scale, axis=alt.Axis(tickCount=6))

    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y(
            "group:N",
            sort=[row["group"] for row in rows],
            title=None,
            axis=alt.Axis(labelLimit=200, domain=False, ticks=False, labelPadding=6),
        ),
        tooltip=[
            alt.Tooltip("group:N", title="class"),
            alt.Tooltip("images:Q", format=","),
            alt.Tooltip("p50:Q", title="median", format=".4~g"),
            alt.Tooltip("p25:Q", title="quarter below", format=".4~g"),
            alt.Tooltip("p75:Q", title="quarter above", format=".4~g"),
        ],
    )
    few = len(rows) <= 20
    layers = (
        base.mark_rule(color=FIRST, strokeWidth=1.5).encode(x=along("p05"), x2="p95:Q"),
        base.mark_bar(color=FIRST, opacity=0.4, size=11 if few else 7).encode(
            x=along("p25"), x2="p75:Q"
        ),
        base.mark_tick(color=INK, thickness=2, size=13 if few else 9).encode(x=along("p50")),
    )
    chart = alt.layer(*layers).properties(width=410, height=alt.Step(20 if few else 13))
    ends = (
        f"; medians from {rows[0]['p50']:.4g} ({rows[0]['group']}) to "
        f"{rows[-1]['p50']:.4g} ({rows[-1]['group']})"
        if rows
        else ""
    )
    return Figure(dressed(chart, title), title + ends)


def value_histograms(
    values: Mapping[str, Float[np.ndarray, "pixels channels"]],
    *,
    title: str = "Values of the pixels",
) -> Figure:
    """Draw how the values of pixels are spread, one panel per way of scaling them.

    Args:
        values: Under each heading, pixels of one (grey) or three (red, green, blue) channels.
        title: One line above everything.
    """
    panels = [_value_panel(heading, np.asarray(of)) for heading, of in values.items()]
    told = "; ".join(
        f"{heading}: {np.min(of):.3g} to {np.max(of):.3g}" for heading, of in values.items()
    )
    return Figure(
        dressed(alt.hconcat(*panels, spacing=18), title),
        f"values of pixels: {told}",
    )


def _value_panel(heading: str, of: Float[np.ndarray, "pixels channels"]) -> alt.Chart:
    channels = _CHANNELS[of.shape[1]]
    low, high = float(of.min()), float(of.max())
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    rows = [
        {"value": at, "share": share, "channel": channel}
        for number, channel in enumerate(channels)
        for at, share in _steps(of[:, number], edges)
    ]
    colours = (SECOND, COLOURS[2], FIRST) if len(channels) > 1 else (INK,)
    panel: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(interpolate="step-after", strokeWidth=1.8)
        .encode(
            x=alt.X("value:Q", title="value", axis=alt.Axis(tickCount=5)),
            y=alt.Y(
                "share:Q", title="share of the pixels", axis=alt.Axis(format=".0%", tickCount=4)
            ),
            color=alt.Color(
                "channel:N",
                title=None,
                scale=alt.Scale(domain=list(channels), range=list(colours)),
                legend=alt.Legend(orient="bottom"),
            ),
            strokeDash=alt.StrokeDash(
                "channel:N",
                title=None,
                scale=alt.Scale(domain=list(channels), range=list(_DASHES[: len(channels)])),
            ),
            tooltip=[
                "channel:N",
                alt.Tooltip("value:Q", format=".4~g"),
                alt.Tooltip("share:Q", format=".1%"),
            ],
        )
        .properties(
            width=200,
            height=150,
            title=alt.TitleParams(heading, fontSize=12, fontWeight="normal", color=INK),
        )
    )
    return panel
