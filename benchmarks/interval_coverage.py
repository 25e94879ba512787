"""Interval coverage: how often a 95 % interval holds the truth, and how often A/A is called.

Every figure is a simulation whose truth is known. Rates and paired differences are drawn as counts
over a grid of shares and images, 20,000 times a cell; areas and errors of regression, whose
intervals come from a bootstrap, 1,000 times. Beside Wilson's interval stands the textbook one
(Wald), which must fail where Wilson's passes, and beside the areas a bootstrap alone.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable
from functools import cache

import numpy as np
from scipy.stats import binom, norm

from benchmarks.measure import report
from darkroom.evaluation.averages import class_f1
from darkroom.evaluation.curves import measure_areas, weighted_areas
from darkroom.evaluation.paired import mcnemar, paired_difference
from darkroom.evaluation.regression import measure_regression
from darkroom.intervals import Estimate, Rate, percentile_interval, resampled, wilson

DRAWS = 20_000
SLOW_DRAWS = 1_000  # of what is bootstrapped
IMAGES = (30, 100, 300, 1_000, 10_000)
SHARES = (*np.linspace(0.02, 0.98, 49).tolist(), 0.985, 0.99, 0.995)
DISAGREE = (0.02, 0.05, 0.1, 0.2, 0.4)  # share of images on which just one of two is right
AREAS = ("roc", "average_precision", "roc_bootstrap_alone", "average_precision_bootstrap_alone")
# The variance of a count from which on something is promised: n p (1 - p), and a quarter of the
# images on which two disagree, for each of the two is as likely to be right there.
ENOUGH = 5

Interval = Callable[[int, int], Rate]
Test = Callable[[np.ndarray, np.ndarray], float]
Cells = dict[tuple[int, float], float]


def wald(hits: int, of: int) -> Rate:
    """Give the textbook interval, which is too short: the control."""
    share = hits / of
    reach = 1.959963984540054 * math.sqrt(share * (1 - share) / of)
    return Rate(value=share, low=share - reach, high=share + reach)


def holds(interval: Rate | Estimate, truth: float) -> bool:
    low, high = interval.low, interval.high
    return low is not None and high is not None and low <= truth <= high


def simulated(
    interval: Interval, draws: int, images: Iterable[int], shares: Iterable[float]
) -> Cells:
    """Give for each number of images and each share how often the interval holds that share."""
    rng, cells = np.random.default_rng(0), {}
    for of in images:
        known = cache(lambda hits, of=of: interval(hits, of))
        for share in shares:
            counts = np.unique(rng.binomial(of, share, draws), return_counts=True)
            pairs = zip(*(column.tolist() for column in counts), strict=True)
            held = sum(times for hits, times in pairs if holds(known(hits), share))
            cells[of, share] = held / draws
    return cells


def exact(interval: Interval, images: Iterable[int], shares: Iterable[float]) -> Cells:
    """Give the same by summing binomial probabilities instead of drawing."""
    cells = {}
    for of in images:
        rates = [interval(hits, of) for hits in range(of + 1)]
        low = np.array([rate.low for rate in rates])
        high = np.array([rate.high for rate in rates])
        for share in shares:
            held = (low <= share) & (share <= high)
            cells[of, share] = float(binom.pmf(np.flatnonzero(held), of, share).sum())
    return cells


def summed_up(cells: Cells) -> dict[str, object]:
    """Give the mean over the grid, and the smallest where enough images vary."""
    floor = {key: held for key, held in cells.items() if key[0] * key[1] * (1 - key[1]) >= ENOUGH}
    (images, share), smallest = min(floor.items(), key=lambda cell: cell[1])
    numbers = sorted({images for images, _ in cells})
    means = {of: np.mean([held for key, held in cells.items() if key[0] == of]) for of in numbers}
    return {
        "mean": float(np.mean(list(cells.values()))),
        "mean_where_enough_vary": float(np.mean(list(floor.values()))),
        "smallest_where_enough_vary": smallest,
        "smallest_at": {"images": images, "share": round(share, 3)},
        "smallest_of_all": min(cells.values()),
        "mean_by_images": {str(of): round(float(mean), 4) for of, mean in means.items()},
        "cells": len(cells),
    }


def paired_cells(
    draws: int, *, lead: float, sizes: Iterable[int] = IMAGES, test: Test = mcnemar
) -> dict[str, dict[str, float]]:
    """Compare two sets of answers that disagree, one of which is right a little more often.

    Args:
        draws: A cell.
        lead: How much of the disagreement is a difference: 0 is A/A.
        sizes: Numbers of images.
        test: Gives the p-value.

    Returns:
        For each number of images and share of disagreement how often the interval held the true
        difference, and how often the test called one.
    """
    rng, found = np.random.default_rng(1), {}
    for images in sizes:

        @cache
        def outcome(ahead: int, behind: int, images: int = images) -> tuple[Estimate, float]:
            one = np.arange(images) < ahead
            other = (np.arange(images) >= ahead) & (np.arange(images) < ahead + behind)
            return paired_difference(one, other), test(one, other)

        for apart in DISAGREE:
            shares = [apart * (1 + lead) / 2, apart * (1 - lead) / 2, 1 - apart]
            counts = rng.multinomial(images, shares, size=draws)[:, :2].tolist()
            outcomes = [outcome(ahead, behind) for ahead, behind in counts]
            held = sum(holds(difference, apart * lead) for difference, _ in outcomes)
            called = sum(p < 0.05 for _, p in outcomes)
            found[f"{images} images, {apart:g} apart"] = {
                "disagreeing": images * apart,
                "held": held / draws,
                "called": called / draws,
            }
    return found


def called_where_enough(cells: dict[str, dict[str, float]]) -> list[float]:
    return [cell["called"] for cell in cells.values() if cell["disagreeing"] / 4 >= ENOUGH]


def f1_coverage(draws: int) -> dict[str, float]:
    """Say how often the interval of a class's F1 holds the truth, by images of the part."""
    rng, found, own, recall, precision = np.random.default_rng(2), {}, 0.2, 0.8, 0.9
    hits, missed = own * recall, own * (1 - recall)
    false = hits * (1 - precision) / precision
    truth = 2 * precision * recall / (precision + recall)
    rate = cache(class_f1)
    for images in IMAGES:
        counts = rng.multinomial(images, [hits, false, missed, 1 - hits - false - missed], draws)
        held = [holds(rate(*row), truth) for row in counts[:, :3].tolist()]
        found[str(images)] = float(np.mean(held))
    return found


