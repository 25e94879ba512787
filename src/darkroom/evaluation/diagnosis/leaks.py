"""Whether the validation part holds images that training has seen."""

from __future__ import annotations

import numpy as np

from darkroom.evaluation.diagnosis.evidence import Evidence, share_of, told_share
from darkroom.findings import Finding
from darkroom.intervals import wilson

_FEW = 0.01  # own: a smaller share moves no score by a point


def leak(evidence: Evidence) -> Finding | None:
    """Say so when one validation image in a hundred, or more, stands in the training part too."""
    leaked = evidence.leaked or frozenset()
    rate = wilson(len(leaked), evidence.valid_images)
    if not leaked or rate.value is None or rate.value < _FEW:
        return None
    return Finding(
        name="leak",
        severity="warning",
        what=(
            f"{len(leaked):,} of {evidence.valid_images:,} validation images ({rate}) stand in the "
            "training part too, as copies or nearly: the validation score is too good"
            + _how_much(evidence, leaked)
        ),
        where=tuple(sorted(leaked)),
        next_step=evidence.split_again(),
    )


def _how_much(evidence: Evidence, leaked: frozenset[str]) -> str:
    valid = evidence.valid
    if valid is None or evidence.task != "single-label":
        return ""
    seen = np.array([image in leaked for image in valid.images])
    if not seen.any() or seen.all():
        return ""
    of_seen, of_new = (
        share_of(int(valid.right[which].sum()), int(which.sum())) for which in (seen, ~seen)
    )
    return (
        f"; of these {told_share(of_seen)} are answered rightly, of the others {told_share(of_new)}"
    )
