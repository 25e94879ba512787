"""Whether the learning rate was too high or too low."""

from __future__ import annotations

from darkroom.evaluation.diagnosis.diagnosis import Unclear
from darkroom.evaluation.diagnosis.evidence import Evidence
from darkroom.findings import Finding
from darkroom.training.guards import FAR

_LEARNED = 0.9  # own: of the way from guessing to knowing the training images
_CLIMBED = 0.25  # own: of the loss of a constant answer, from the lowest loss to the last


def rate_too_high(evidence: Evidence) -> Finding | Unclear | None:
    """Say so when the training diverged, or learned little at a rate far above the usual one."""
    peak, usual = _peak(evidence), evidence.usual_lr
    if evidence.outcome == "failed":
        return _too_high(evidence, "the training diverged: its loss is no number any more")
    if not evidence.history:
        return Unclear(name="rate-too-high", why="no epoch was finished")
    # A stage has images and a network of its own: losses of two cannot be held against each other.
    stage = evidence.history[-1].stage
    losses = [epoch.loss for epoch in evidence.history if epoch.stage == stage]
    climbed = losses[-1] - min(losses)
    if evidence.chance.loss is not None and climbed > _CLIMBED * evidence.chance.loss:
        told = f"the training loss came down to {min(losses):.3g} and ended at {losses[-1]:.3g}"
        return _too_high(evidence, told)
    if peak <= FAR * usual:
        return None
    learned = _little(evidence, "rate-too-high")
    return _too_high(evidence, learned) if isinstance(learned, str) else learned


def rate_too_low(evidence: Evidence) -> Finding | Unclear | None:
    """Say so when little was learned at a rate far below the usual one."""
    if not evidence.history:
        return Unclear(name="rate-too-low", why="no epoch was finished")
    peak, usual = _peak(evidence), evidence.usual_lr
    if peak >= usual / FAR:
        return None
    learned = _little(evidence, "rate-too-low")
    if not isinstance(learned, str):
        return learned
    return Finding(
        name="rate-too-low",
        severity="warning",
        what=f"the learning rate is too low: at most {peak:.2g}, {usual:.2g} is usual; {learned}",
        next_step=evidence.train_again(f"optimizer.peak_lr={usual:g}"),
    )


def _too_high(evidence: Evidence, told: str) -> Finding:
    peak, usual = _peak(evidence), evidence.usual_lr
    gentler = min(usual, peak / 10)
    which = f"{usual:.2g} is usual" if peak > usual else "which is usual, but not for these images"
    return Finding(
        name="rate-too-high",
        severity="warning",
        what=f"the learning rate is too high: up to {peak:.2g}, {which}; {told}",
        next_step=evidence.train_again(f"optimizer.peak_lr={gentler:.2g}"),
    )


def _little(evidence: Evidence, name: str) -> str | Unclear | None:
    """Say how little of the training images was learned; None: enough."""
    if evidence.train is None:
        return Unclear(name=name, why=evidence.missing["train"])
    skill = evidence.skill(evidence.train)
    if skill.high is None or skill.high >= _LEARNED:
        return None
    first, last = evidence.history[0].loss, evidence.history[-1].loss
    return (
        f"it gives {evidence.told(evidence.train.score)} on its own training images, and the loss "
        f"went from {first:.3g} to {last:.3g}"
    )


def _peak(evidence: Evidence) -> float:
    return evidence.recipe.optimizer.peak_lr or evidence.usual_lr