def true_average_precision(ahead: float, share: float) -> float:
    """Integrate precision over recall for two normal distributions."""
    cuts = np.linspace(-9, 9 + ahead, 200_001)
    recall, false = norm.sf(cuts - ahead), norm.sf(cuts)
    precision = share * recall / (share * recall + (1 - share) * false)
    return float(-np.trapezoid(precision, recall))


def area_coverage(draws: int) -> dict[str, dict[str, float]]:
    """Say how often intervals of both areas hold the truth, ours and a bootstrap's alone."""
    rng, found, share = np.random.default_rng(3), {}, 0.1
    for images in (50, 100, 300, 1_000):
        for area in (0.7, 0.9, 0.98):
            ahead = float(norm.ppf(area)) * math.sqrt(2)
            truths = (area, true_average_precision(ahead, share))
            rows = []
            while len(rows) < draws:
                truth = rng.random(images) < share
                if truth.any():  # nothing is claimed of a class that is absent
                    scores = rng.normal(size=images) + ahead * truth
                    rows.append(held_areas(scores, truth, truths))
            means = np.mean(rows, axis=0).tolist()
            found[f"{images} images, area {area:g}"] = dict(zip(AREAS, means, strict=True))
    return found


def held_areas(scores: np.ndarray, truth: np.ndarray, truths: tuple[float, float]) -> list[bool]:
    """Say which intervals hold the true ROC area and average precision, in the order of AREAS."""
    ours = measure_areas(scores[:, None], truth[:, None]).classes[0]
    drawn = weighted_areas(scores, truth, tuple(resampled(len(truth), draws=400)))
    bare = [
        percentile_interval(known.value, values)
        for known, values in zip((ours.roc, ours.average_precision), drawn, strict=True)
    ]
    rates = (ours.roc, ours.average_precision, *bare)
    return [holds(rate, true) for rate, true in zip(rates, truths * 2, strict=True)]


def regression_coverage(draws: int) -> dict[str, dict[str, float]]:
    """Say how often intervals of predicted numbers hold the truth, errors being normal."""
    rng, found, spread = np.random.default_rng(4), {}, 0.5
    mae = spread * math.sqrt(2 / math.pi)
    truths = {"mae": mae, "rmse": spread, "r2": 1 - spread**2, "bias": 0.0}
    for images in (10, 30, 100, 300):
        rows = []
        for _ in range(draws):
            targets = rng.normal(size=images)
            values = targets + rng.normal(scale=spread, size=images)
            measured = measure_regression(values, targets, usual=0.0)
            rows.append([holds(getattr(measured, name), true) for name, true in truths.items()])
        means = np.mean(rows, axis=0).tolist()
        found[f"{images} images"] = dict(zip(truths, means, strict=True))
    return found


def main(draws: int = DRAWS, slow_draws: int = SLOW_DRAWS) -> None:
    ours = {"simulated": simulated(wilson, draws, IMAGES, SHARES),
            "exact": exact(wilson, IMAGES, SHARES)}  # fmt: skip
    rates = {way: summed_up(cells) for way, cells in ours.items()}
    control = summed_up(simulated(wald, draws, IMAGES, SHARES))
    same, better = paired_cells(draws, lead=0.0), paired_cells(draws, lead=0.3)
    enough = called_where_enough(same)
    areas = area_coverage(slow_draws)
    figures: dict[str, object] = {
        "draws": draws,
        "wilson": rates,
        "wald": control,
        "a_a": same,
        "a_b": better,
        "a_a_called_where_enough_disagree": float(np.mean(enough)),
        "f1_of_a_class": f1_coverage(draws),
        "slow_draws": slow_draws,
        "areas": areas,
        "regression": regression_coverage(slow_draws),
    }
    smallest = [row["smallest_where_enough_vary"] for row in rates.values()]
    goals = {
        "Wilson's mean over the grid is 94 to 96 %": all(
            0.94 <= row["mean"] <= 0.96 for row in rates.values()
        ),
        "Wilson's smallest is 92 % where n p (1 - p) >= 5": min(smallest) >= 0.92,
        "the textbook interval fails one of the two": not (
            0.94 <= control["mean"] <= 0.96 and control["smallest_where_enough_vary"] >= 0.92
        ),
        "no paired difference is held less than 94 of 100 times": min(
            cell["held"] for cell in [*same.values(), *better.values()]
        ) >= 0.94,
        "A/A is called 4 to 6 times in 100 where enough disagree": all(
            0.04 <= called <= 0.06 for called in enough
        ),
        "A/A is nowhere called more than 6 times in 100": max(
            cell["called"] for cell in same.values()
        ) <= 0.06,
        "no area is held less than 92 of 100 times": min(
            min(row["roc"], row["average_precision"]) for row in areas.values()
        ) >= 0.92,
    }  # fmt: skip
    report("interval_coverage", figures, goals)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--slow-draws", type=int, default=SLOW_DRAWS)
    arguments = parser.parse_args()
    main(arguments.draws, arguments.slow_draws)
