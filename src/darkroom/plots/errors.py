"""The figure of predicted numbers: against the truth, and how far off they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from darkroom.plots.figure import FIRST, INK, QUIET, Figure, dressed
from darkroom.wording import counted

if TYPE_CHECKING:
    from jaxtyping import Float

_MOST = 600  # images drawn
_SIDE = 230  # px of each panel


def residuals(targets: Float[np.ndarray, "images"], values: Float[np.ndarray, "images"]) -> Figure:
    """Draw what was predicted against the target, and beside it how far each prediction is off.

    Of more than 600 images a sample is drawn; the title says so.

    Args:
        targets: The true number of each image.
        values: What was predicted for it.
    """
    truth, answers = np.asarray(targets, np.float64), np.asarray(values, np.float64)
    chosen = np.arange(len(truth))
    if len(truth) > _MOST:
        chosen = np.sort(np.random.default_rng(0).permutation(len(truth))[:_MOST])
    rows = [
        {
            "target": float(f"{truth[row]:.6g}"),
            "predicted": float(f"{answers[row]:.6g}"),
            "error": float(f"{answers[row] - truth[row]:.4g}"),
        }
        for row in chosen.tolist()
    ]
    low = float(min(truth.min(), answers.min())) if len(truth) else 0.0
    high = float(max(truth.max(), answers.max())) if len(truth) else 1.0
    free = alt.Scale(zero=False)
    points = (
        alt.Chart()
        .mark_circle(size=22, color=FIRST, opacity=0.45)
        .encode(
            x=alt.X("target:Q", title="target", scale=free, axis=alt.Axis(tickCount=5)),
            tooltip=[alt.Tooltip(f"{name}:Q", format=".4~g") for name in rows[0]] if rows else [],
        )
    )
    ends = alt.Chart(alt.InlineData(values=[{"at": low}, {"at": high}]))
    flat = alt.Chart(alt.InlineData(values=[{"error": 0}]))
    panels = (
        alt.layer(
            ends.mark_line(color=QUIET, strokeDash=[3, 3]).encode(
                x=alt.X("at:Q", title="target"), y=alt.Y("at:Q", title="predicted")
            ),
            points.encode(y=alt.Y("predicted:Q", title="predicted", scale=free)),
        ),
        alt.layer(
            points.encode(y=alt.Y("error:Q", title="error: predicted less target")),
            flat.mark_rule(color=INK, strokeWidth=1).encode(y="error:Q"),
        ),
    )
    chart = alt.hconcat(
        *(panel.properties(width=_SIDE, height=_SIDE) for panel in panels),
        spacing=24,
        data=alt.InlineData(values=rows),
    )
    title = f"{len(rows):,} of {len(truth):,} images" if len(rows) < len(truth) else ""
    spread = f", half of the errors below {np.median(np.abs(answers - truth)):.3g}" if rows else ""
    return Figure(
        dressed(chart, title),
        f"predicted against target and errors of {counted(len(truth), 'image', 'images')}{spread}",
    )
