"""What is wrong inside the network: statistics of batch norm, units that never speak."""

from __future__ import annotations

from darkroom.evaluation.diagnosis.evidence import Evidence
from darkroom.evaluation.diagnosis.inputs import AS_THEY_ARE, RESTATED, gain_by, told_gain
from darkroom.findings import Finding

_DEAD = 0.9  # own: of a layer's units; many networks live well with a half
_FEW = 32  # images in a batch; Wu and He 2018, arXiv:1803.08494, figure 1: fewer are judged worse
_LEARNED = 0.9  # own: of the way from guessing to knowing the training images


def batch_norm(evidence: Evidence) -> Finding | None:
    """Say so when answers get better with batch norm statistics taken from training images."""
    gain = gain_by(evidence, RESTATED)
    if gain is None:
        return None
    plain, other = evidence.changed[AS_THEY_ARE], evidence.changed[RESTATED]
    return Finding(
        name="batch-norm",
        severity="warning",
        what=(
            "the statistics that batch norm keeps are not those of the images it is shown; with "
            f"statistics taken from training images {told_gain(plain, other, gain)}"
        ),
        next_step=evidence.train_again(_steadier(evidence)),
    )


def _steadier(evidence: Evidence) -> str:
    """Give what brings the kept statistics nearer: batches that vary less, or more of them."""
    batch_size = evidence.recipe.batch_size or _FEW
    if batch_size < _FEW:
        return f"batch_size={_FEW}"
    return evidence.more_epochs


def dead_units(evidence: Evidence) -> Finding | None:
    """Say so when nearly all of a layer says the same to every image, and little was learned."""
    worst = max(evidence.silent, key=lambda each: each.dead / each.units, default=None)
    if worst is None or worst.dead / worst.units <= _DEAD or evidence.train is None:
        return None
    skill = evidence.skill(evidence.train)
    if skill.high is None or skill.high >= _LEARNED:
        return None
    return Finding(
        name="dead-units",
        severity="warning",
        what=(
            f"{worst.dead:,} of {worst.units:,} units of the layer {worst.layer} are dead: they "
            f"say the same to each of {evidence.seen_images:,} training images, so of all images "
            f"they tell apart {300 / evidence.seen_images:.1f} % at most (95 %); "
            f"{evidence.told(evidence.train.score)} of the training images are answered rightly"
        ),
        where=tuple(each.layer for each in evidence.silent if each.dead / each.units > _DEAD),
        next_step=evidence.train_again("activation=leaky-relu"),
    )
