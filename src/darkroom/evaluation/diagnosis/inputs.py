"""Whether the network is shown images as it was trained on: their channels and their scale."""

from __future__ import annotations

import shlex

from darkroom.evaluation.diagnosis.evidence import Answered, Evidence, points, told_share
from darkroom.evaluation.paired import paired_difference
from darkroom.findings import Finding
from darkroom.intervals import Estimate

AS_THEY_ARE = "as they are"
REVERSED = "red and blue exchanged"
RESTATED = "batch norm with the statistics of training images"
INVERTED = "inverted"
LEVELLED = "the brightness and contrast of training images"
SCALED = "scaled as "  # and the name of a scaling

_CLEARLY = 0.05  # own: of the images, by the lower end of the interval
_REGAINED = 0.5  # own: of what is lost against training; less is chance among many changes
_SPREAD = (0.05, 8.0)  # own: what fresh networks learn from; their inputs have a deviation near 1
_LEARNED = 0.9  # own: of the way from guessing to knowing the training images


def channel_order(evidence: Evidence) -> Finding | None:
    """Say so when validation images are answered better with red and blue exchanged."""
    gain = gain_by(evidence, REVERSED)
    if gain is not None:
        told = f"with red and blue exchanged {_told(evidence, REVERSED, gain)}"
    elif evidence.is_pretrained and evidence.exchanged:
        told = f"the pretrained trunk learned from RGB, and {evidence.exchanged}"
    else:
        return None
    return Finding(
        name="channel-order",
        severity="warning",
        what=f"red and blue seem to be exchanged in what the network is shown: {told}",
        where=("valid",),
        next_step=shlex.join(["darkroom", "explore", evidence.source]),
    )


def scaling(evidence: Evidence) -> Finding | None:
    """Say so when another scale of the pixels is answered better, or none can be learned from."""
    gains = {
        name: gain
        for name in evidence.changed
        if name.startswith(SCALED) or name in (LEVELLED, INVERTED)
        if (gain := gain_by(evidence, name)) is not None
    }
    if gains:
        name = max(gains, key=lambda name: gains[name].value or 0.0)
        return Finding(
            name="scaling",
            severity="warning",
            what=(
                "the pixels of validation images are not scaled as those the network learned "
                f"from: {'' if name.startswith(SCALED) or name == INVERTED else 'with '}{name} "
                f"{_told(evidence, name, gains[name])}"
            ),
            where=("valid",),
            next_step=shlex.join(["darkroom", "explore", evidence.source]),
        )
    return _unlearnable(evidence)


def _unlearnable(evidence: Evidence) -> Finding | None:
    low, high = _SPREAD
    if evidence.takes_bytes or low <= evidence.input_spread <= high or evidence.train is None:
        return None
    skill = evidence.skill(evidence.train)
    if skill.high is None or skill.high >= _LEARNED:
        return None
    return Finding(
        name="scaling",
        severity="warning",
        what=(
            f"the network is shown numbers with a standard deviation of {evidence.input_spread:.3g}"
            f", it begins as one that is made for about 1, and it learned little: "
            f"{evidence.told(evidence.train.score)} of its own training images"
        ),
        next_step=evidence.train_again("scaling=standard"),
    )


def gain_by(evidence: Evidence, change: str) -> Estimate | None:
    """Give how much better changed images are answered; None where that is not beyond doubt."""
    plain, other = evidence.changed.get(AS_THEY_ARE), evidence.changed.get(change)
    if plain is None or other is None:
        return None
    gain = paired_difference(other.right, plain.right)
    if gain.low is None or gain.low <= _CLEARLY:
        return None
    lost = _learned(evidence) - (plain.score.value or 0.0)
    return gain if (gain.value or 0.0) >= _REGAINED * lost else None


def _learned(evidence: Evidence) -> float:
    """Give the share of training images that was answered rightly, in training or after it."""
    best, train = evidence.best, evidence.train
    in_training = best.accuracy or 0.0 if best else 0.0
    return max(in_training, train.score.value or 0.0 if train else 0.0)


def _told(evidence: Evidence, change: str, gain: Estimate) -> str:
    plain, other = evidence.changed[AS_THEY_ARE], evidence.changed[change]
    return told_gain(plain, other, gain)


def told_gain(plain: Answered, other: Answered, gain: Estimate) -> str:
    """Say what a change of the images, or of the network, brought."""
    return (
        f"{told_share(other.score)} of {len(plain):,} validation images are answered rightly, as "
        f"they are {told_share(plain.score)}: {points(gain)} more"
    )
