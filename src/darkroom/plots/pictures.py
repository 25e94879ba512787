"""Sheets of pictures, in groups with a heading each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import altair as alt
import msgspec
import numpy as np
from PIL import Image

from darkroom.pages import image_uri
from darkroom.plots.figure import INK, QUIET, Figure, dressed
from darkroom.wording import counted

if TYPE_CHECKING:
    from jaxtyping import UInt8

_WIDTH = 720  # px of a whole sheet
_GAP = 4  # px between pictures
_BETWEEN = 18  # px between groups
_HEADING, _CAPTION = 18, 14  # px that a line of text takes
_HEADING_WIDTH = 166  # px that a long heading may take, where the pictures take less
_LETTER = 6.5  # px, about
_DENSITY = 2  # device pixels per px, as good screens have
_COARSE = 32  # px up to which an image is enlarged in whole pixels
_QUALITY = 85  # of a JPEG


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """One image on a sheet."""

    pixels: UInt8[np.ndarray, "height width channels"]  # 1 (grey) or 3 (RGB) channels
    name: str  # shown when pointed at
    caption: str = ""  # a word or two below it


def picture_sheet(
    groups: Mapping[str, Sequence[Picture]], *, title: str = "", side: int = 56
) -> Figure:
    """Draw pictures in groups, each below its heading.

    Small images are enlarged so that their pixels can be seen; none is distorted.

    Args:
        groups: The pictures below each heading.
        title: One line above everything.
        side: The longer side of a picture, in px.
    """
    flow = _Flow(groups, side)
    at = {
        "x": alt.X("x:Q", scale=None, axis=None),
        "y": alt.Y("y:Q", scale=None, axis=None),
    }
    layers = [
        alt.Chart(alt.InlineData(values=flow.pictures))
        .mark_image(width=side, height=side)
        .encode(
            **at,
            url="url:N",
            description="name:N",
            tooltip=[alt.Tooltip("name:N", title="image"), alt.Tooltip("group:N", title="in")],
        ),
        alt.Chart(alt.InlineData(values=flow.headings))
        .mark_text(align="left", baseline="top", fontSize=12, color=INK, limit=flow.block)
        .encode(**at, text="text:N"),
        alt.Chart(alt.InlineData(values=flow.captions))
        .mark_text(align="center", baseline="top", fontSize=10, color=QUIET, limit=side + _GAP)
        .encode(**at, text="text:N"),
    ]
    told = counted(len(flow.pictures), "picture", "pictures")
    if any(groups):
        told += " of " + (", ".join(groups) if len(groups) <= 6 else f"{len(groups):,} groups")
    return Figure(
        dressed(alt.layer(*layers).properties(width=flow.width, height=flow.height), title),
        f"{title}: {told}" if title else told,
        still="png",
    )


class _Flow:
    """Where everything stands: groups side by side and below each other, like words in lines."""

    def __init__(self, groups: Mapping[str, Sequence[Picture]], side: int) -> None:
        step = side + _GAP
        most = max((len(pictures) for pictures in groups.values()), default=1)
        self._side = side
        self._across = max(min(most, (_WIDTH + _GAP) // step), 1)
        longest = max((len(heading) for heading in groups), default=0)
        self.block = max(self._across * step - _GAP, min(longest * _LETTER, _HEADING_WIDTH))
        per_line = max(int((_WIDTH + _BETWEEN) // (self.block + _BETWEEN)), 1)
        self._per_line = min(per_line, max(len(groups), 1))
        self._captioned = any(p.caption for pictures in groups.values() for p in pictures)
        self.width = self._per_line * (self.block + _BETWEEN) - _BETWEEN
        self.height = 1.0
        self.pictures: list[dict[str, Any]] = []
        self.headings: list[dict[str, Any]] = []
        self.captions: list[dict[str, Any]] = []
        named = list(groups.items())
        top = 0.0
        for start in range(0, len(named), self._per_line):
            self.height = max(self._line(named[start : start + self._per_line], top), 1.0)
            top = self.height + _BETWEEN

    def _line(self, groups: Sequence[tuple[str, Sequence[Picture]]], top: float) -> float:
        """Set groups side by side, and give where the lowest of them ends."""
        if any(heading for heading, _ in groups):
            for place, (heading, _) in enumerate(groups):
                left = place * (self.block + _BETWEEN)
                self.headings.append({"x": left, "y": top, "text": heading})
            top += _HEADING
        for first in range(0, max(len(members) for _, members in groups), self._across):
            row = slice(first, first + self._across)
            tall = max(self._tall(picture) for _, members in groups for picture in members[row])
            for place, (heading, members) in enumerate(groups):
                left = place * (self.block + _BETWEEN)
                self._row(heading, members[row], left, top, tall)
            top += tall + _GAP + (_CAPTION if self._captioned else 0)
        return top - _GAP

    def _tall(self, picture: Picture) -> float:
        height, width = picture.pixels.shape[:2]
        return self._side * int(height) / max(int(height), int(width))

    def _row(
        self, heading: str, pictures: Sequence[Picture], left: float, top: float, tall: float
    ) -> None:
        for place, picture in enumerate(pictures):
            x = left + place * (self._side + _GAP) + self._side / 2
            url = _url(picture.pixels, self._side)
            shown = {"url": url, "name": picture.name, "group": heading}
            self.pictures.append({"x": x, "y": top + tall / 2, **shown})
            if picture.caption:
                self.captions.append({"x": x, "y": top + tall + 2, "text": picture.caption})


def _url(pixels: UInt8[np.ndarray, "height width channels"], side: int) -> str:
    """Put a picture into a data URL, as large as it is shown on a good screen."""
    flat = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
    image = Image.fromarray(np.ascontiguousarray(flat))
    scale = side * _DENSITY / max(image.size)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    coarse = max(image.size) <= _COARSE
    image = image.resize(size, Image.Resampling.NEAREST if coarse else Image.Resampling.BICUBIC)
    return image_uri(image, quality=None if coarse else _QUALITY)
