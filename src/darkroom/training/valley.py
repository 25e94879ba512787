"""Where a loss falls while the learning rate climbs: rates and losses in, a rate out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float

_KEPT = 0.9  # of a running mean's weight goes to what came before; own
_WIDTH = 0.03  # of all steps: the standard deviation of the window that smooths; own
_EXPLODED = 4.0  # times the lowest mean so far, as fast.ai has it
_FEWEST = 10  # steps; fewer say nothing
_NOISES = 2.0  # a fall is real that is larger than so many standard deviations of the losses; own
_DEEP = 0.02  # ... and than this share of the loss at the start; own
_BOUND = 1.5  # times the loss at the start: what explodes is taken for this; own
_BEGUN, _OVER = 0.1, 0.9  # of the fall: the valley's slope lies between; own
_ALONG = 5 / 6  # of the slope, on the logarithm of the rate; own, see the how-to for what it met


class Valley(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one climb of the rate says; both rates are None when there is no valley."""

    steepest: float | None = None  # the rate at which the loss falls fastest
    valley: float | None = None  # the rate five sixths down the slope
    why_not: str = ""  # why there is no valley


class Explosion:
    """Watches losses one by one, and tells when they grow out of hand.

    Source: Smith 2015, arXiv:1506.01186; the limit of four times the lowest mean, fast.ai; the
    mean without a bias to the first, Kingma and Ba 2014, arXiv:1412.6980.
    """

    def __init__(self) -> None:
        self._sum = self._weight = 0.0
        self._lowest = math.inf

    def is_reached(self, loss: float) -> bool:
        """Take the next loss; say whether it is no number, or their mean has quadrupled."""
        if not math.isfinite(loss):
            return True
        self._sum = _KEPT * self._sum + loss
        self._weight = _KEPT * self._weight + 1.0
        mean = self._sum / self._weight
        self._lowest = min(self._lowest, mean)
        return mean > _EXPLODED * self._lowest


def smooth(losses: Float[np.ndarray, "steps"], *, of: int) -> Float[np.ndarray, "steps"]:
    """Average each loss with those before and after it, the nearer the more.

    A mean of those before alone would lag behind, and every rate read off it come out too high.

    Args:
        losses: Of one climb, as far as it came.
        of: The steps of a whole climb.

    Source: own, a Gaussian window; at both ends its weights still sum to 1, so neither is biased.
    """
    steps = np.arange(len(losses))
    weights = np.exp(-0.5 * ((steps[:, None] - steps) / max(_WIDTH * of, 1.0)) ** 2)
    smoothed: Float[np.ndarray, "steps"] = weights @ losses / weights.sum(axis=1)
    return smoothed


def find_valley(rates: Float[np.ndarray, "steps"], losses: Float[np.ndarray, "steps"]) -> Valley:
    """Find the slope that the loss goes down while the rate climbs.

    The slope lies where the smoothed loss goes from a tenth to nine tenths of its whole fall.

    Args:
        rates: Rising, all above 0.
        losses: Of each step, finite; the last ones may have exploded.

    Source: the steepest descent, Smith 2015, arXiv:1506.01186; the valley, own, after the idea of
    fast.ai's.
    """
    if len(losses) < _FEWEST:
        return Valley(why_not="the loss explodes at once")
    start = float(np.median(losses[: max(len(losses) // 10, 5)]))
    bounded = np.minimum(losses, _BOUND * start)  # an explosion must not reach back
    smoothed = smooth(bounded, of=len(rates))
    lowest = int(np.argmin(smoothed))
    fall = start - smoothed[lowest]
    noise = float(np.std((bounded - smoothed)[: lowest + 1]))
    if lowest < 2 or fall <= _NOISES * noise:
        return Valley(why_not="the loss never falls")
    if fall <= _DEEP * start:
        return Valley(why_not="the loss is too flat")
    logs = np.log(rates[: len(losses)])
    down = smoothed[: lowest + 1]
    begun = int(max(np.flatnonzero(down >= start - _BEGUN * fall), default=0))
    over = begun + int(np.argmax(down[begun:] <= start - _OVER * fall))
    slopes = np.gradient(down, logs[: lowest + 1])
    return Valley(
        steepest=float(rates[np.argmin(slopes)]),
        valley=math.exp(logs[begun] + _ALONG * (logs[over] - logs[begun])),
    )
