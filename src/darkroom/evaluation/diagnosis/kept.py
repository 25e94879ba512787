"""Whether the weights that were kept are those of the best epoch."""

from __future__ import annotations

from darkroom.evaluation.diagnosis.evidence import Evidence
from darkroom.findings import Finding
from darkroom.intervals import wilson
from darkroom.training.record import Epoch
from darkroom.wording import percent

_ROUNDING = 0.03  # own: bfloat16 answers a few images otherwise than float32


def best_weights(evidence: Evidence) -> Finding | None:
    """Say so when the kept weights answer worse than the history says of the best epoch."""
    best, valid = evidence.best, evidence.valid
    if best is None or valid is None or evidence.task == "multi-label":
        return None
    if evidence.task == "regression":
        claimed, low = best.valid_error or 0.0, valid.score.low or 0.0
        if low <= claimed * (1 + _ROUNDING):
            return None
        said = f"an error of {claimed:.4g}"
    else:
        claimed, high = _best_accuracy(evidence), valid.score.high or 1.0
        if high >= claimed - _ROUNDING:
            return None
        said = f"{percent(claimed)} right"
    return Finding(
        name="best-weights",
        severity="warning",
        what=(
            f"the kept weights are not those of the best epoch: the history says {said} of "
            f"the validation part, they give {evidence.told(valid.score)}"
        ),
        where=("valid",),
        next_step=evidence.train_again(),
    )


def _best_accuracy(evidence: Evidence) -> float:
    """Give the accuracy of the epoch that is kept, or of one that is better beyond doubt."""
    kept = evidence.best
    claimed = kept.valid_accuracy or 0.0 if kept else 0.0

    def surely(epoch: Epoch) -> float:
        images = evidence.valid_images
        return wilson(round((epoch.valid_accuracy or 0.0) * images), images).low or 0.0

    best = max(evidence.history, key=surely)
    return max(claimed, surely(best))
