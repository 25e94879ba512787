"""Ranking images by their probability of a class: ROC and precision-recall, curves and areas.

One column of probabilities per class and the truth come in; curves to draw and areas with
intervals go out. A class that no image or every image of the part belongs to has neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.intervals import (
    NOT_DEFINED,
    Rate,
    mean_of_rates,
    no_narrower,
    percentile_interval,
    resampled,
    score_interval,
)

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

MOST_POINTS = 101  # of a curve

_DIGITS = 4  # of a point, which is finer than any drawing
_DRAWS = 400  # bootstrap resamples; the ends of an interval then vary by a seventh of its half

Points = tuple[tuple[float, float], ...]


class ClassCurves(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one class is told from all others at every threshold; empty when not defined."""

    name: str
    roc: Points  # (false positive rate, true positive rate), both rising, each 0..1
    # (recall, precision), by rising recall, each 0..1; begins at (0, 1), which no threshold gives.
    # A straight line between two points promises more than there is: draw steps.
    precision_recall: Points


class ClassAreas(msgspec.Struct, frozen=True, kw_only=True):
    """How well the images of one class are ranked above the others."""

    roc: Rate  # how often an image of the class is ranked above another one
    average_precision: Rate  # mean precision over the images of the class, at their own rank


class Areas(msgspec.Struct, frozen=True, kw_only=True):
    """The areas of every class, and their mean."""

    classes: tuple[ClassAreas, ...]
    mean_roc: Rate  # over the classes of which it is defined


def trace_curves(
    probabilities: Float[np.ndarray, "images classes"],
    targets: Float[np.ndarray, "images classes"],
    classes: Sequence[str],
) -> tuple[ClassCurves, ...]:
    """Trace the ROC and the precision-recall curve of every class against all others.

    Args:
        probabilities: 0..1.
        targets: Ones at each image's labels.
        classes: Names in the order of the columns.

    Returns:
        One pair of curves for each class, of at most 101 points each that keep the shape.

    Source: Fawcett 2006, doi:10.1016/j.patrec.2005.10.010, as scikit-learn computes them.
    """
    truth = targets > 0.5
    return tuple(
        _curves(name, probabilities[:, column], truth[:, column])
        for column, name in enumerate(classes)
    )


def measure_areas(
    probabilities: Float[np.ndarray, "images classes"], truth: Bool[np.ndarray, "images classes"]
) -> Areas:
    """Measure the areas under both curves of every class, with a bootstrap over images.

    Where images are few or nearly all is ranked right, a bootstrap is far too short: with 30 of
    300 images and a true area of 0.98 it held that area in 86 of 100 simulations. No interval is
    therefore narrower than the one that a formula gives.

    Args:
        probabilities: 0..1.
        truth: The labels of each image.

    Source: the formulas by Newcombe 2006, doi:10.1002/sim.2324 (method 5), of the ROC area, and
    after Boyd, Eng and Page 2013, doi:10.1007/978-3-642-40994-3_29, of average precision: as if
    it were a share of the images of the class.
    """
    weights = tuple(resampled(len(truth), draws=_DRAWS))
    pairs = zip(probabilities.T, truth.T, strict=True)
    measured = [_class_areas(scores, true, weights) for scores, true in pairs]
    classes = tuple(areas for areas, _ in measured)
    drawn = [roc for _, roc in measured if roc is not None]
    return Areas(classes=classes, mean_roc=_mean_roc([each.roc for each in classes], drawn))


def _class_areas(
    scores: Float[np.ndarray, "images"],
    truth: Bool[np.ndarray, "images"],
    weights: Sequence[Int[np.ndarray, "images some_draws"]],
) -> tuple[ClassAreas, Float[np.ndarray, "draws"] | None]:
    """Give both areas, and the ROC area of each draw."""
    own, others = int(truth.sum()), int((~truth).sum())
    if not own or not others:
        return ClassAreas(roc=NOT_DEFINED, average_precision=NOT_DEFINED), None
    once = np.ones((len(truth), 1), np.int16)
    roc, precision = (float(area[0]) for area in weighted_areas(scores, truth, [once]))
    roc_drawn, precision_drawn = weighted_areas(scores, truth, weights)
    areas = ClassAreas(
        roc=no_narrower(
            percentile_interval(roc, roc_drawn),
            score_interval(roc, lambda area: _roc_variance(area, own, others)),
        ),
        average_precision=no_narrower(
            percentile_interval(precision, precision_drawn),
            score_interval(precision, lambda area: area * (1 - area) / own),
        ),
    )
    return areas, roc_drawn


