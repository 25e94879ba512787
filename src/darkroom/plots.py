"""Every figure, once: the same specification in notebook, report and page.

Plain numbers come in; a Figure goes out that is a static picture and an interactive chart at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import vl_convert

_FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif"
_INK, _QUIET, _GRID = "#24292f", "#57606a", "#eaeef2"
_FIRST, _SECOND = "#0b6bcb", "#c4510e"  # told apart by colour-blind readers, and when printed


class Figure:
    """One chart.

    Args:
        chart: Its specification.
        alternative: What it shows, in a sentence, for readers who cannot see it.
    """

    def __init__(self, chart: alt.TopLevelMixin, alternative: str) -> None:
        self.spec: dict[str, Any] = chart.to_dict()
        self.alternative = alternative

    def svg(self) -> str:
        """Draw it as a static picture."""
        return str(vl_convert.vegalite_to_svg(self.spec))

    def png(self, scale: float = 2.0) -> bytes:
        """Draw it as a static picture; `scale` multiplies its size in pixels."""
        return bytes(vl_convert.vegalite_to_png(self.spec, scale=scale))

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        """Give a notebook both: the live chart, and a picture that stays when nothing runs."""
        major = alt.SCHEMA_VERSION.lstrip("v").partition(".")[0]
        return {
            f"application/vnd.vegalite.v{major}+json": self.spec,
            "image/svg+xml": self.svg(),
            "text/plain": self.alternative,
        }


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
                scale=alt.Scale(domain=["training", "validation"], range=[_FIRST, _SECOND]),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=["part:N", "epoch:Q", alt.Tooltip("value:Q", format=".4f")],
        )
    )
    mark = (
        alt.Chart(alt.InlineData(values=[{"epoch": best}] if best else []))
        .mark_rule(strokeDash=[3, 3], color=_QUIET)
        .encode(x="epoch:Q")
    )
    ends = f"{train[-1]:.3g} in training, {valid[-1]:.3g} in validation" if train else "no epoch"
    return Figure(
        _dressed(alt.layer(lines, mark).properties(width=410, height=240)),
        f"{what} over {len(train)} epochs, at the end {ends}",
    )


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
            "share:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=["#f6f8fa", _FIRST])
        ),
        tooltip=["true:N", "predicted:N", "images:Q", alt.Tooltip("share:Q", format=".1%")],
    )
    numbers = base.mark_text(fontSize=11).encode(
        text=alt.condition("datum.images > 0", "images:Q", alt.value("")),
        color=alt.condition("datum.share > 0.5", alt.value("white"), alt.value(_INK)),
    )
    layers = (cells, numbers) if len(classes) <= 30 else (cells,)
    right = sum(row[place] for place, row in enumerate(counts))
    told = f"{right:,} of {sum(map(sum, counts)):,} images on the diagonal"
    return Figure(
        _dressed(alt.layer(*layers).properties(width=side, height=side)),
        f"confusion matrix of {len(classes)} classes: {told}",
    )


def _dressed(chart: alt.LayerChart | alt.FacetChart) -> alt.TopLevelMixin:
    dressed: alt.TopLevelMixin = (
        chart.configure(font=_FONT, background="white", padding=8)
        .configure_axis(
            labelColor=_QUIET,
            titleColor=_INK,
            gridColor=_GRID,
            domainColor=_GRID,
            tickColor=_GRID,
            labelFontSize=11,
            titleFontSize=12,
            titleFontWeight="normal",
        )
        .configure_view(stroke=None)
        .configure_legend(labelFontSize=12, labelColor=_INK)
    )
    return dressed  # fmt: skip
