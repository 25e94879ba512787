"""Figures of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from darkroom.plots.figure import FIRST, INK, Figure, dressed


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
