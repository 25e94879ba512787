"""Whether labels are wrong: answers that are sure, and yet contradict the label."""

from __future__ import annotations

import shlex

import numpy as np

from darkroom.evaluation.diagnosis.capacity import overfitting
from darkroom.evaluation.diagnosis.diagnosis import Unclear
from darkroom.evaluation.diagnosis.evidence import Answered, Evidence
from darkroom.findings import Finding
from darkroom.intervals import Rate, wilson

_SUREST = 3  # the surest third
_NOISE = 0.05  # own: of these, by the lower end of the interval
_AS_OFTEN = 0.5  # own: as of all answers; a network that is merely weak is rarely sure and wrong
_SKILL = 0.4  # own, as of label suspects: below it sure answers are often wrong
_FEWEST = 30  # own: sure answers


def label_noise(evidence: Evidence) -> Finding | Unclear | None:
    """Say so when the surest answers contradict their labels too often.

    A network that learned something is seldom wrong where it is surest, unless the label is; of
    random wrong labels that share stays the same however sure it is. Answers for training images
    count too: one that was shown with its label, and is still surely answered otherwise, is odd.
    """
    valid, train = evidence.valid, evidence.train
    if valid is None or train is None:
        return None
    skill = evidence.skill(valid)
    if (skill.low or 0.0) < _SKILL:
        return Unclear(
            name="label-noise",
            why=f"a network with {evidence.told(valid.score)} of the validation part cannot "
            "doubt a label",
        )
    if overfitting(evidence) is not None:
        return Unclear(
            name="label-noise",
            why="a network that learned its images by heart is sure of its errors too",
        )
    if len(valid) < _SUREST * _FEWEST:
        return Unclear(
            name="label-noise", why=f"{len(valid):,} validation images are too few to say"
        )
    for part, answered in (("validation", valid), ("training", train)):
        rate, odd = _contradicted(answered)
        wrong = 1 - (answered.score.value or 0.0)
        if (rate.low or 0.0) > _NOISE and (rate.value or 0.0) > _AS_OFTEN * wrong:
            return _noise(evidence, part, rate, odd)
    return None


def _contradicted(answered: Answered) -> tuple[Rate, tuple[str, ...]]:
    """Count the surest answers that are not the label, and name their images, the surest first."""
    order = np.argsort(-answered.answers.max(axis=1), kind="stable")
    surest = order[: max(len(order) // _SUREST, 1)]
    wrong = surest[~answered.right[surest]]
    return wilson(len(wrong), len(surest)), tuple(answered.images[place] for place in wrong)


def _noise(evidence: Evidence, part: str, rate: Rate, odd: tuple[str, ...]) -> Finding:
    return Finding(
        name="label-noise",
        severity="warning",
        what=(
            f"labels seem to be wrong: of the third of the {part} answers that are the surest, "
            f"{rate} contradict the label, hardly fewer than of all; the first is {odd[0]}"
        ),
        where=odd,
        next_step=shlex.join(["darkroom", "explore", evidence.source, "--run", evidence.run]),
    )
