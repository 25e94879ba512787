"""None of these: the rule that refuses images of no known class, and what it is worth.

It is fitted on the validation part and on outliers, and holds for answers with one label per image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.decision import Decision, Sureness, check_answers, decide, sureness
from darkroom.errors import DataError
from darkroom.intervals import Rate, wilson

if TYPE_CHECKING:
    from jaxtyping import Float

    Table = Float[np.ndarray, "images classes"]
    Sure = Float[np.ndarray, "images"]

_EXPECTED = 20  # false alarms on the validation part that a promise rests on; fewer, and it swings
_BROKEN = 0.05  # share of validation parts whose promise may be broken
_Z95 = 1.959963984540054  # the normal quantile of 97.5 %
_POINTS = 101  # of the curve


class OutlierKind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one kind of unknown images fared."""

    name: str
    images: int
    caught: Rate  # share refused; not defined without a rule
    roc_area: Rate  # chance that a known image is surer than one of these; 0.5 is a coin's


class Unknown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What refusing unknown images catches, and what it costs known ones."""

    by: Sureness
    threshold: float | None  # 0..1; images less sure are refused; None: there is no rule
    false_alarms_wanted: float  # the share promised, 0..1
    false_alarms: Rate  # share of the known images refused; not defined without a rule
    kinds: tuple[OutlierKind, ...]
    points: tuple[tuple[float, float], ...]  # false alarms, caught; all kinds count the same


def images_needed(false_alarms: float) -> int | None:
    """Say how many validation images a promised share of false alarms needs; None: no number do."""
    return math.ceil(_EXPECTED / false_alarms) if false_alarms > 0 else None


def share_promised(images: int) -> float | None:
    """Say which share of false alarms so many validation images can promise, in whole percent.

    Returns:
        0.01 or more; None: they are too few for any.
    """
    return math.ceil(100 * _EXPECTED / images) / 100 if images > _EXPECTED else None


def fit_unknown(
    known: Table, outliers: Mapping[str, Table], *, false_alarms: float
) -> tuple[Sureness, float] | None:
    """Fit the rule that refuses images of no known class.

    It takes the sureness that separates better, on average over the kinds of outliers, and the
    highest threshold that keeps the promise: in 95 of 100 validation parts, no more than the
    promised share of all known images lies below. On average it is less, of a promised 5 % about
    3.3 % with 400 images and 4.6 % with 10,000; the plain quantile would break every other promise.

    Args:
        known: Probabilities for the validation part, after temperature.
        outliers: The same for images of no class, by kind; without any, confidence is taken.
        false_alarms: Share of known images that may be refused, 0..1.

    Returns:
        What to look at and its threshold. None where the validation part is too small to promise
        that share: it should hold 20 false alarms.

    Raises:
        DataError: A probability is not a number in 0..1.

    Source: a one-sided tolerance limit, Wilks 1941, doi:10.1214/aoms/1177731788.
    """
    from scipy.stats import binom  # a second to import, and only fitting needs it

    for table in (known, *outliers.values()):
        check_answers(table, table)
    needed = images_needed(false_alarms)
    if needed is None or len(known) < needed:
        return None
    ways: tuple[Sureness, ...] = ("confidence", "certainty")
    by = max(ways, key=lambda way: _mean_area(known, outliers, way))  # of equals the first
    ranked = np.sort(sureness(known, by))
    # The share of all images below the k-th least sure one is at most the promised share as often
    # as a binomial number of images is at least k.
    rank = int(binom.ppf(_BROKEN, len(ranked), false_alarms))
    # Half way to the one below, so that no image lies on the threshold: another library that is
    # off by the last digit has to refuse the same.
    upper, lower = float(ranked[rank - 1]), float(ranked[rank - 2])
    middle = (lower + upper) / 2
    return by, middle if np.float32(middle) > lower else upper


def measure_unknown(
    known: Table,
    outliers: Mapping[str, Table],
    decision: Decision,
    *,
    false_alarms_wanted: float,
) -> Unknown:
    """Measure what the rule refuses, among known images and among others.

    Args:
        known: What the network answered for images of known classes that fitted nothing.
        outliers: The same for images of no class, by kind.
        decision: With its temperature and its rule; an `abstain_below` of 0 is none.
        false_alarms_wanted: The share that was promised.

    Raises:
        DataError: There is more than one label per image, a number is predicted, or a probability
            is not a number in 0..1.
    """
    if decision.task != "single-label":
        raise DataError(
            f"unknown images are told by how sure one label is; the task is {decision.task}",
            hint="leave problem.false_alarms out",
        )
    for table in (known, *outliers.values()):
        check_answers(table, table)
    plain = Decision(task="single-label", temperature=decision.temperature)
    limit = np.float32(decision.abstain_below)

    def sure_of(probabilities: Table) -> Sure:
        return sureness(decide(probabilities, plain).probabilities, decision.abstain_by)

    def refused(sure: Sure) -> Rate:
        hits, of = int((sure < limit).sum()), len(sure)
        return wilson(hits, of) if limit > 0 else wilson(0, 0)

    sure, others = sure_of(known), {name: sure_of(table) for name, table in outliers.items()}
    return Unknown(
        by=decision.abstain_by,
        threshold=decision.abstain_below if limit > 0 else None,
        false_alarms_wanted=false_alarms_wanted,
        false_alarms=refused(sure),
        kinds=tuple(
            OutlierKind(
                name=name,
                images=len(other),
                caught=refused(other),
                roc_area=area_between(sure, other),
            )
            for name, other in others.items()
        ),
        points=_curve(sure, others),
    )


def area_between(known: Sure, others: Sure) -> Rate:
    """Give the chance that a known image is surer than another, ties counting half.

    That is the area under the ROC curve. The interval stays open where the two do not overlap:
    images that were not seen might.

    Source: Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747; the interval is method 5
    of Newcombe 2006, doi:10.1002/sim.2324.
    """
    if not len(known) or not len(others):
        return Rate(value=None, low=None, high=None)
    area = _area(known, others)
    low = _lower_end(area, len(known), len(others))
    return Rate(value=area, low=low, high=1.0 - _lower_end(1.0 - area, len(known), len(others)))


def _area(known: Sure, others: Sure) -> float:
    ranked = np.sort(known)
    below = np.searchsorted(ranked, others, side="left").sum()
    not_above = np.searchsorted(ranked, others, side="right").sum()
    return float(1.0 - (below + not_above) / (2 * len(known) * len(others)))


def _mean_area(known: Table, outliers: Mapping[str, Table], by: Sureness) -> float:
    sure = sureness(known, by)
    areas = [_area(sure, sureness(other, by)) for other in outliers.values() if len(other)]
    return float(np.mean(areas)) if areas else 0.0


def _lower_end(area: float, one: int, other: int) -> float:
    from scipy.optimize import brentq  # a fifth of a second to import

    reach = (one + other) / 2 - 1

    def beyond(true: float) -> float:
        spread = (1 - true) / (2 - true) + true / (1 + true)
        variance = true * (1 - true) * (1 + reach * spread) / (one * other)
        return float((area - true) ** 2 - _Z95**2 * variance)

    # The variance falls to 0 at both ends, where a root lies that is none.
    start, end = 1e-12, area - 1e-9
    if end <= start or beyond(start) <= 0:
        return 0.0
    return float(brentq(beyond, start, end))


def _curve(known: Sure, others: Mapping[str, Sure]) -> tuple[tuple[float, float], ...]:
    """Trace the share caught over the share of false alarms, as the threshold rises."""
    kinds = [np.sort(sure) for sure in others.values() if len(sure)]
    if not kinds or not len(known):
        return ()
    limits = np.append(np.quantile(known, np.linspace(0, 1, _POINTS - 1), method="higher"), np.inf)
    alarms = np.searchsorted(np.sort(known), limits) / len(known)
    caught = np.mean([np.searchsorted(sure, limits) / len(sure) for sure in kinds], axis=0)
    pairs = zip(alarms.round(4).tolist(), caught.round(4).tolist(), strict=True)
    return tuple(dict.fromkeys(pairs))
