"""How probabilities become labels: the `task`, the Decision record, and what applies it.

Evaluation fits a Decision on the validation part, the bundle carries it, and every surface that
answers applies it through `decide`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from darkroom.errors import DataError, RecipeError

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Shaped

Task = Literal["single-label", "multi-label", "regression"]
# How sure an answer is, 0..1: its best probability, or 1 less its entropy over the largest one.
Sureness = Literal["confidence", "certainty"]

_SMALLEST = 1e-12  # keeps the logarithm finite; far below any probability that matters
_NEAR_1 = 2.0**-25  # what a float32 that reads 1 may lack: half its last step below 1


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rule from probabilities to labels."""

    task: Task
    temperature: float = 1.0  # > 0; above 1 softens the probabilities
    # One per class, 0..1. Multi-label: a label is chosen from its threshold on; empty: 0.5 each.
    # Single-label: the class whose probability is the largest multiple of its threshold is chosen;
    # empty: the most probable one.
    thresholds: tuple[float, ...] = ()
    abstain_below: float = 0.0  # 0..1; no label is chosen when `abstain_by` is lower
    abstain_by: Sureness = "confidence"

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise RecipeError(
                f"decision.temperature = {self.temperature}: a temperature is above 0",
                hint="write 1.0 to leave the probabilities as they are",
            )
        shares = {f"thresholds[{row}]": share for row, share in enumerate(self.thresholds)}
        for name, share in {**shares, "abstain_below": self.abstain_below}.items():
            if not 0 <= share <= 1:
                raise RecipeError(
                    f"decision.{name} = {share}: a probability lies in 0..1",
                    hint=f"write {share / 100:g} for {share:g} %",
                )


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What a Decision makes of a batch."""

    probabilities: Float[np.ndarray, "images classes"]
    chosen: Bool[np.ndarray, "images classes"]
    abstained: Bool[np.ndarray, "images"]


def decide(probabilities: Float[np.ndarray, "images classes"], decision: Decision) -> Decided:
    """Choose the labels of a batch, or abstain.

    Args:
        probabilities: What the network answered, 0..1; for `single-label` rows sum to 1.
        decision: The rule.

    Returns:
        The probabilities after temperature (float32), the labels chosen, and where nothing was
        chosen. Everything is computed in float64 and rounded once, for the float32 exponentials
        of two processors differ in their last digits, which near a threshold is another label.

    Raises:
        RecipeError: The rule has thresholds, and not one per class.

    Source: temperature scaling, Guo et al. 2017, arXiv:1706.04599.
    """
    thresholds = np.asarray(decision.thresholds, np.float64)
    if len(thresholds) not in (0, probabilities.shape[1]):
        raise RecipeError(
            f"decision.thresholds holds {len(thresholds)} numbers for "
            f"{probabilities.shape[1]} classes",
            hint="give one per class, or none",
        )
    cooled = _cooled(np.asarray(probabilities), decision)
    if decision.task == "multi-label":
        # Both sides as float32, so that a probability written down reaches its own threshold.
        chosen = cooled >= (thresholds.astype(np.float32) if len(thresholds) else 0.5)
    else:
        weighed = cooled / np.maximum(thresholds, _SMALLEST) if len(thresholds) else cooled
        chosen = np.zeros(cooled.shape, np.bool_)
        chosen[np.arange(len(cooled)), weighed.argmax(axis=1)] = True
    abstained = sureness(cooled, decision.abstain_by) < np.float32(decision.abstain_below)
    return Decided(probabilities=cooled, chosen=chosen & ~abstained[:, None], abstained=abstained)


def sureness(
    probabilities: Float[np.ndarray, "images classes"], by: Sureness
) -> Float[np.ndarray, "images"]:
    """Say how sure each answer is, 0..1, as float32.

    Args:
        probabilities: After temperature, 0..1.
        by: `confidence` is the best probability; `certainty` is 1 less the entropy of the row over
            the largest it could have, and 1 where there is but one class.

    Source: maximum softmax probability, Hendrycks and Gimpel 2017, arXiv:1610.02136.
    """
    if by == "confidence":
        return np.asarray(probabilities.max(axis=1), np.float32)
    classes = probabilities.shape[1]
    if classes < 2:
        return np.ones(len(probabilities), np.float32)
    exact = probabilities.astype(np.float64)
    entropy = -(exact * np.log(np.clip(exact, _SMALLEST, 1.0))).sum(axis=1) / math.log(classes)
    return np.asarray(np.clip(1.0 - entropy, 0.0, 1.0), np.float32)


def log_odds(
    probabilities: Float[np.ndarray, "images classes"], task: Task
) -> Float[np.ndarray, "images classes"]:
    """Give what a temperature divides, as float64.

    Args:
        probabilities: 0..1, without temperature.
        task: `multi-label` gives the log of the odds of each label; any other the log of each
            probability, which is the network's last layer up to a constant per image.
    """
    exact = np.asarray(probabilities, np.float64)
    logs = np.log(np.clip(exact, _SMALLEST, 1.0))
    if task == "multi-label":
        logs = logs - np.log(np.clip(1.0 - exact, _NEAR_1, 1.0))
    return np.asarray(logs)


def check_answers(
    probabilities: Shaped[np.ndarray, "..."], targets: Shaped[np.ndarray, "..."]
) -> None:
    """Check that a table of probabilities belongs to a table of targets and holds numbers.

    Args:
        probabilities: One row per image, one column per class.
        targets: Ones at each image's labels; the same shape. No images at all are fine.

    Raises:
        DataError: The two differ in shape, or a probability is not a number in 0..1.
    """
    if probabilities.ndim != 2 or probabilities.shape != targets.shape:
        raise DataError(
            f"{probabilities.shape} probabilities do not belong to {targets.shape} targets",
            hint="evaluate the run again: darkroom evaluate RUN",
        )
    if not np.isfinite(probabilities).all():
        raise DataError(
            f"{np.count_nonzero(~np.isfinite(probabilities)):,} probabilities are not numbers",
            hint="the training diverged; train again with --set optimizer.peak_lr=1e-3",
        )
    # A softmax in float32 may end a few last digits above 1.
    if probabilities.size and not (probabilities.min() >= 0 and probabilities.max() <= 1 + 1e-4):
        raise DataError(
            f"probabilities reach from {probabilities.min():.3g} to {probabilities.max():.3g}; "
            "they lie in 0..1",
            hint="hand in what the network answers after its softmax or sigmoid",
        )


def _cooled(
    probabilities: Float[np.ndarray, "images classes"], decision: Decision
) -> Float[np.ndarray, "images classes"]:
    if decision.temperature == 1.0:
        return np.asarray(probabilities, np.float32)
    logs = log_odds(probabilities, decision.task) / decision.temperature
    if decision.task == "multi-label":
        # exp of a negative number only: it cannot overflow, whichever side of 0 the odds lie on.
        tail = np.exp(-np.abs(logs))
        return np.asarray(np.where(logs < 0, tail, 1.0) / (1.0 + tail), np.float32)
    raised = np.exp(logs - logs.max(axis=1, keepdims=True))  # a low temperature must not underflow
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)
