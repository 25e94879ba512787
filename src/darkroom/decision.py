"""How probabilities become labels: the `task`, the Decision record, and what applies it.

Evaluation fits a Decision on the validation part, the bundle carries it, and every surface that
answers applies it through `decide`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from darkroom.errors import RecipeError

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

Task = Literal["single-label", "multi-label", "regression"]

_SMALLEST = 1e-12  # keeps the logarithm finite; far below any probability that matters


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rule from probabilities to labels."""

    task: Task
    temperature: float = 1.0  # > 0; above 1 softens the probabilities
    thresholds: tuple[float, ...] = ()  # multi-label: one per class, 0..1; empty means 0.5 each
    abstain_below: float = 0.0  # 0..1; no label is chosen when the best probability is lower

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
        The probabilities after temperature, the labels chosen, and where nothing was chosen.

    Source: temperature scaling, Guo et al. 2017, arXiv:1706.04599.
    """
    cooled = _cooled(np.asarray(probabilities, np.float32), decision)
    if decision.task == "multi-label":
        chosen = cooled >= np.asarray(decision.thresholds or 0.5, np.float32)
    else:
        chosen = np.zeros(cooled.shape, np.bool_)
        chosen[np.arange(len(cooled)), cooled.argmax(axis=1)] = True
    abstained = cooled.max(axis=1) < decision.abstain_below
    return Decided(probabilities=cooled, chosen=chosen & ~abstained[:, None], abstained=abstained)


def _cooled(
    probabilities: Float[np.ndarray, "images classes"], decision: Decision
) -> Float[np.ndarray, "images classes"]:
    if decision.temperature == 1.0:
        return probabilities
    logs = np.log(np.clip(probabilities, _SMALLEST, 1.0)) / decision.temperature
    if decision.task == "multi-label":
        others = np.log(np.clip(1.0 - probabilities, _SMALLEST, 1.0)) / decision.temperature
        return np.asarray(np.exp(logs - np.logaddexp(logs, others)), np.float32)
    raised = np.exp(logs - logs.max(axis=1, keepdims=True))  # a low temperature must not underflow
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)
