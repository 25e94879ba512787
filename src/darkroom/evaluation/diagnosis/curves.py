"""Whether the training ended while it still got better."""

from __future__ import annotations

from darkroom.evaluation.diagnosis.diagnosis import Unclear
from darkroom.evaluation.diagnosis.evidence import Evidence, gap_between, points
from darkroom.findings import Finding
from darkroom.intervals import Estimate, wilson

_STILL = (
    0.05  # own: of the images, by the lower end of the interval; a rate that anneals brings less
)
_LEARNED = 0.9  # own: of the way from guessing to knowing the training images
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
    if skill.high is None or skill.high >= _LEARNED:
        return None
    since = history[-1 - max(len(history) // _WINDOW, 1)]
    if evidence.best_epoch != len(history) or evidence.task == "regression":
        return None
    images = evidence.valid_images
    now, before = (
        wilson(round((epoch.valid_accuracy or 0.0) * images), images)
        for epoch in (history[-1], since)
    )
    rise = gap_between(
        *(Estimate(value=rate.value, low=rate.low, high=rate.high) for rate in (now, before))
    )
    if rise.low is None or rise.low <= _STILL:
        return None
    return Finding(
        name="too-few-epochs",
        severity="warning",
        what=(
            f"the training ended while it still got better: from epoch {since.number} to "
            f"{len(history)} the validation accuracy rose by {points(rise)}, to {now}; "
            f"of the training images {evidence.told(evidence.train.score)} are answered rightly"
        ),
        next_step=evidence.train_again(f"epochs={3 * len(history)}"),
    )
