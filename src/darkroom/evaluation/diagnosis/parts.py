"""What ails the parts: rare classes that are not found, too few to judge by, too many looks."""

from __future__ import annotations

import shlex

import numpy as np

from darkroom.evaluation.diagnosis.diagnosis import Unclear
from darkroom.evaluation.diagnosis.evidence import (
    Evidence,
    gap_between,
    points,
    share_of,
    told_share,
)
from darkroom.findings import Finding

_RATIO = 5.0  # own, as of the data check: between the largest class and a rare one
_WORSE = 0.05  # own: found less often, by the lower end of the interval
_WIDE = 0.15  # own: from end to end of the interval of the validation accuracy
_TINY = 50  # own: images
_SHARE = 0.3  # of all images, for validation; a larger one leaves too few to learn from
_LARGE = 0.28  # own: of the images for training and validation; _SHARE was dealt already
_LOOKS = 10  # own: the best of ten equal runs looks 1.5 standard errors too good
_LUCK = 1.54  # the expected largest of ten normal numbers


def imbalance(evidence: Evidence) -> Finding | Unclear | None:
    """Say so when rare classes are found less often than the others."""
    counts = np.array(evidence.class_counts)
    if len(counts) < 2 or counts.max() < _RATIO * counts[counts > 0].min():
        return None
    if evidence.recipe.balance != "none" or evidence.valid is None:
        return None
    rare = np.flatnonzero(counts * _RATIO <= counts.max())
    labels = evidence.valid.targets.argmax(axis=1)
    of_rare = np.isin(labels, rare)
    if not of_rare.any() or of_rare.all():
        return Unclear(name="imbalance", why="the validation part holds no image of a rare class")
    right = evidence.valid.right
    found, others = (
        share_of(int(right[which].sum()), int(which.sum())) for which in (of_rare, ~of_rare)
    )
    gap = gap_between(others, found)
    if gap.low is None or gap.low <= _WORSE:
        return None
    names = tuple(evidence.classes[place] for place in rare[np.argsort(counts[rare])])
    return Finding(
        name="imbalance",
        severity="warning",
        what=(
            f"rare classes are not found: {names[0]} has {counts[rare].min():,} training images, "
            f"the largest class {counts.max():,}; of validation images of rare classes "
            f"{told_share(found)} are found, of the others {told_share(others)}, "
            f"{points(gap)} more"
        ),
        where=names,
        next_step=evidence.train_again("balance=weights"),
    )


def tiny_validation(evidence: Evidence) -> Finding | None:
    """Say so when the validation part cannot tell a good epoch from a bad one."""
    images = evidence.valid_images
    score = None if evidence.task == "regression" or not evidence.valid else evidence.valid.score
    width = (score.high or 0.0) - (score.low or 0.0) if score else 0.0
    if images >= _TINY and width <= _WIDE:
        return None
    told = f": its score is {told_share(score)}" if score else ""
    next_step = _more_to_judge_by(evidence)
    if evidence.brings_test and "data.parts=anew" in next_step:
        told += "; dealt anew, images of its own test part are trained on too"
    return Finding(
        name="tiny-validation",
        severity="warning",
        what=f"the validation part has {images:,} images, too few to choose an epoch by{told}",
        where=("valid",),
        next_step=next_step,
    )


def _more_to_judge_by(evidence: Evidence) -> str:
    """Give the command that deals more images to validation, or say that more are needed."""
    images = evidence.valid_images + evidence.chance.images
    if evidence.valid_images < _LARGE * images:
        return evidence.split_again(valid=_SHARE)
    return (
        f"add labelled images to {evidence.location} and train again: of {images:,} no share is "
        "enough to judge by"
    )


def many_looks(evidence: Evidence) -> Finding | None:
    """Say so when the test part was looked at so often that its best score is partly luck."""
    if evidence.looks < _LOOKS:
        return None
    return Finding(
        name="many-looks",
        severity="warning",
        what=(
            f"the test part was looked at {evidence.looks:,} times, for {evidence.lookers:,} runs: "
            f"the best of ten equal runs would look {_LUCK} standard errors too good, which is "
            "three quarters of the way to the upper end of a 95 % interval"
        ),
        where=("test",),
        next_step=shlex.join(["darkroom", "evaluate", evidence.run, "--part", "valid"]),
    )
