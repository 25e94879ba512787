"""The map of images that stand near each other where they are alike."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from darkroom.plots.figure import COLOURS, QUIET, Figure, dressed
from darkroom.wording import counted

if TYPE_CHECKING:
    from jaxtyping import Float

_MOST_POINTS = 4_000  # Altair refuses more than 5,000 rows
_SHAPES = ("circle", "triangle-up", "square")
_MOST_GROUPS = len(COLOURS) * len(_SHAPES)  # told apart
_OTHERS, _PALE = "all others", "#c8ced4"


def embedding_map(
    points: Float[np.ndarray, "images 2"],
    names: Sequence[str],
    groups: Sequence[str],
    *,
    by: str = "class",
    title: str = "",
) -> Figure:
    """Draw images as points, near each other where they are alike.

    Of more than 4,000 images a sample is drawn, and of more than 21 groups the 20 largest have a
    colour and a shape of their own; the title says so. A click on the legend brings one group
    out.

    Args:
        points: Where each image stands; only distances mean anything.
        names: Of the images, shown when pointed at.
        groups: The class or cluster of each image.
        by: What `groups` are, in a word.
        title: One line above it.
    """
    places = np.asarray(points, np.float64)
    chosen = np.arange(len(places))
    if len(places) > _MOST_POINTS:
        chosen = np.sort(np.random.default_rng(0).permutation(len(places))[:_MOST_POINTS])
    order = sorted(set(groups), key=_natural)
    if len(order) > _MOST_GROUPS:
        order = [group for group, _ in Counter(groups).most_common(_MOST_GROUPS - 1)]
    own = set(order)
    rows = [
        {
            "x": float(places[row, 0]),
            "y": float(places[row, 1]),
            "name": names[row],
            "group": groups[row],
            "drawn": groups[row] if groups[row] in own else _OTHERS,
        }
        for row in chosen.tolist()
    ]
    rows.sort(key=lambda row: row["drawn"] != _OTHERS)  # the pale ones lie below
    return Figure(
        dressed(_points(rows, order, by), _told(title, len(rows), len(places), len(order), groups)),
        f"{title or 'map'}: {counted(len(rows), 'image', 'images')} by {by}",
    )


def _told(title: str, shown: int, images: int, drawn: int, groups: Sequence[str]) -> str:
    parts = [title or "Images that are alike stand near each other"]
    if shown < images:
        parts.append(f"{shown:,} of {images:,} images")
    count = len(set(groups))
    if drawn < count:
        parts.append(f"the {drawn} largest of {count:,} in colour")
    return " · ".join(parts)


def _points(rows: list[dict[str, object]], order: list[str], by: str) -> alt.Chart:
    domain, colours, shapes = list(order), [], []
    for number in range(len(order)):
        shape, colour = divmod(number, len(COLOURS))
        colours.append(COLOURS[colour])
        shapes.append(_SHAPES[shape])
    if any(row["drawn"] == _OTHERS for row in rows):
        domain, colours, shapes = [*domain, _OTHERS], [*colours, _PALE], [*shapes, "circle"]
    legend = alt.Legend(symbolOpacity=1, symbolSize=70, labelLimit=160, columns=1)
    picked = alt.selection_point(fields=["drawn"], bind="legend")
    free = alt.Scale(zero=False, nice=False, padding=12)
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_point(filled=True, size=26 if len(rows) > 800 else 42)
        .encode(
            x=alt.X("x:Q", axis=None, scale=free),
            y=alt.Y("y:Q", axis=None, scale=free),
            color=alt.Color(
                "drawn:N", title=by, legend=legend, scale=alt.Scale(domain=domain, range=colours)
            ),
            shape=alt.Shape(
                "drawn:N", title=by, legend=legend, scale=alt.Scale(domain=domain, range=shapes)
            ),
            opacity=alt.condition(picked, alt.value(0.75), alt.value(0.06)),
            tooltip=[alt.Tooltip("name:N", title="name"), alt.Tooltip("group:N", title=by)],
        )
        .add_params(picked, alt.selection_interval(bind="scales"))
        .properties(width=480, height=420, view=alt.ViewConfig(stroke=QUIET, strokeOpacity=0.25))
    )
    return chart


def _natural(name: str) -> list[tuple[int, str]]:
    """Order `cluster 2` before `cluster 10`."""
    return [
        (int(piece), "") if piece.isdecimal() else (0, piece) for piece in re.split(r"(\d+)", name)
    ]
