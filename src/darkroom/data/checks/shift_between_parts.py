"""Parts that differ from the training part in light, colour, sharpness or size."""

from __future__ import annotations

import numpy as np

from darkroom.data.checks.difference import PRACTICAL, difference, told
from darkroom.data.dataset import Dataset
from darkroom.findings import Finding


def shift_between_parts(dataset: Dataset) -> list[Finding]:
    """Say so when a classifier tells validation or test images from training images.

    A warning when the lower end of its AUC's interval is 0.6 or more. The mix of the classes
    cannot be the reason; parts with fewer than 50 images to compare are not judged.
    """
    parts = dataset.index["part"].fill_null("").to_numpy()
    findings = []
    for part in ("valid", "test"):
        found = None
        if {"train", part} <= dataset.counts.keys():
            found = difference(dataset, np.isin(parts, ["train", part]), parts == part)
        if found is None or (found.auc.low or 0.0) < PRACTICAL:
            continue
        apart = told(dataset, found, "train", part)
        findings.append(
            Finding(
                name="shift-between-parts",
                severity="warning",
                what=f"{part} images can be told from train images: {apart}",
                where=(part,),
                next_step=(
                    "find out where the parts come from; if they should be alike, deal all images "
                    "anew: --set data.parts=anew"
                ),
            )
        )
    return findings
