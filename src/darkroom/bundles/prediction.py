"""Prediction: the answer for one image, the same record on every surface."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from darkroom.decision import Decided, Task

if TYPE_CHECKING:
    from collections.abc import Sequence


class Prediction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a bundle says about one image."""

    task: Task
    labels: tuple[str, ...]  # chosen; empty when it abstained or none applies
    probabilities: dict[str, float]  # of every class, 0..1, in the bundle's order
    abstained: bool = False
    value: float | None = None  # regression only

    @property
    def label(self) -> str | None:
        """The most probable of the labels chosen, or None."""
        return max(self.labels, key=self.probabilities.__getitem__, default=None)

    @property
    def probability(self) -> float:
        """The probability of `label`; of the most probable class when there is none."""
        label = self.label
        return max(self.probabilities.values()) if label is None else self.probabilities[label]


def to_predictions(decided: Decided, classes: Sequence[str], task: Task) -> list[Prediction]:
    """Give every row of a decided batch its names."""
    return [
        Prediction(
            task=task,
            labels=tuple(name for name, chosen in zip(classes, picks, strict=True) if chosen),
            probabilities=dict(zip(classes, shares, strict=True)),
            abstained=abstained,
        )
        for shares, picks, abstained in zip(
            decided.probabilities.tolist(),
            decided.chosen.tolist(),
            decided.abstained.tolist(),
            strict=True,
        )
    ]
