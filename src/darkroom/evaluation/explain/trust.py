"""Whether an explanation can be believed: from what was measured to a verdict with its reasons."""

from __future__ import annotations

import msgspec

from darkroom.evaluation.explain.testing import Learned
from darkroom.intervals import Rate, wilson

ALIKE = 0.6  # a rank correlation from which a map might as well be of random weights


class Trust(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one explanation of one image fared."""

    deletion: float  # mean probability while the hottest cells go first, 0..1; lower is better
    insertion: float  # ... while they come first; higher is better
    beaten: Rate  # of random orders
    likeness: float | None = None  # rank correlation with maps of random weights; None: not told
    doubts: tuple[str, ...]  # why it cannot be believed; empty: nothing speaks against it

    @property
    def is_trustworthy(self) -> bool:
        """Whether every check was passed that could be made."""
        return not self.doubts


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of one explanation of one image."""

    is_blank: bool  # the same heat everywhere
    deletion: float
    insertion: float
    beaten: int  # random orders
    orders: int  # ... of how many
    likeness: float | None


def judge_map(measured: Measured, learned: Learned | None) -> Trust:
    """Give the verdict on one explanation of one image.

    Args:
        measured: Of it.
        learned: How the network stands to random weights; None: that could not be told.
    """
    doubts = []
    if measured.is_blank:
        doubts.append("the map is empty")
    elif measured.beaten < measured.orders:
        doubts.append(
            f"no better than a random order: it beat {measured.beaten} of {measured.orders}"
        )
    if measured.likeness is not None and measured.likeness >= ALIKE:
        doubts.append(
            f"random weights draw nearly the same map: rank correlation {measured.likeness:.2f}"
        )
    if learned is not None and not learned.is_more:
        doubts.append("the network answers no better than with random weights")
    return Trust(
        deletion=measured.deletion,
        insertion=measured.insertion,
        beaten=wilson(measured.beaten, measured.orders),
        likeness=measured.likeness,
        doubts=tuple(doubts),
    )
