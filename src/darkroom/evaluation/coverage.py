"""When to answer: what abstaining saves, and accuracy against the share of images answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.decision import Decision, check_answers, decide, sureness
from darkroom.evaluation.costs import choice_costs, has_costs, image_costs, no_answer_cost
from darkroom.problem import Problem

if TYPE_CHECKING:
    from jaxtyping import Float

    Table = Float[np.ndarray, "images classes"]

_POINTS = 60  # of a curve


class CoveragePoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What abstaining below one threshold would lead to."""

    threshold: float  # 0..1, of the Decision's sureness
    answered: float  # share of images, 0..1
    accuracy: float | None  # of those answered, 0..1; None: there are none
    cost: float | None  # mean over all images, in ordinary errors; None: no costs are named


def fit_abstain(
    probabilities: Table,
    targets: Table,
    classes: tuple[str, ...],
    decision: Decision,
    problem: Problem,
) -> float:
    """Choose how sure an answer has to be, so that the mean cost of the images is least.

    Args:
        probabilities: What the network answered for the validation part, 0..1.
        targets: Ones at each image's labels.
        classes: Names in the order of the columns.
        decision: Its temperature and thresholds choose the labels, its `abstain_by` is cut.
        problem: Costs of errors, and what no answer costs.

    Returns:
        The threshold, half way between two images; of equally cheap ones the lowest, which
        answers most. 0 where abstaining saves nothing, or the Problem does not name its cost.

    Raises:
        DataError: The two tables differ in shape, or hold what is no probability.

    Source: the reject option of Chow 1970, doi:10.1109/TIT.1970.1054406, found on images.
    """
    check_answers(probabilities, targets)
    if problem.abstain_cost is None or decision.task == "regression" or not len(targets):
        return 0.0
    sure, costs = _answered_costs(probabilities, targets, classes, decision, problem)
    order = np.argsort(sure, kind="stable")
    ranked = sure[order]
    # Cut k leaves the k least sure without an answer. Equals stay together, and an answer that is
    # as sure as can be cannot be cut off: that takes a sureness below the threshold.
    total = costs.sum() - np.append(0.0, np.cumsum(costs[order]))
    total += np.arange(len(ranked) + 1) * problem.abstain_cost
    following = np.append(ranked, 1.0)
    is_a_cut = np.append(True, ranked < following[1:])
    total[~is_a_cut] = np.inf
    best = int(np.argmax(total <= total.min() + 1e-9))
    if not best:
        return 0.0
    lower, upper = float(following[best - 1]), float(following[best])
    middle = (lower + upper) / 2
    return middle if np.float32(middle) > lower else upper  # `decide` compares float32


def trace_coverage(
    probabilities: Table,
    targets: Table,
    decision: Decision,
    *,
    classes: tuple[str, ...] = (),
    problem: Problem | None = None,
) -> tuple[CoveragePoint, ...]:
    """Trace the accuracy of those answered, and the cost, as less and less is answered.

    Args:
        probabilities: What the network answered, 0..1.
        targets: Ones at each image's labels.
        decision: Its temperature and thresholds choose the labels; its own limit stands among
            the points.
        classes: Names in the order of the columns; needed for costs only.
        problem: Costs of errors and of no answer.

    Returns:
        At most 60 points by rising threshold; none for numbers and for no images.

    Raises:
        DataError: The two tables differ in shape, or hold what is no probability.
    """
    check_answers(probabilities, targets)
    if decision.task == "regression" or not len(targets):
        return ()
    asked = problem if problem is not None and classes and has_costs(problem) else None
    always = msgspec.structs.replace(decision, abstain_below=0.0)
    decided = decide(probabilities, always)
    right = (decided.chosen == (targets > 0.5)).all(axis=1)
    sure = sureness(decided.probabilities, decision.abstain_by).astype(np.float64)
    order = np.argsort(sure, kind="stable")
    costs = None
    if asked is not None:
        _, costs = _answered_costs(probabilities, targets, classes, decision, asked)
        costs = np.append(0.0, np.cumsum(costs[order]))
    hits, ranked, images = np.append(0, np.cumsum(right[order])), sure[order], len(sure)
    spread = np.quantile(sure, np.linspace(0, 1, _POINTS - 3))
    ends = np.array([0.0, 1.0, decision.abstain_below])
    limits = np.unique(np.append(spread, ends).astype(np.float32))  # as `decide` compares them
    points = []
    for limit, cut in zip(limits.tolist(), np.searchsorted(ranked, limits).tolist(), strict=True):
        cost = None
        if asked is not None and costs is not None:
            cost = float(costs[-1] - costs[cut] + cut * no_answer_cost(asked)) / images
        points.append(
            CoveragePoint(
                threshold=round(limit, 6),
                answered=(images - cut) / images,
                accuracy=float(hits[-1] - hits[cut]) / (images - cut) if cut < images else None,
                cost=cost,
            )
        )
    return tuple(points)


def _answered_costs(
    probabilities: Table,
    targets: Table,
    classes: tuple[str, ...],
    decision: Decision,
    problem: Problem,
) -> tuple[Float[np.ndarray, "images"], Float[np.ndarray, "images"]]:
    """Give how sure each answer is, and what it costs when it is given."""
    decided = decide(probabilities, msgspec.structs.replace(decision, abstain_below=0.0))
    charged = choice_costs((targets > 0.5).astype(np.float64), classes, problem, decision.task)
    sure = sureness(decided.probabilities, decision.abstain_by).astype(np.float64)
    return sure, image_costs(decided, charged, problem)
