"""The verdict on a page's top: the score, what it was held against, and a scale for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from darkroom.evaluation.regression import RegressionMetrics
from darkroom.intervals import Estimate, Rate
from darkroom.problem import ERRORS, Promise, Verdict
from darkroom.wording import counted, percent

if TYPE_CHECKING:
    from darkroom.evaluation.evaluation import EvaluationRecord
    from darkroom.evaluation.metrics import Metrics

METRIC_NAMES = {
    "accuracy": "accuracy",
    "balanced-accuracy": "balanced accuracy",
    "macro-f1": "macro F1",
    "r2": "R²",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
}
_OF_ONE: dict[Verdict, str] = {
    "met": "Goal met",
    "missed": "Goal missed",
    "undecided": "Goal not decided yet",
}
_STEPS = (1, 2, 5, 10)  # times a power of ten, between the ends of a scale


class Gauge(msgspec.Struct, frozen=True, kw_only=True):
    """Where a number and its interval lie on a scale, all in percent of its length."""

    value: float
    low: float
    high: float
    wanted: float | None  # None: nothing was
    begins: str  # the number at the left end, in words
    ends: str  # at the right end


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One promise, and how it is shown."""

    promise: Promise
    name: str
    wanted: str  # in words
    measured: str
    next_step: str  # empty when it is settled
    gauge: Gauge | None  # None: not defined


class Headline(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on the top of the page."""

    state: Verdict | None  # None: nothing was promised
    verdict: str
    score: str  # the number that counts, in words
    told: str  # what it is
    interval: str  # of 95 %; empty: not defined
    gauge: Gauge | None  # of the score, when nothing was promised
    held: tuple[Held, ...]


def make_headline(record: EvaluationRecord, metrics: Metrics | RegressionMetrics) -> Headline:
    """Sum up an evaluation.

    Args:
        record: What was promised.
        metrics: What promises are held against: without the images that leaked, if there are any.
    """
    name, measured = _score(record, metrics)
    images = counted(metrics.images, f"{record.part} image", f"{record.part} images")
    told = f"{METRIC_NAMES[name]} on {images}"
    if name == "accuracy" and isinstance(measured, Rate) and measured.hits is not None:
        right = "all labels right" if record.task == "multi-label" else "right"
        told = f"{right} on {measured.hits:,} of {images}"
    state, verdict = _sum_up(record.promises)
    return Headline(
        state=state,
        verdict=verdict,
        score="not defined" if measured.value is None else _written(name, measured.value),
        told=told,
        interval=_interval(name, measured.low, measured.high),
        gauge=None
        if record.promises
        else _gauge(name, (measured.value, measured.low, measured.high), None),
        held=tuple(_held(promise, record.part) for promise in record.promises),
    )


def _score(
    record: EvaluationRecord, metrics: Metrics | RegressionMetrics
) -> tuple[str, Rate | Estimate]:
    """Choose the number that counts: the one a goal was set for, else the usual one."""
    measured: dict[str, Rate | Estimate]
    if isinstance(metrics, RegressionMetrics):
        usual = "mae"
        measured = {"r2": metrics.r2, "mae": metrics.mae, "rmse": metrics.rmse}
    else:
        usual = "accuracy"
        measured = {
            "accuracy": metrics.accuracy,
            "balanced-accuracy": metrics.balanced_accuracy,
            "macro-f1": metrics.macro_f1,
        }
    name = usual if record.problem.goal is None else record.problem.metric
    return (name, measured[name]) if name in measured else (usual, measured[usual])


def _sum_up(promises: Sequence[Promise]) -> tuple[Verdict | None, str]:
    if not promises:
        return None, "No goal was set"
    verdicts = [promise.verdict for promise in promises]
    worst: Verdict = next(
        (verdict for verdict in ("missed", "undecided") if verdict in verdicts), "met"
    )
    if len(promises) == 1:
        return worst, _OF_ONE[worst]
    if worst == "met":
        return worst, f"All {len(promises)} promises met"
    word = "missed" if worst == "missed" else "not decided yet"
    return worst, f"{verdicts.count(worst)} of {len(promises)} promises {word}"


def _held(promise: Promise, part: str) -> Held:
    name = promise.name
    at_least = "at most" if promise.less_is_better else "at least"
    measured = "not defined on these images"
    if promise.measured is not None:
        measured = _written(name, promise.measured)
        measured += f" ({_interval(name, promise.low, promise.high)})"
    return Held(
        promise=promise,
        name=METRIC_NAMES.get(name, name),
        wanted=f"{at_least} {_written(name, promise.wanted)}",
        measured=measured,
        next_step=_next_step(promise, part),
        gauge=_gauge(name, (promise.measured, promise.low, promise.high), promise.wanted),
    )


def _next_step(promise: Promise, part: str) -> str:
    if promise.verdict != "undecided":
        return ""
    if promise.measured is None:
        return f"The {part} part has no image to measure it on."
    if promise.more_images is None:
        return "How many more images would settle it cannot be said: it is too near the goal."
    more = counted(_rounded(promise.more_images), f"more {part} image", f"more {part} images")
    return f"About {more} would settle it, if the number stays as it is."


def _rounded(count: int) -> int:
    """Give two digits, rounded up: a forecast is no finer."""
    step = int(10 ** max(len(str(count)) - 2, 0))
    return -(-count // step) * step


def _gauge(
    name: str, measured: tuple[float | None, float | None, float | None], wanted: float | None
) -> Gauge | None:
    value, low, high = measured
    if value is None or low is None or high is None:
        return None
    shown = [low, high, value] if wanted is None else [low, high, value, wanted]
    most = math.inf if name in ERRORS else 1.0
    begins, ends = _ends(min(shown), max(shown), most=most)

    def place(number: float) -> float:
        return round(100 * (number - begins) / (ends - begins), 2)

    return Gauge(
        value=place(value),
        low=place(low),
        high=place(high),
        wanted=None if wanted is None else place(wanted),
        begins=_written(name, begins, is_end=True),
        ends=_written(name, ends, is_end=True),
    )


def _ends(low: float, high: float, *, most: float) -> tuple[float, float]:
    """Choose round ends with some room on both sides."""
    room = max(high - low, 1e-3 * max(abs(high), 1e-3))
    power = 10.0 ** math.floor(math.log10(room))
    step = next(power * times for times in _STEPS if power * times >= room / 2)
    begins = math.floor((low - room / 3) / step) * step
    ends = min(math.ceil((high + room / 3) / step) * step, most)
    return (max(begins, 0.0) if low >= 0 else begins), max(ends, high)


def _interval(name: str, low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return ""
    return f"{_written(name, low).removesuffix(' %')} .. {_written(name, high)}"


def _written(name: str, value: float, *, is_end: bool = False) -> str:
    if name in (*ERRORS, "r2"):
        return f"{value:.4g}"
    return f"{100 * value:.4g} %" if is_end else percent(value)
