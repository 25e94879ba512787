"""What a few repeats of the same thing come to: their mean, and the interval it lies in."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import msgspec

# The quantile of 97.5 % of Student's t for 1, 2, 3 ... degrees of freedom.
_T95 = (
    *(12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281),
    *(2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860),
)
_Z95 = 1.959963984540054  # the same of the normal distribution


class Mean(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mean with its 95 % interval, which a single value does not have."""

    value: float
    low: float | None
    high: float | None
    of: int  # values


def mean_of(values: Sequence[float], *, step: float = 0.0) -> Mean:
    """Give the mean of independent values and the 95 % interval it lies in.

    Args:
        values: At least one, from a distribution that is about normal.
        step: They are multiples of it, as shares of so many images are: where all are the same,
            what is finer than a step is still not known.

    Source: Student 1908, doi:10.1093/biomet/6.1.1; above 20 degrees of freedom the first two terms
    of the quantile's expansion, Fisher and Cornish 1960, doi:10.1080/00401706.1960.10489895; the
    variance of what is rounded away, Sheppard 1898.
    """
    mean, count = statistics.fmean(values), len(values)
    if count < 2:
        return Mean(value=mean, low=None, high=None, of=count)
    deviation = max(statistics.stdev(values), step / math.sqrt(12))
    reach = _quantile(count - 1) * deviation / math.sqrt(count)
    return Mean(value=mean, low=mean - reach, high=mean + reach, of=count)


def geometric_mean_of(values: Sequence[float]) -> Mean:
    """As `mean_of`, of values above 0 whose logarithms are about normal."""
    logs = mean_of([math.log(value) for value in values])
    low, high = (None if end is None else math.exp(end) for end in (logs.low, logs.high))
    return Mean(value=math.exp(logs.value), low=low, high=high, of=logs.of)


def _quantile(freedom: int) -> float:
    if freedom <= len(_T95):
        return _T95[freedom - 1]
    return (
        _Z95
        + (_Z95**3 + _Z95) / (4 * freedom)
        + (5 * _Z95**5 + 16 * _Z95**3 + 3 * _Z95) / (96 * freedom**2)
    )
