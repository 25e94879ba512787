"""Would more images help? A power law through a learning curve, and what it says of twice as many.

Errors at several sizes of the training part come in; a forecast with its interval goes out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from darkroom.intervals import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float

_SIZES = 3  # different ones; of fewer no curve can be told from a line
_BEYOND_CURVE = 3  # values beside the three numbers of a curve
_SLOPES = np.geomspace(0.05, 2.0, 60)  # of the law; published ones lie in 0.07 .. 0.5 or so
_GAINS = 801
_REACH = 4.0  # the gains that are looked at, in whole spans of what was measured

Verdict = Literal["helps", "next to nothing", "cannot tell"]


class Forecast(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What twice the training images would bring, by the law error = rest + a * images^-slope."""

    images: int  # all of the training part
    gain: Estimate  # how much less error, in its own unit; not defined: see `why`
    slope: float | None = None  # of the best fit
    rest: float | None = None  # of the best fit: the error that no number of images takes away
    scale: float | None = None  # of the best fit: `a`
    enough: float  # a gain below this is next to nothing
    why: str = ""  # why there is no forecast

    @property
    def verdict(self) -> Verdict:
        """Whether more images would help; the interval decides."""
        low, high = self.gain.low, self.gain.high
        if low is None or high is None:
            return "cannot tell"
        if low > 0:
            return "helps"
        return "next to nothing" if high < self.enough else "cannot tell"

    def error_at(self, images: float) -> float | None:
        """Give the error that the best fit has at a number of training images."""
        if self.rest is None or self.scale is None or self.slope is None:
            return None
        return self.rest + self.scale * math.pow(images, -self.slope)


def forecast(sizes: Sequence[int], errors: Sequence[float], *, enough: float) -> Forecast:
    """Say what twice the images would bring.

    A power law with a rest is fitted by least squares; the 95 % interval of the gain is that of
    the profile: all gains for which some curve fits not significantly worse than the best does.

    Args:
        sizes: Training images of each training, above 0; sizes are repeated by other seeds.
        errors: Of each: 1 - accuracy, or a mean absolute error.
        enough: A gain below this is next to nothing, in the unit of the errors.

    Returns:
        The forecast from the largest size; without a gain, and why, where there is too little.

    Source: the law, Cortes et al. 1993, "Learning curves: asymptotic values and rate of
    convergence", and Hestness et al. 2017, arXiv:1712.00409; the interval, Bates and Watts 1988,
    "Nonlinear regression analysis", chapter 6.
    """
    images = max(sizes, default=0)
    freedom = len(errors) - 3
    if len(set(sizes)) < _SIZES or freedom < _BEYOND_CURVE:
        why = f"{len(errors)} trainings of {len(set(sizes))} sizes are too few for a curve"
        return Forecast(images=images, gain=Estimate(value=None), enough=enough, why=why)
    x, y = np.asarray(sizes, float) / images, np.asarray(errors, float)
    span = max(float(np.ptp(y)), 1e-9)
    gains = np.linspace(-_REACH * span, _REACH * span, _GAINS)
    squares, rests = _squares(x, y, gains)
    row, column = np.unravel_index(int(squares.argmin()), squares.shape)
    from scipy.stats import f  # here, because it loads for half a second

    limit = max(float(squares[row, column]), 1e-12) * (1 + float(f.ppf(0.95, 1, freedom)) / freedom)
    within = gains[(squares.min(axis=0) <= limit)]
    slope, gain = float(_SLOPES[row]), float(gains[column])
    scale = gain / (1 - 2.0**-slope)
    most = float(y[x == 1].mean())  # no more than the error there is can go away
    low, value, high = (min(end, most) for end in (float(within.min()), gain, float(within.max())))
    return Forecast(
        images=images,
        gain=Estimate(value=value, low=low, high=high),
        slope=slope,
        rest=float(rests[row, column]),
        scale=scale * float(images) ** slope,
        enough=enough,
    )


def _squares(
    x: Float[np.ndarray, "trainings"],
    y: Float[np.ndarray, "trainings"],
    gains: Float[np.ndarray, "gains"],
) -> tuple[Float[np.ndarray, "slopes gains"], Float[np.ndarray, "slopes gains"]]:
    """Give the sum of squares and the rest of every curve that has a slope and a gain.

    Args:
        x: Sizes as shares of the largest.
        y: Errors.
        gains: From the largest size to twice of it.
    """
    shapes = x[None] ** -_SLOPES[:, None]  # slopes trainings
    scales = gains[None] / (1 - 2.0**-_SLOPES)[:, None]  # slopes gains
    # For a slope and a gain the best rest is a mean. It may come out below 0, which no error is:
    # held at 0 the interval was too narrow, and held the truth in 81 of 100 simulated studies.
    rests = y.mean() - scales * shapes.mean(axis=1)[:, None]
    fitted = rests[:, :, None] + scales[:, :, None] * shapes[:, None, :]
    squares: Float[np.ndarray, "slopes gains"] = ((fitted - y) ** 2).sum(axis=2)
    return squares, rests
