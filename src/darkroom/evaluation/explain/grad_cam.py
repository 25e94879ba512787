"""Grad-CAM: where the last maps that speak for a class are active."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from darkroom.evaluation.explain.heat import Asked, Method, enlarge
from darkroom.evaluation.explain.subject import Subject

if TYPE_CHECKING:
    from jaxtyping import Int

    from darkroom.evaluation.explain.heat import Heat, Pixels


def _explain(
    subject: Subject,
    pixels: Pixels,
    classes: Int[np.ndarray, "images"],
    asked: Asked,  # noqa: ARG001 - it costs what it costs
) -> Heat:
    inside = subject.looked_into()
    maps, slopes = inside.map_slopes(inside.scaled(pixels), classes)
    weights = slopes.mean(axis=(1, 2), keepdims=True)
    return enlarge(np.maximum((weights * maps).sum(axis=-1), 0), *pixels.shape[1:3])


GRAD_CAM = Method(
    name="grad-cam",
    explain=_explain,
    needs="maps",
    answers=1,
    fewest=1,
    says="where the last maps that speak for the class are active: quick and coarse",
    source="Selvaraju et al. 2017, arXiv:1610.02391",
)
