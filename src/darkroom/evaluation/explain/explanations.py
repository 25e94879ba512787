"""Explanations: what was explained of which images, how it fared, and the folder it lies in."""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec
import numpy as np

from darkroom.errors import DataError, nearest
from darkroom.evaluation.explain.explained import Effort, Maps
from darkroom.evaluation.explain.testing import Learned, likeness
from darkroom.evaluation.explain.trust import Trust
from darkroom.intervals import Estimate, Rate, mean_interval, wilson
from darkroom.pages import data_uri
from darkroom.records import from_json
from darkroom.wording import counted, percent

if TYPE_CHECKING:
    from jaxtyping import Float

RECORD, PAGE = "explanations.json", "index.html"
_IN_A_NOTEBOOK = 6  # images


class Explained(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One image."""

    image: str  # its name or path
    labels: tuple[str, ...] | None = None  # what it is; None: nobody knows
    predicted: tuple[str, ...]  # what was answered; empty: no answer was given
    explained: str  # the class whose score is explained
    probability: float  # of that class, 0..1
    why: str  # it was picked
    picture: str  # below the folder

    @property
    def is_wrong(self) -> bool:
        """Whether it was taken for something else."""
        return self.labels is not None and set(self.labels) != set(self.predicted)

    @property
    def caption(self) -> str:
        """Say what it is and what it was taken for."""
        answer = ", ".join(self.predicted) or "no answer"
        if self.labels is None:
            return answer
        truth = ", ".join(self.labels) or "nothing"
        return f"{truth} taken for {answer}" if self.is_wrong else truth


class MethodResult(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One method over all images that it reached."""

    name: str
    says: str
    source: str
    trust: tuple[Trust, ...]  # of each image
    pictures: tuple[str, ...]  # below the folder

    @property
    def trusted(self) -> Rate:
        """The share of its maps that can be believed."""
        return wilson(sum(each.is_trustworthy for each in self.trust), len(self.trust))


class Agreement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How alike the maps of two methods are."""

    one: str
    other: str
    likeness: Estimate  # mean rank correlation over images, -1..1


class Sheet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Kernels or feature maps, drawn side by side."""

    title: str
    told: str
    picture: str  # below the folder


class ExplanationsRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that is said of some explanations."""

    SCHEMA: ClassVar[int] = 1

    subject: str  # the name of a run or a bundle
    can_redraw: bool  # whether random weights could be tried
    learned: Learned | None = None  # how the network stands to random weights; None: not told
    images: tuple[Explained, ...]
    methods: tuple[MethodResult, ...]
    agreement: tuple[Agreement, ...]
    sheets: tuple[Sheet, ...]
    left_out: tuple[str, ...]  # what the time did not reach, and files that are no images
    effort: Effort

    @property
    def maps(self) -> int:
        """How many maps there are, of all methods."""
        return sum(len(method.trust) for method in self.methods)

    @property
    def trusted(self) -> int:
        """How many of them can be believed."""
        return sum(each.is_trustworthy for method in self.methods for each in method.trust)


class Explanations:
    """Explained images, in a folder with a page.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        where = path / RECORD
        self.record = from_json(where.read_bytes(), ExplanationsRecord, where=str(where))

    @property
    def page(self) -> Path:
        """The HTML page; it opens offline."""
        return self.path / PAGE

    @cached_property
    def methods(self) -> dict[str, MethodResult]:
        """What each method came to, by its name."""
        return {method.name: method for method in self.record.methods}

    def heat(self, method: str) -> Float[np.ndarray, "images height width"]:
        """Give the maps of a method, -1..1: above 0 a place speaks for the class.

        Raises:
            DataError: The images were not explained by it.
        """
        if method not in self.methods:
            raise DataError(
                f"these images were not explained by `{method}`",
                hint=f"heat({nearest(method, self.methods).strip('`')!r})",
            )
        maps: np.ndarray = np.load(self.path / f"{method}.npy", allow_pickle=False)
        return maps

    def summary(self) -> str:
        """Say in one line how many explanations can be believed."""
        record = self.record
        return (
            f"{counted(len(record.images), 'image', 'images')} of {record.subject} · "
            f"{record.trusted:,} of {counted(record.maps, 'map', 'maps')} trustworthy"
        )

    def __repr__(self) -> str:
        return f"Explanations({self.path.name}: {self.summary()})"

    def _repr_html_(self) -> str:
        methods = self.record.methods
        head = "".join(f"<th>{html.escape(method.name)}</th>" for method in methods)
        rows = "".join(
            f"<tr><td>{self._shown(image.picture)}<br>{html.escape(image.caption)}, "
            f"{percent(image.probability)}</td>"
            + "".join(f"<td>{self._map(method, row)}</td>" for method in methods)
            + "</tr>"
            for row, image in enumerate(self.record.images[:_IN_A_NOTEBOOK])
        )
        return (
            f"<p><b>{html.escape(self.path.name)}</b> · {html.escape(self.summary())}</p>"
            f"<table><tr><th>image</th>{head}</tr>{rows}</table>"
        )

    def _map(self, method: MethodResult, row: int) -> str:
        if row >= len(method.trust):
            return "not reached in time"
        doubts = "; ".join(method.trust[row].doubts) or "trustworthy"
        return f"{self._shown(method.pictures[row])}<br>{html.escape(doubts)}"

    def _shown(self, picture: str) -> str:
        uri = data_uri((self.path / picture).read_bytes(), "png")
        return f'<img width="128" alt="" src="{uri}">'


def agreement_of(maps: Sequence[Maps]) -> tuple[Agreement, ...]:
    """Compare the maps of every two methods, over the images that both reached."""
    pairs = [(one, other) for place, one in enumerate(maps) for other in maps[place + 1 :]]
    return tuple(
        Agreement(
            one=one.method,
            other=other.method,
            likeness=mean_interval(likeness(one.heat[:both], other.heat[:both]), least=-1.0),
        )
        for one, other in pairs
        for both in [min(len(one.heat), len(other.heat))]
    )