def weighted_areas(
    scores: Float[np.ndarray, "images"],
    truth: Bool[np.ndarray, "images"],
    weights: Sequence[Int[np.ndarray, "images some_draws"]],
) -> tuple[Float[np.ndarray, "draws"], Float[np.ndarray, "draws"]]:
    """Give the ROC area and the average precision of many draws of the same images.

    Args:
        scores: Higher is more likely of the class; a tie counts half, as in scikit-learn.
        truth: Which images are of the class; some are.
        weights: How often each draw has each image.

    Returns:
        Both areas, 0..1; NaN in a draw without images of the class or without others.

    Source: the definitions of scikit-learn's `roc_auc_score` and `average_precision_score`.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, true = scores[order], truth[order]
    first = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))  # of images that tie
    after = np.append(first[1:], len(true))
    # Only scores that images of the class have are steps of the sums.
    has = np.add.reduceat(true, first, dtype=np.int64) > 0
    first, after = first[has], after[has]
    starts = np.searchsorted(np.flatnonzero(true), first)
    areas = []
    for some in weights:
        drawn = np.zeros((len(true) + 1, some.shape[1]), np.int32)  # before each rank
        np.cumsum(some[order], axis=0, out=drawn[1:])
        step = np.add.reduceat(some[order[true]], starts, axis=0, dtype=np.int32)
        found, reached = np.cumsum(step, axis=0, dtype=np.int32), drawn[after]
        own, others = found[-1].astype(np.float64), drawn[-1] - found[-1]
        # Twice the images of other classes that are ranked below, those that tie counted half.
        below = 2 * (others + found) - step - reached - drawn[first]
        with np.errstate(invalid="ignore"):  # 0 / 0: a draw of one kind only
            roc = np.einsum("rd,rd->d", step, below, dtype=np.float64) / (2 * own * others)
            average = np.einsum("rd,rd->d", step, found / np.maximum(reached, 1)) / own
        areas.append((roc, np.where(others > 0, average, np.nan)))
    roc_areas, averages = (np.concatenate(each) for each in zip(*areas, strict=True))
    return roc_areas, averages


def _roc_variance(area: float, own: int, others: int) -> float:
    spare = (own + others) / 2 - 1
    pairs = spare * ((1 - area) / (2 - area) + area / (1 + area))
    return area * (1 - area) * (1 + pairs) / (own * others)


def _mean_roc(areas: Sequence[Rate], drawn: Sequence[Float[np.ndarray, "draws"]]) -> Rate:
    """Average the areas that are defined, in the part and in each draw."""
    formula = mean_of_rates(areas)
    if formula.value is None:
        return NOT_DEFINED
    table = np.stack(drawn)
    known = np.isfinite(table)
    sums, counts = np.where(known, table, 0).sum(axis=0), known.sum(axis=0)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return no_narrower(percentile_interval(formula.value, means), formula)


def _curves(
    name: str, scores: Float[np.ndarray, "images"], truth: Bool[np.ndarray, "images"]
) -> ClassCurves:
    if truth.all() or not truth.any():
        return ClassCurves(name=name, roc=(), precision_recall=())
    order = np.argsort(scores, kind="stable")[::-1]
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # of equal scores
    found, hits = last + 1, np.cumsum(truth[order])[last]
    recall = np.append(0.0, hits / hits[-1])
    false_positives = np.append(0.0, (found - hits) / (len(truth) - hits[-1]))
    return ClassCurves(
        name=name,
        roc=_thinned(false_positives, recall),
        precision_recall=_thinned(recall, np.append(1.0, hits / found)),
    )


def _thinned(across: Float[np.ndarray, "points"], up: Float[np.ndarray, "points"]) -> Points:
    """Keep the ends and, again and again, the point that lies furthest off the line so far.

    Source: Douglas and Peucker 1973, doi:10.3138/FM57-6770-U75U-7727.
    """
    line = np.stack([across, up], axis=1)
    kept = [0, len(line) - 1]
    gaps = [_furthest(line, 0, len(line) - 1)]
    while len(kept) < MOST_POINTS:
        distance, place, start, end = max(gaps)
        if distance < 10.0**-_DIGITS / 2:
            break
        kept.append(place)
        gaps.remove((distance, place, start, end))
        gaps += [_furthest(line, start, place), _furthest(line, place, end)]
    points = np.round(line[sorted(kept)], _DIGITS).tolist()
    return tuple(dict.fromkeys((x, y) for x, y in points))


def _furthest(
    line: Float[np.ndarray, "points 2"], start: int, end: int
) -> tuple[float, int, int, int]:
    """Find the point between two others that lies furthest off the straight line between them."""
    if end - start < 2:
        return 0.0, start, start, end
    between, along = line[start + 1 : end] - line[start], line[end] - line[start]
    share = between @ along / max(float(along @ along), 1e-12)  # of the way, at its nearest
    distances = np.hypot(*(between - np.clip(share, 0, 1)[:, None] * along).T)
    place = int(distances.argmax())
    return float(distances[place]), start + 1 + place, start, end
