"""Error bars for rates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from darkroom.wording import percent

_Z95 = 1.959963984540054  # the normal quantile of 97.5 %


class Rate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A share of images, with its 95 % interval; all three are None when nothing was counted."""

    value: float | None  # 0..1
    low: float | None  # 0..1
    high: float | None  # 0..1
    hits: int | None = None  # images counted; None where the rate is not a plain share
    of: int | None = None  # images looked at

    def __str__(self) -> str:
        if self.value is None or self.low is None or self.high is None:
            return "not defined"
        return f"{percent(self.value)} ({percent(self.low)} .. {percent(self.high)})"


def wilson(hits: int, of: int) -> Rate:
    """Give a share and the 95 % interval it lies in.

    Args:
        hits: Images counted.
        of: Images looked at; 0 gives a rate that is not defined.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    if of == 0:
        return Rate(value=None, low=None, high=None, hits=0, of=0)
    share = hits / of
    scale = 1 + _Z95**2 / of
    middle = (share + _Z95**2 / (2 * of)) / scale
    reach = _Z95 / scale * math.sqrt(share * (1 - share) / of + _Z95**2 / (4 * of**2))
    low = 0.0 if hits == 0 else max(middle - reach, 0.0)
    high = 1.0 if hits == of else min(middle + reach, 1.0)
    return Rate(value=share, low=low, high=high, hits=hits, of=of)


def mean_of_rates(rates: Sequence[Rate]) -> Rate:
    """Average independent rates, and combine their intervals; rates not defined are left out.

    Source: the method of variance estimates recovery, Zou and Donner 2008,
    doi:10.1002/sim.3095.
    """
    known = [
        (rate.value, rate.low, rate.high)
        for rate in rates
        if rate.value is not None and rate.low is not None and rate.high is not None
    ]
    if not known:
        return Rate(value=None, low=None, high=None)
    count = len(known)
    mean = sum(value for value, _, _ in known) / count
    below = math.sqrt(sum((value - low) ** 2 for value, low, _ in known)) / count
    above = math.sqrt(sum((high - value) ** 2 for value, _, high in known)) / count
    return Rate(value=mean, low=max(mean - below, 0.0), high=min(mean + above, 1.0))
