"""Integrated gradients: what each pixel adds on the way from the median colour to the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from darkroom.evaluation.explain.heat import Asked, Method, blanked
from darkroom.evaluation.explain.subject import Subject

if TYPE_CHECKING:
    from jaxtyping import Int

    from darkroom.evaluation.explain.heat import Heat, Pixels


def _explain(
    subject: Subject, pixels: Pixels, classes: Int[np.ndarray, "images"], asked: Asked
) -> Heat:
    inside = subject.looked_into()
    begin, end = inside.scaled(blanked(pixels)), inside.scaled(pixels)
    total = np.zeros_like(end)
    for step in range(asked.answers):
        share = np.float32((step + 0.5) / asked.answers)  # the middle of each step
        total += inside.slopes(begin + share * (end - begin), classes)
    return np.asarray((total * (end - begin)).sum(axis=-1) / asked.answers)


INTEGRATED_GRADIENTS = Method(
    name="integrated-gradients",
    explain=_explain,
    needs="slopes",
    answers=24,
    fewest=2,
    says="what each pixel adds on the way from the median colour to the image; sums to the score",
    source="Sundararajan et al. 2017, arXiv:1703.01365",
)
