"""The search for cheap thresholds: where costs put them, and when images may move them.

One label per image: class k is chosen where p_k / t_k is largest. Several: where p_k reaches t_k.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.decision import Task
from darkroom.evaluation.costs import ChoiceCosts, choice_costs, cost_table, label_costs
from darkroom.problem import Problem

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    Table = Float[np.ndarray, "images classes"]
    Levels = Float[np.ndarray, "classes"]

_FREE = 1e-4  # what an error that costs nothing is taken to cost, so that costs have ratios
_SWEEPS = 20  # through all classes; three are usual

# A move multiplies one class's threshold (several labels: its odds) by one of these.
_FACTORS = 2.0 ** np.delete(np.arange(-12, 13) / 4, 12)

# When labels may move a threshold. One standard error of gain is no guard, for the best of many
# moves is nearly always that good: in simulations of 100 to 3,000 images (own), probabilities that
# know nothing moved thresholds in 70 to 80 of 100 draws, honest ones in 20 to 100, and new images
# then cost up to half more. So the gain must be one that a search of all classes finds by chance
# in 5 of 100 draws; neighbouring moves turn nearly the same images, and four a class count.
_BY_CHANCE = 0.05
_MOVES = 4
# And because errors that were not seen have no standard error, it must also exceed what the
# probabilities let expect, by so many of the standard errors that they let expect.
_SURPRISE = 2.0


class _Stakes(msgspec.Struct, frozen=True, kw_only=True):
    """What is won by choosing one class, on the images that a move of its threshold can turn."""

    now: float  # its threshold, in the unit of `turns`
    turns: Float[np.ndarray, "images"]  # the class is chosen for thresholds up to this one
    expected: Float[np.ndarray, "images"]  # gain, by the probabilities
    variance: Float[np.ndarray, "images"]  # of that gain, by the probabilities
    seen: Float[np.ndarray, "images"] | None  # gain, by the labels; None: they are not asked


class _Table(msgspec.Struct, frozen=True, kw_only=True):
    """What the search looks at: the validation part and all that choices on it cost."""

    task: Task
    probabilities: Table
    costs: Float[np.ndarray, "classes classes"]  # single-label
    miss: Levels  # multi-label
    false_alarm: Levels
    charged: ChoiceCosts | None  # by the labels


def bayes_thresholds(classes: tuple[str, ...], problem: Problem, task: Task) -> Levels:
    """Give the thresholds that the costs imply for honest probabilities.

    One label per image: class k should win over class j from where p_k / p_j exceeds the cost of
    taking j for k over that of taking k for j. The thresholds are the least-squares fit to the
    logarithms of all these ratios; they are exact for two classes, and wherever costs depend only
    on the true class or only on the predicted one. Several labels: each is chosen from
    false alarm / (false alarm + miss) on.

    Source: Elkan 2001, "The foundations of cost-sensitive learning"; the least squares are own.
    """
    if task == "multi-label":
        miss, false_alarm = (np.maximum(costs, _FREE) for costs in label_costs(classes, problem))
        return np.asarray(false_alarm / (false_alarm + miss))
    logs = np.log(np.maximum(cost_table(classes, problem), _FREE))
    np.fill_diagonal(logs, 0.0)
    levels = (logs.sum(axis=0) - logs.sum(axis=1)) / len(classes)
    raised = np.exp(levels - levels.max())
    return np.asarray(raised / raised.sum())


def search_thresholds(
    probabilities: Table, truth: Table, classes: tuple[str, ...], problem: Problem, task: Task
) -> Levels:
    """Move thresholds away from where costs put them, one at a time, while that pays.

    By the probabilities first: where costs differ from pair to pair of classes, one threshold a
    class cannot follow all of them. Then by the labels, and there a move must gain so much more
    than chance would, and than the probabilities let expect, that it is worth following.

    Args:
        probabilities: Of the validation part, after temperature; float64.
        truth: Ones at each image's labels; float64.
        classes: Names in the order of the columns.
        problem: Its costs.
        task: Decides how thresholds choose.
    """
    miss, false_alarm = label_costs(classes, problem)
    table = _Table(
        task=task,
        probabilities=probabilities,
        costs=cost_table(classes, problem) if task == "single-label" else np.zeros((0, 0)),
        miss=miss,
        false_alarm=false_alarm,
        charged=None,
    )
    levels = _search(table, bayes_thresholds(classes, problem, task))
    charged = choice_costs(truth, classes, problem, task)
    levels = _search(msgspec.structs.replace(table, charged=charged), levels)
    return levels if task == "multi-label" else np.asarray(levels / levels.sum())


def _search(table: _Table, start: Levels) -> Levels:
    levels = start.copy()
    leaders = _leaders(table, levels)
    guard = NormalDist().inv_cdf(1.0 - _BY_CHANCE / (_MOVES * len(levels)))
    for _ in range(_SWEEPS):
        moves = 0
        for column in range(len(levels)):
            if table.task == "multi-label":
                stakes = _label_stakes(table, float(levels[column]), column)
            else:
                stakes = _class_stakes(table, levels, leaders, column)
            factor = _best_factor(stakes, len(table.probabilities), guard)
            if factor is None:
                continue
            odds = stakes.now * factor
            levels[column] = odds / (1.0 + odds) if table.task == "multi-label" else odds
            leaders = _leaders(table, levels)
            moves += 1
        if not moves:
            break
    return levels


def _leaders(table: _Table, levels: Levels) -> tuple[Int[np.ndarray, "images"], ...]:
    """Name the class that is chosen for each image, and the one that follows it."""
    if table.task == "multi-label" or not len(table.probabilities):
        return ()
    weighed = table.probabilities / levels
    first = weighed.argmax(axis=1)
    weighed[np.arange(len(weighed)), first] = -1.0
    return first, weighed.argmax(axis=1)


def _label_stakes(table: _Table, level: float, column: int) -> _Stakes:
    own = table.probabilities[:, column]
    odds, now = own / np.maximum(1.0 - own, 1e-12), level / (1.0 - level)
    near = _near(odds, now)
    own, miss, false_alarm = own[near], table.miss[column], table.false_alarm[column]
    seen = None
    if table.charged is not None:
        seen = table.charged.left[near, column] - table.charged.taken[near, column]
    return _Stakes(
        now=now,
        turns=odds[near],
        expected=own * miss - (1.0 - own) * false_alarm,
        variance=own * (1.0 - own) * (miss + false_alarm) ** 2,
        seen=seen,
    )


def _class_stakes(
    table: _Table, levels: Levels, leaders: tuple[Int[np.ndarray, "images"], ...], column: int
) -> _Stakes:
    first, second = leaders or (np.zeros(0, np.int64),) * 2
    rivals = np.where(first == column, second, first)
    rows = np.arange(len(rivals))
    own, best = table.probabilities[:, column], table.probabilities[rows, rivals] / levels[rivals]
    turns = own / np.maximum(best, 1e-300)
    near = _near(turns, float(levels[column]))
    rows, rivals = rows[near], rivals[near]
    shares = table.probabilities[near]
    gains = table.costs[:, rivals].T - table.costs[:, column]  # for every class it might truly be
    expected = (shares * gains).sum(axis=1)
    seen = None
    if table.charged is not None:
        seen = table.charged.taken[rows, rivals] - table.charged.taken[rows, column]
    return _Stakes(
        now=float(levels[column]),
        turns=turns[near],
        expected=expected,
        variance=np.maximum((shares * gains**2).sum(axis=1) - expected**2, 0.0),
        seen=seen,
    )


def _near(turns: Float[np.ndarray, "images"], now: float) -> Bool[np.ndarray, "images"]:
    """Pick the images that some factor turns; of many classes they are few."""
    return np.asarray((turns >= now * _FACTORS.min()) & (turns < now * _FACTORS.max()))


def _best_factor(stakes: _Stakes, images: int, guard: float) -> float | None:
    """Find the factor whose gain is surest; None where none is sure enough.

    Args:
        stakes: What is won by the class.
        images: Of the whole part; those that no factor turns gain 0.
        guard: Standard errors by which the gain must exceed 0.
    """
    order = np.argsort(stakes.turns, kind="stable")
    place = np.searchsorted(stakes.turns[order], stakes.now * np.append(_FACTORS, 1.0))

    def turned(values: Float[np.ndarray, "images"]) -> Float[np.ndarray, "factors"]:
        """Sum over the images that each factor turns to the class; negative: away from it."""
        sums = np.append(0.0, np.cumsum(values[order]))[place]
        return np.asarray(sums[-1] - sums[:-1])

    surest = turned(stakes.expected)
    if stakes.seen is not None:
        gain = turned(stakes.seen)
        spread = np.abs(turned(stakes.seen**2)) - gain**2 / max(images, 1)
        surprise = gain - surest - _SURPRISE * np.sqrt(np.abs(turned(stakes.variance)))
        surest = np.minimum(gain - guard * np.sqrt(np.maximum(spread, 0.0)), surprise)
    best = int(surest.argmax())
    # What is left of the sums by rounding alone is no gain.
    return float(_FACTORS[best]) if surest[best] > 1e-9 * max(images, 1) else None
