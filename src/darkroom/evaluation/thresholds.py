"""Thresholds from the Problem's costs: fitted on the validation part, measured on another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.decision import Decided, Decision, Task, check_answers, decide
from darkroom.errors import DataError
from darkroom.evaluation.costs import (
    choice_costs,
    cost_table,
    has_costs,
    image_costs,
    label_costs,
    mean_cost,
    no_answer_cost,
)
from darkroom.evaluation.threshold_search import search_thresholds
from darkroom.intervals import Estimate
from darkroom.problem import Problem

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

    Table = Float[np.ndarray, "images classes"]

FEWEST_POSITIVES = 10  # images of a class below which a threshold for its F1 is chance; own

_POINTS = 100  # of a trade-off curve


class CostPoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one threshold would lead to."""

    threshold: float  # 0..1; the class is chosen from this probability on
    false_positive_rate: float | None  # 0..1; None: every image is of the class
    false_negative_rate: float | None  # 0..1; None: no image is of the class
    cost: float  # mean per image, in ordinary errors


class ClassTradeOff(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How errors of one class trade against each other as its threshold moves."""

    name: str
    chosen: float  # the threshold in force, 0..1
    points: tuple[CostPoint, ...]  # by rising threshold


class Costs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What answers cost, in ordinary errors per image."""

    images: int
    plain: Estimate  # without thresholds or abstaining
    chosen: Estimate  # with the Decision
    difference: Estimate  # chosen less plain, on the same images; no interval where none differs
    # Two classes: of the second. Several labels: one per class. Else empty. Abstaining is left out.
    curves: tuple[ClassTradeOff, ...]


def fit_thresholds(
    probabilities: Table, targets: Table, classes: tuple[str, ...], problem: Problem, task: Task
) -> tuple[float, ...]:
    """Choose the thresholds that make errors cheap, one per class.

    Args:
        probabilities: Of the validation part, after temperature.
        targets: Ones at each image's labels.
        classes: Names in the order of the columns.
        problem: Its costs; with several labels and no costs, its metric: `macro-f1` gives each
            class the threshold of its best F1, or 0.5 where fewer than ten images are of it.
        task: Numbers have no thresholds.

    Returns:
        Empty where nothing but the usual rule is asked for.

    Raises:
        DataError: The two tables differ in shape, or hold what is no probability.
    """
    check_answers(probabilities, targets)
    fewest = 2 if task == "single-label" else 1
    if task == "regression" or len(classes) < fewest:
        return ()
    cooled, truth = probabilities.astype(np.float64), (targets > 0.5).astype(np.float64)
    if problem.costs:
        return tuple(search_thresholds(cooled, truth, classes, problem, task).tolist())
    if task == "multi-label" and problem.metric == "macro-f1":
        columns = range(len(classes))
        return tuple(_best_f1(cooled[:, column], truth[:, column]) for column in columns)
    return ()


def measure_costs(
    probabilities: Table,
    targets: Table,
    classes: tuple[str, ...],
    decision: Decision,
    problem: Problem,
) -> Costs | None:
    """Measure what answers cost with the Decision, and what they would cost without.

    Args:
        probabilities: What the network answered, 0..1.
        targets: Ones at each image's labels.
        classes: Names in the order of the columns.
        decision: The rule.
        problem: Its costs. An image on which the Decision abstains costs `abstain_cost`, or as
            much as an ordinary error.

    Returns:
        None where the Problem names no costs, or numbers are predicted.

    Raises:
        DataError: The two tables differ in shape, are empty, or hold what is no probability.
    """
    check_answers(probabilities, targets)
    if decision.task == "regression" or not has_costs(problem):
        return None
    if not len(targets):
        raise DataError(
            "there are no images whose costs could be measured",
            hint="darkroom evaluate RUN --part valid",
        )
    truth = (targets > 0.5).astype(np.float64)
    plain = decide(probabilities, Decision(task=decision.task, temperature=decision.temperature))
    chosen = decide(probabilities, decision)
    charged = choice_costs(truth, classes, problem, decision.task)
    before, after = (image_costs(each, charged, problem) for each in (plain, chosen))
    if decision.task == "multi-label":
        levels = np.unique(label_costs(classes, problem))
    else:
        levels = np.unique(cost_table(classes, problem))
    unanswered = [no_answer_cost(problem)] if decision.abstain_below else []
    turned = (plain.chosen != chosen.chosen).any()
    changes = _possible_changes(plain, chosen, classes, problem, task=decision.task)
    return Costs(
        images=len(truth),
        plain=mean_cost(before, levels),
        chosen=mean_cost(after, np.append(levels, unanswered)),
        difference=mean_cost(after - before, changes) if turned else Estimate(value=0.0),
        curves=_curves(plain.probabilities, truth, classes, decision, problem),
    )


def _possible_changes(
    plain: Decided, chosen: Decided, classes: tuple[str, ...], problem: Problem, *, task: Task
) -> Float[np.ndarray, "levels"]:
    """List what each change of answer that occurs could do to an image's cost."""
    changed = (plain.chosen != chosen.chosen).any(axis=1)
    abstains, unanswered = chosen.abstained & changed, no_answer_cost(problem)
    if task == "multi-label":
        miss, false_alarm = label_costs(classes, problem)
        answered = changed & ~chosen.abstained
        added = (chosen.chosen & ~plain.chosen)[answered].any(axis=0)
        dropped = (plain.chosen & ~chosen.chosen)[answered].any(axis=0)
        levels = [false_alarm[added], -miss[added], miss[dropped], -false_alarm[dropped]]
        return np.concatenate([*levels, [unanswered] if abstains.any() else []])
    table = cost_table(classes, problem)
    one, other = plain.chosen.argmax(axis=1), chosen.chosen.argmax(axis=1)
    moved = changed & ~chosen.abstained
    pairs = np.unique(np.stack([one[moved], other[moved]]), axis=1)
    levels = [(table[:, pairs[1]] - table[:, pairs[0]]).ravel()]
    levels.append((unanswered - table[:, np.unique(one[abstains])]).ravel())
    return np.unique(np.concatenate(levels))


def _best_f1(own: Float[np.ndarray, "images"], truth: Float[np.ndarray, "images"]) -> float:
    """Give the threshold of the best F1, half way between two probabilities that occur.

    Source: Lipton et al. 2014, arXiv:1402.1892, on why 0.5 is not it.
    """
    positives = truth.sum()
    if positives < FEWEST_POSITIVES:
        return 0.5
    order = np.argsort(-own, kind="stable")
    ranked, hits = own[order], np.cumsum(truth[order])
    following = np.append(ranked[1:], 0.0)
    f1 = 2 * hits / (np.arange(1, len(own) + 1) + positives)
    f1[ranked == following] = -1.0  # no threshold lies between equals
    best = int(f1.argmax())
    if f1[best] <= 0:
        return 0.5
    middle = float((ranked[best] + following[best]) / 2)
    return middle if np.float32(middle) > following[best] else float(ranked[best])


def _curves(
    cooled: Table, truth: Table, classes: tuple[str, ...], decision: Decision, problem: Problem
) -> tuple[ClassTradeOff, ...]:
    if decision.task == "multi-label":
        in_force = decision.thresholds or (0.5,) * len(classes)
        miss, false_alarm = label_costs(classes, problem)
        columns = list(range(len(classes)))
    elif len(classes) == 2:
        table, levels = cost_table(classes, problem), decision.thresholds or (0.5, 0.5)
        share = levels[1] / sum(levels) if sum(levels) else 0.5
        in_force, columns = (1.0 - share, share), [1]
        miss, false_alarm = table.sum(axis=1), table.sum(axis=0)
    else:
        return ()
    return tuple(
        _trade_off(
            classes[column],
            cooled[:, column],
            truth[:, column] > 0.5,
            chosen=float(in_force[column]),
            costs=(float(miss[column]), float(false_alarm[column])),
        )
        for column in columns
    )


def _trade_off(
    name: str,
    own: Float[np.ndarray, "images"],
    truth: Bool[np.ndarray, "images"],
    *,
    chosen: float,
    costs: tuple[float, float],
) -> ClassTradeOff:
    """Trace the errors of one class over its thresholds; `costs` are of a miss, a false alarm."""
    spread = np.quantile(own, np.linspace(0, 1, _POINTS - 3))
    # As float32 on both sides, as `decide` compares them.
    thresholds = np.unique(np.append(spread, [0.0, 1.0, chosen]).astype(np.float32))
    misses = np.searchsorted(np.sort(own[truth]), thresholds)  # those below it
    false_alarms = np.sum(~truth) - np.searchsorted(np.sort(own[~truth]), thresholds)
    cost = (misses * costs[0] + false_alarms * costs[1]) / len(own)
    positives, negatives = int(truth.sum()), int((~truth).sum())
    points = tuple(
        CostPoint(
            threshold=round(threshold, 6),
            false_positive_rate=round(false / negatives, 4) if negatives else None,
            false_negative_rate=round(missed / positives, 4) if positives else None,
            cost=round(mean, 6),
        )
        for threshold, false, missed, mean in zip(
            thresholds.tolist(), false_alarms.tolist(), misses.tolist(), cost.tolist(), strict=True
        )
    )
    return ClassTradeOff(name=name, chosen=chosen, points=points)
