"""Figures of a dataset's make-up: images per class and part, and their sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from darkroom.plots.figure import COLOURS, FIRST, INK, QUIET, Figure, dressed
from darkroom.wording import counted

if TYPE_CHECKING:
    from jaxtyping import Int

_MOST_CLASSES = 60  # with a row each; of more, the 30 largest and the 30 smallest
_WIDTH = 480  # px of all panels together
_MOST_SIZES = 1_500  # circles on one map
_CELLS = 40  # ranges per side, where sizes are too many to be drawn one by one
_CELL_AREA = 70  # px, of a circle that fills its cell
_LOG_FROM = 8  # times between the smallest and the largest side, from which steps are factors


def class_balance(counts: Mapping[str, Sequence[int]], classes: Sequence[str]) -> Figure:
    """Draw how many images each class has, one panel per part.

    Each panel has its own scale, so that like proportions look alike. Of more than 60 classes
    the 30 largest and the 30 smallest are drawn.

    Args:
        counts: Of each part, the images of every class, in the order of `classes`.
        classes: Their names.
    """
    totals = [sum(counts[part][label] for part in counts) for label in range(len(classes))]
    shown = _shown_classes(totals)
    panels = [
        _balance_panel(part, counts[part], classes, shown, number)
        for number, part in enumerate(counts)
    ]
    widths = {"width": max(_WIDTH // max(len(panels), 1), 130)}
    title = (
        f"The {_MOST_CLASSES // 2} largest and the {_MOST_CLASSES // 2} smallest "
        f"of {len(classes):,} classes"
        if len(shown) < len(classes)
        else "Images per class"
    )
    told = f"{sum(totals):,} images in {counted(len(classes), 'class', 'classes')}"
    return Figure(
        dressed(alt.hconcat(*(panel.properties(**widths) for panel in panels), spacing=12), title),
        f"{told}: from {min(totals, default=0):,} to {max(totals, default=0):,} per class",
    )


def _shown_classes(totals: Sequence[int]) -> list[int]:
    labels = list(range(len(totals)))
    if len(labels) <= _MOST_CLASSES:
        return labels
    ranked = sorted(labels, key=lambda label: -totals[label])
    return ranked[: _MOST_CLASSES // 2] + ranked[-_MOST_CLASSES // 2 :]


def _balance_panel(
    part: str, counts: Sequence[int], classes: Sequence[str], shown: Sequence[int], number: int
) -> alt.LayerChart | alt.FacetChart:
    whole = max(sum(counts), 1)
    rows = [
        {
            "class": classes[label],
            "part": part,
            "images": counts[label],
            "share": counts[label] / whole,
        }
        for label in shown
    ]
    axis = alt.Axis(labelLimit=200, domain=False, ticks=False, labelPadding=6)
    # Room at the right for the number of the longest bar.
    reach = 1.35 * max(max((counts[label] for label in shown), default=0), 1)
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("images:Q", title=None, axis=None, scale=alt.Scale(domain=[0, reach])),
        y=alt.Y(
            "class:N",
            sort=[classes[label] for label in shown],
            title=None,
            axis=axis if number == 0 else None,
        ),
        tooltip=[
            alt.Tooltip("class:N"),
            alt.Tooltip("part:N"),
            alt.Tooltip("images:Q", format=","),
            alt.Tooltip("share:Q", title="share of the part", format=".2%"),
        ],
    )
    few = len(shown) <= 20
    bars = base.mark_bar(color=COLOURS[number % len(COLOURS)])
    numbers = base.mark_text(
        align="left", baseline="middle", dx=3, fontSize=11 if few else 9, color=QUIET
    ).encode(text=alt.Text("images:Q", format=","))
    return alt.layer(bars, numbers).properties(
        height=alt.Step(20 if few else 13),
        title=alt.TitleParams(
            f"{part} · {sum(counts):,}", fontSize=12, fontWeight="normal", color=INK
        ),
    )


def size_map(widths: Int[np.ndarray, "images"], heights: Int[np.ndarray, "images"]) -> Figure:
    """Draw which sizes the images have: a circle per size, larger for more images.

    More than 1,500 different sizes are gathered into 40 ranges per side. The line marks square
    images.

    Args:
        widths: Of each image, in pixels.
        heights: Of each image, in pixels.
    """
    sides = np.stack([np.asarray(widths), np.asarray(heights)], axis=1).astype(np.int64)
    sizes, counts = np.unique(sides, axis=0, return_counts=True)
    low, high = (int(sides.min()), int(sides.max())) if len(sides) else (1, 1)
    is_wide = high >= _LOG_FROM * low
    title = _size_title(sizes, len(sides))
    is_gathered = len(sizes) > _MOST_SIZES
    if is_gathered:
        sizes, counts = _in_ranges(sides, low, high, is_wide=is_wide)
    rows = [
        {"width": float(width), "height": float(height), "images": int(count)}
        for (width, height), count in zip(sizes, counts, strict=True)
    ]
    ends = (low / 1.15, high * 1.15)
    scale = alt.Scale(type="log" if is_wide else "linear", domain=list(ends), nice=False)
    steps = {"values": _round_numbers(*ends)} if is_wide else {"tickCount": 6}
    axis = alt.Axis(format=",d", labelOverlap=True, **steps)
    x = alt.X("width:Q", title="width, px", scale=scale, axis=axis)
    y = alt.Y("height:Q", title="height, px", scale=scale, axis=axis)
    diagonal = [{"width": side, "height": side} for side in ends]
    square = alt.Chart(alt.InlineData(values=diagonal)).mark_line(color=QUIET, strokeDash=[3, 3])
    most = int(max(counts, default=1))
    # A circle no larger than a cell of the grid, else as large as its count deserves.
    largest = _CELL_AREA if is_gathered else min(max(20 * most, 60), 500)
    circles = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_circle(color=FIRST, opacity=0.8 if is_gathered else 0.55)
        .encode(
            size=alt.Size(
                "images:Q",
                scale=alt.Scale(range=[10, largest], domain=[0, most]),
                legend=alt.Legend(values=sorted({1, (most + 1) // 2, most}), format=",d")
                if len(rows) > 1
                else None,
            ),
            tooltip=[
                alt.Tooltip("width:Q", format=",.0f"),
                alt.Tooltip("height:Q", format=",.0f"),
                alt.Tooltip("images:Q", format=","),
            ],
        )
    )
    layers = [layer.encode(x=x, y=y) for layer in (square, circles)]
    return Figure(dressed(alt.layer(*layers).properties(width=300, height=300), title), title)


def _size_title(sizes: np.ndarray, images: int) -> str:
    if len(sizes) == 1:
        width, height = sizes[0]
        return f"All {counted(images, 'image', 'images')}: {width:,} x {height:,} px"
    told = f"{counted(images, 'image', 'images')} of {len(sizes):,} sizes"
    return f"{told}, gathered into ranges" if len(sizes) > _MOST_SIZES else told


def _in_ranges(
    sides: Int[np.ndarray, "images 2"], low: int, high: int, *, is_wide: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Count images per cell of a grid; each filled cell is given by its middle."""
    spaced = np.geomspace if is_wide else np.linspace
    edges = spaced(low, high, _CELLS + 1)
    middles = np.sqrt(edges[:-1] * edges[1:]) if is_wide else (edges[:-1] + edges[1:]) / 2
    cells = np.clip(np.searchsorted(edges, sides, "right") - 1, 0, _CELLS - 1)
    filled, counts = np.unique(cells, axis=0, return_counts=True)
    return middles[filled], counts


def _round_numbers(low: float, high: float) -> list[int]:
    """Give 1, 2, 5, 10, 20, 50, ... between two numbers."""
    numbers = [step * 10**power for power in range(7) for step in (1, 2, 5)]
    return [number for number in numbers if low <= number <= high]
