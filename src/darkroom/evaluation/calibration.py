"""Is a confidence of 90 % right nine times in ten? The gap, its bins, and the temperature.

Probabilities and labels come in; the temperature goes into the Decision, the rest into the report.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.decision import Decision, Task, check_answers, decide, log_odds
from darkroom.errors import DataError
from darkroom.intervals import Estimate, Rate, wilson

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    Table = Float[np.ndarray, "images classes"]

# Fewer images of a validation part say too little. In simulations (own: 2 and 10 classes, accuracy
# 0.86 to 0.9, confidence off by a factor of 1.5 or 2) the temperature of 50 images made the log
# loss of new ones smaller in 88 to 100 of 100 draws, that of 20 in 60 to 98.
FEWEST_IMAGES = 50

# How far temperatures usually lie from 1, as the standard deviation of their logarithm. The
# penalty it gives weighs as much as 10 to 15 images where nine of ten are right, and more where
# nearly all are: it keeps a part without a single error from asking for a temperature of 0. Without
# it, 100 images of an honest network at an accuracy of 0.98 gave temperatures whose log loss on new
# images was 0.12 worse than none; with it, 0.002.
_USUAL = 0.5
_LOWEST, _HIGHEST = 0.05, 20.0  # of a temperature; beyond lies no network that answers anything

_BINS = 15  # as in the article
_DRAWS = 500  # per supposed gap
# Multiples of the gap that shows, and of its mirror image; dense where the ends usually lie.
_SUPPOSED = np.array(
    [0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1, 1.05, 1.1, 1.15, 1.2, 1.3, 1.5, 1.75, 2, 3, 4]
)


class ReliabilityBin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The images whose confidence lies in one range; with several labels, decisions on labels."""

    low: float  # confidence above this ...
    high: float  # ... up to this, 0..1
    images: int
    confidence: float  # mean, 0..1
    accuracy: Rate  # share that is right; several labels: share of those that carry the label


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far confidence strays from being right."""

    images: int
    gap: Estimate  # expected calibration error with the temperature, 0..1
    gap_before: Estimate  # with temperature 1
    temperature: float
    bins: tuple[ReliabilityBin, ...]  # by rising confidence; those without images are left out
    bins_before: tuple[ReliabilityBin, ...]


class _Binned(msgspec.Struct, frozen=True, kw_only=True):
    """Answers grouped by their confidence; only groups that have any."""

    places: Int[np.ndarray, "bins"]  # which of the equal ranges, from 0
    answers: Int[np.ndarray, "bins"]
    confidence: Float[np.ndarray, "bins"]  # mean
    hits: Int[np.ndarray, "bins"]
    clumping: float  # >= 1; times the variance is larger than that of independent answers


def calibration_gap(
    probabilities: Float[np.ndarray, "images classes"],
    labels: Int[np.ndarray, "images"],
    *,
    bins: int = _BINS,
) -> float:
    """Measure how far confidence strays from being right.

    Predictions are grouped by their top probability; within each group the average
    confidence is compared with the share that were correct.

    Args:
        probabilities: One row per image, rows sum to 1.
        labels: True class index, 0 to classes - 1.
        bins: Equal-width confidence groups. Fewer bins, steadier but blunter.

    Returns:
        Image-weighted mean gap, 0 (honest) to 1. Chance alone makes it larger than 0, the more so
        the fewer images there are.

    Raises:
        DataError: The two inputs describe different numbers of images, there are none, or a
            probability is not a number.

    Source: Guo et al. 2017, arXiv:1706.04599.
    """
    if len(probabilities) != len(labels) or not len(labels):
        raise DataError(
            f"{len(probabilities):,} rows of probabilities do not belong to {len(labels):,} labels",
            hint="hand in one row and one label per image, and at least one of each",
        )
    check_answers(probabilities, probabilities)
    right = probabilities.argmax(axis=1) == labels
    binned = _group(probabilities.max(axis=1)[:, None], right[:, None], bins)
    return _gap(binned)


def fit_temperature(probabilities: Table, targets: Table, task: Task) -> float | None:
    """Find the temperature under which the probabilities are most honest.

    It minimises the log loss, plus a small penalty for straying from 1. Below 1 it sharpens, as a
    network trained with label smoothing may need.

    Args:
        probabilities: What the network answered for the validation part, 0..1.
        targets: Ones at each image's labels.
        task: With several labels, the odds of each are divided by the temperature.

    Returns:
        None where nothing can be said: fewer than 50 images, only one class among them (several
        labels: all present or all absent), or numbers to predict.

    Raises:
        DataError: The two tables differ in shape, or hold what is no probability.

    Source: Guo et al. 2017, arXiv:1706.04599; the penalty is own.
    """
    from scipy.optimize import minimize_scalar  # a fifth of a second, and only fitting needs it

    check_answers(probabilities, targets)
    truth = targets > 0.5
    if task == "regression" or len(truth) < FEWEST_IMAGES or not _is_varied(truth, task):
        return None
    odds = log_odds(probabilities, task)

    def penalised(log_temperature: float) -> float:
        cooled = odds / math.exp(log_temperature)
        if task == "multi-label":
            losses = np.logaddexp(0.0, np.where(truth, -cooled, cooled))
        else:
            cooled -= cooled.max(axis=1, keepdims=True)
            losses = np.log(np.exp(cooled).sum(axis=1)) - (cooled * truth).sum(axis=1)
        return float(losses.sum()) + log_temperature**2 / (2 * _USUAL**2)

    bounds = (math.log(_LOWEST), math.log(_HIGHEST))
    found = minimize_scalar(penalised, bounds=bounds, method="bounded")
    return round(math.exp(float(found.x)), 4)


def measure_calibration(
    probabilities: Table, targets: Table, decision: Decision
) -> Calibration | None:
    """Measure the gap between confidence and being right, before and after the temperature.

    One label per image: confidence is the best probability, whatever thresholds choose. Several:
    every label of every image is a decision, its probability is held against the share that
    carry the label, and the decisions on one image are not taken for independent.

    The gap of a finite part is biased upwards, since chance moves every bin: even an honest model
    shows one. The interval allows for that, so the value may stand near its upper end, and it
    reaches 0 where an honest model would show as much. It is a parametric bootstrap turned round:
    the true gaps under which one so large, and one so small, shows in 2.5 % of draws or more.

    Args:
        probabilities: What the network answered, 0..1.
        targets: Ones at each image's labels.
        decision: Its task and temperature.

    Returns:
        None where there is nothing to be confident about: one class, or numbers to predict.

    Raises:
        DataError: The two tables differ in shape, are empty, or hold what is no probability.

    Source: Guo et al. 2017, arXiv:1706.04599; drawing from the probabilities, Broecker and Smith
    2007, doi:10.1175/WAF993.1; turning it round is own.
    """
    check_answers(probabilities, targets)
    one_class = decision.task == "single-label" and probabilities.shape[1] < 2
    if decision.task == "regression" or one_class:
        return None
    if not len(targets):
        raise DataError(
            "there are no images whose confidence could be measured",
            hint="darkroom evaluate RUN --part valid",
        )
    truth = targets > 0.5
    before, after = (
        _group(*_confidence_and_hits(probabilities, truth, decision.task, temperature), _BINS)
        for temperature in (1.0, decision.temperature)
    )
    gap_before = _estimate(before)
    return Calibration(
        images=len(truth),
        gap=gap_before if decision.temperature == 1.0 else _estimate(after),
        gap_before=gap_before,
        temperature=decision.temperature,
        bins=_reliability(after),
        bins_before=_reliability(before),
    )


def _is_varied(truth: Bool[np.ndarray, "images classes"], task: Task) -> bool:
    if task == "multi-label":
        return bool(truth.any() and not truth.all())
    return bool(truth.any(axis=0).sum() > 1)


def _confidence_and_hits(
    probabilities: Table, truth: Bool[np.ndarray, "images classes"], task: Task, temperature: float
) -> tuple[Float[np.ndarray, "images answers"], Bool[np.ndarray, "images answers"]]:
    cooled = decide(probabilities, Decision(task=task, temperature=temperature)).probabilities
    if task == "multi-label":
        return cooled, truth
    # The same class before and after: a temperature must not break a tie the other way.
    best = probabilities.argmax(axis=1)[:, None]
    return np.take_along_axis(cooled, best, 1), np.take_along_axis(truth, best, 1)


def _group(
    confidence: Float[np.ndarray, "images answers"],
    right: Bool[np.ndarray, "images answers"],
    bins: int,
) -> _Binned:
    exact = confidence.astype(np.float64)
    place = np.clip(np.ceil(exact * bins).astype(np.int64) - 1, 0, bins - 1)
    answers = np.bincount(place.ravel(), minlength=bins)
    sums = np.bincount(place.ravel(), weights=exact.ravel(), minlength=bins)
    hits = np.bincount(place.ravel(), weights=right.ravel(), minlength=bins)
    used = answers > 0
    shares = hits / np.maximum(answers, 1)
    # Answers to one image that stray together count as fewer: their sums vary more than they do.
    strays = right - shares[place]
    owner = place + bins * np.arange(len(place))[:, None]
    together = np.bincount(owner.ravel(), weights=strays.ravel())
    alone = float((strays**2).sum())
    return _Binned(
        places=np.flatnonzero(used),
        answers=answers[used],
        confidence=sums[used] / answers[used],
        hits=hits[used].astype(np.int64),
        clumping=max(float((together**2).sum()) / alone, 1.0) if alone > 0 else 1.0,
    )


def _gap(binned: _Binned) -> float:
    gaps = np.abs(binned.confidence - binned.hits / binned.answers)
    return float((gaps * binned.answers).sum() / binned.answers.sum())


def _estimate(binned: _Binned) -> Estimate:
    """Give the gap with the interval of all true gaps that could have shown it."""
    value = _gap(binned)
    weights = binned.answers / binned.answers.sum()
    count = max(round(float(binned.answers.sum()) / binned.clumping), 1)
    # A bin whose gap is small by chance still has a direction; its noise says how long. Two right
    # and two wrong answers more leave noise where all are right (Agresti and Coull 1998).
    gaps = binned.confidence - binned.hits / binned.answers
    shares = (binned.hits + 2) / (binned.answers + 4)
    noise = np.sqrt(shares * (1 - shares) / (count * weights + 4))
    steps = np.where(gaps < 0, -1.0, 1.0) * np.hypot(gaps, noise)
    rng, ends = np.random.default_rng(0), [value]
    answers = rng.multinomial(count, weights, size=_DRAWS)
    # Where every answer is right confidence can only seem too low, though it may be too high: that
    # is why the mirror image is supposed as well.
    for direction in (steps, -steps):
        true = np.clip(binned.confidence - _SUPPOSED[:, None] * direction, 0.0, 1.0)
        hits = rng.binomial(answers, true[:, None, :])
        shown = np.abs(binned.confidence * answers - hits).sum(axis=2) / count
        supposed = np.abs(binned.confidence - true) @ weights
        as_large = (shown >= value - 1e-12).mean(axis=1)
        as_small = (shown <= value + 1e-12).mean(axis=1)
        ends.append(_crossing(supposed, as_large))
        ends.append(_crossing(supposed[::-1], as_small[::-1]))
    return Estimate(value=value, low=min(ends), high=max(ends))


def _crossing(supposed: Float[np.ndarray, "gaps"], chances: Float[np.ndarray, "gaps"]) -> float:
    """Give the first supposed gap whose chance reaches 2.5 %, or lies between two that do."""
    reached = np.flatnonzero(chances >= 0.025)
    if not len(reached):
        return float(supposed[-1])
    first = int(reached[0])
    if first == 0:
        return float(supposed[0])
    below, above = chances[first - 1], chances[first]
    share = (0.025 - below) / (above - below)
    return float(supposed[first - 1] + share * (supposed[first] - supposed[first - 1]))


def _reliability(binned: _Binned) -> tuple[ReliabilityBin, ...]:
    columns = (binned.places, binned.answers, binned.confidence, binned.hits)
    return tuple(
        ReliabilityBin(
            low=place / _BINS,
            high=(place + 1) / _BINS,
            images=answers,
            confidence=confidence,
            accuracy=wilson(hits, answers),
        )
        for place, answers, confidence, hits in zip(*(c.tolist() for c in columns), strict=True)
    )
