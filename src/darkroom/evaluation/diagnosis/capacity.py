"""Whether the network learned its training images by heart, or not even those."""

from __future__ import annotations

from darkroom.evaluation.diagnosis.evidence import Evidence, gap_between, points, told_share
from darkroom.findings import Finding

_GAP = 0.05  # own: of the images, by the lower end of the interval
_CLEAR_GAP = 0.1  # own: what was measured
_MORE = 1.3  # own: regression; the error of new images over that of known ones
_LONG = 1_000  # own: steps; after fewer it is tried whether more of them help
_LEARNED = 0.8  # own: of the way from guessing to knowing the training images


def overfitting(evidence: Evidence) -> Finding | None:
    """Say so when training images are answered far better than validation images."""
    train, valid = evidence.train, evidence.valid
    if train is None or valid is None:
        return None
    if evidence.task == "regression":
        high, low = train.score.high, valid.score.low
        if high is None or low is None or low <= _MORE * high:
            return None
        told = f"an error of {valid.score}, those it learned from {train.score}"
    else:
        gap = gap_between(train.score, valid.score)
        if gap.low is None or gap.low <= _GAP or (gap.value or 0.0) <= _CLEAR_GAP:
            return None
        told = (
            f"{told_share(valid.score)} right, those it learned from {told_share(train.score)}: "
            f"a gap of {points(gap)}"
        )
    return Finding(
        name="overfitting",
        severity="warning",
        what=f"it learned its images by heart: new ones get {told}",
        next_step=evidence.train_again(_remedy(evidence)),
    )


def underfitting(evidence: Evidence) -> Finding | None:
    """Say so when training images are hardly answered better than new ones, and both badly."""
    train, valid = evidence.train, evidence.valid
    if train is None or valid is None:
        return None
    skill, gap = evidence.skill(train), gap_between(train.score, valid.score)
    if skill.high is None or skill.high >= _LEARNED:
        return None
    if gap.value is None or (evidence.task != "regression" and gap.value > _CLEAR_GAP):
        return None
    return Finding(
        name="underfitting",
        severity="warning",
        what=(
            f"it did not learn even the images it trained on: {evidence.told(train.score)} on "
            f"these, {evidence.told(valid.score)} on new ones"
        ),
        next_step=evidence.train_again(_stronger(evidence)),
    )


def _stronger(evidence: Evidence) -> str:
    """Give what may let it learn more: a thawed trunk, more epochs, or more units."""
    recipe = evidence.recipe
    if evidence.is_pretrained and not recipe.transfer.fine_tune_epochs:
        return "transfer.fine_tune_epochs=6"
    if evidence.is_pretrained or (recipe.width >= 1 and evidence.steps < _LONG):
        return evidence.more_epochs
    return f"width={2 * recipe.width:g}"


def _remedy(evidence: Evidence) -> str:
    """Give the mildest setting against learning by heart that the recipe has not used yet."""
    recipe = evidence.recipe
    if not recipe.augment.shift and not evidence.is_pretrained:
        return "augment.shift=0.125"
    if (recipe.dropout or 0.0) < 0.5:
        return "dropout=0.5"
    decay = recipe.optimizer.weight_decay or 0.01
    return f"optimizer.weight_decay={min(10 * decay, 0.5):g}"
