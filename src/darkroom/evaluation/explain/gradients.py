"""Gradients: which pixels would move the answer most, smoothed over noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from darkroom.evaluation.explain.heat import Asked, Method
from darkroom.evaluation.explain.subject import Subject

if TYPE_CHECKING:
    from jaxtyping import Int

    from darkroom.evaluation.explain.heat import Heat, Pixels

_NOISE = 0.15  # its deviation, as a share of the range of an image's values


def _explain(
    subject: Subject, pixels: Pixels, classes: Int[np.ndarray, "images"], asked: Asked
) -> Heat:
    inside, rng = subject.looked_into(), np.random.default_rng(asked.seed)
    inputs = inside.scaled(pixels)
    reach = _NOISE * np.ptp(inputs, axis=(1, 2, 3), keepdims=True)
    heat = np.zeros(pixels.shape[:3], np.float32)
    for _ in range(asked.answers):
        noise = rng.normal(size=inputs.shape[1:]).astype(np.float32)
        heat += np.abs(inside.slopes(inputs + reach * noise, classes)).max(axis=-1)
    return heat / asked.answers


GRADIENTS = Method(
    name="gradients",
    explain=_explain,
    needs="slopes",
    answers=16,
    fewest=1,
    says="which pixels would move the answer most, for it or against it; fine and noisy",
    source="SmoothGrad, Smilkov et al. 2017, arXiv:1706.03825",
)
