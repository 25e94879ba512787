"""Whether the training ended while it still got better."""

from __future__ import annotations

from darkroom.evaluation.diagnosis.diagnosis import Unclear
from darkroom.evaluation.diagnosis.evidence import (
    Evidence,
    gap_between,
    points,
    share_of,
    told_share,
)
from darkroom.findings import Finding
from darkroom.training.record import Epoch
from darkroom.wording import counted

_STILL = (
    0.05  # own: of the images, by the lower end of the interval; a rate that anneals brings less
)
_LEARNED = 0.9  # own: of the way from guessing to knowing the training images
# Own: the shortest training by default, that of a head, takes 270 to 330 steps, if there are images
# enough for so many.
_FAIR_STEPS = 250
_WINDOW = 3  # the last third of the epochs


def too_few_epochs(evidence: Evidence) -> Finding | Unclear | None:
    """Say so when the last third of the epochs brought much, and much is left to learn."""
    history = evidence.history
    if len(history) < 2:
        return Unclear(
            name="too-few-epochs", why=f"a history of {len(history)} says nothing of its course"
        )
    if evidence.outcome == "failed" or evidence.train is None:
        return None
    skill = evidence.skill(evidence.train)
    if skill.high is None or skill.high >= _LEARNED or evidence.best_epoch != len(history):
        return None
    since = history[-1 - max(len(history) // _WINDOW, 1)]
    told = _still_rising(evidence, since)
    if told is None and evidence.steps < _FAIR_STEPS and history[-1].loss < since.loss:
        told = f"{counted(evidence.steps, 'step was', 'steps were')} made, and the last was best"
    if told is None:
        return None
    return Finding(
        name="too-few-epochs",
        severity="warning",
        what=(
            f"the training ended while it still got better: {told}; on its own training images it "
            f"gives {evidence.told(evidence.train.score)}"
        ),
        next_step=evidence.train_again(evidence.more_epochs),
    )


def _still_rising(evidence: Evidence, since: Epoch) -> str | None:
    """Say how much the last epochs brought; None: not much, or it is no accuracy."""
    images, last = evidence.valid_images, evidence.history[-1]
    if last.valid_accuracy is None or since.valid_accuracy is None:
        return None
    now = share_of(round(last.valid_accuracy * images), images)
    before = share_of(round(since.valid_accuracy * images), images)
    rise = gap_between(now, before)
    if rise.low is None or rise.low <= _STILL:
        return None
    return (
        f"from epoch {since.number} to {last.number} the validation accuracy rose by "
        f"{points(rise)}, to {told_share(now)}"
    )
