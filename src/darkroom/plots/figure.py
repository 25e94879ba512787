"""Figure: a static picture and an interactive chart at once, and how all of them are dressed."""

from __future__ import annotations

from typing import Any, Literal

import altair as alt
import vl_convert

from darkroom.pages import data_uri

FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif"
INK, QUIET, GRID = "#24292f", "#57606a", "#eaeef2"
FIRST, SECOND = "#0b6bcb", "#c4510e"  # told apart by colour-blind readers, and when printed
# Told apart by colour-blind readers; the palest of the original eight is no use on white.
# Source: Okabe and Ito 2008, Color Universal Design, with the blue and the orange used above.
COLOURS = (FIRST, SECOND, "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#57606a")


class Figure:
    """One chart.

    Args:
        chart: Its specification.
        alternative: What it shows, in a sentence, for readers who cannot see it.
        still: The form of the static picture in a notebook: `svg`, or `png` for photographs.
    """

    def __init__(
        self, chart: alt.TopLevelMixin, alternative: str, *, still: Literal["svg", "png"] = "svg"
    ) -> None:
        self.spec: dict[str, Any] = chart.to_dict(validate=False)  # a second of a report's time
        self.alternative = alternative
        self._still = still

    def svg(self) -> str:
        """Draw it as a static picture."""
        return str(vl_convert.vegalite_to_svg(self.spec))

    def svg_uri(self) -> str:
        """Draw it as a static picture that a page can hold."""
        return data_uri(self.svg().encode(), "svg+xml")

    def png(self, scale: float = 2.0) -> bytes:
        """Draw it as a static picture; `scale` multiplies its size in pixels."""
        return bytes(vl_convert.vegalite_to_png(self.spec, scale=scale))

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        """Give a notebook both: the live chart, and a picture that stays when nothing runs."""
        major = alt.SCHEMA_VERSION.lstrip("v").partition(".")[0]
        still = {"image/svg+xml": self.svg()} if self._still == "svg" else {"image/png": self.png()}
        return {
            f"application/vnd.vegalite.v{major}+json": self.spec,
            **still,
            "text/plain": self.alternative,
        }


def dressed(
    chart: alt.Chart | alt.LayerChart | alt.FacetChart | alt.HConcatChart, title: str = ""
) -> alt.TopLevelMixin:
    """Give a chart the fonts and colours that all figures share.

    Args:
        chart: Any; it becomes the outermost one.
        title: One line above it; none when empty.
    """
    titled = chart.properties(title=title) if title else chart
    dressed: alt.TopLevelMixin = (
        titled.configure(font=FONT, background="white", padding=8)
        .configure_axis(
            labelColor=QUIET,
            titleColor=INK,
            gridColor=GRID,
            domainColor=GRID,
            tickColor=GRID,
            labelFontSize=11,
            labelSeparation=6,  # px; of numbers that would stand closer every other one goes
            titleFontSize=12,
            titleFontWeight="normal",
        )
        .configure_view(stroke=None)
        .configure_legend(labelFontSize=12, labelColor=INK, titleColor=INK)
        .configure_header(labelFontSize=12, labelColor=INK, titleColor=INK)
        .configure_title(
            anchor="start", fontSize=13, fontWeight=600, color=INK, subtitleColor=QUIET
        )
    )
    return dressed
