"""Occlusion: how much the answer loses when a window is put over a place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from darkroom.evaluation.explain.heat import CELLS, Asked, Method, grid, shown_where
from darkroom.evaluation.explain.subject import Subject

if TYPE_CHECKING:
    from jaxtyping import Bool, Int

    from darkroom.evaluation.explain.heat import Heat, Pixels


def _explain(
    subject: Subject, pixels: Pixels, classes: Int[np.ndarray, "images"], asked: Asked
) -> Heat:
    cells = min(CELLS, math.isqrt(asked.answers - 1) - 1, *pixels.shape[1:3])
    number, covered = grid(pixels.shape[1:3], cells), _windows(cells)
    scores = subject.score(pixels, classes)
    heat = np.empty(pixels.shape[:3], np.float32)
    for row, (image, one) in enumerate(zip(pixels, classes, strict=True)):
        left = subject.score(shown_where(image, ~covered, number), np.full(len(covered), one))
        # Every cell lies under four windows, those at the edge too.
        heat[row] = ((scores[row] - left) @ covered / 4)[number]
    return heat


def _windows(cells: int) -> Bool[np.ndarray, "windows cells"]:
    """Lay windows of 2 x 2 cells at every place, half outside at the edges."""
    starts, places = np.arange(-1, cells)[:, None], np.arange(cells)
    along = (starts <= places) & (places < starts + 2)
    both = along[:, None, :, None] & along[None, :, None, :]
    return both.reshape((cells + 1) ** 2, cells**2)


OCCLUSION = Method(
    name="occlusion",
    explain=_explain,
    needs="answers",
    answers=(CELLS + 1) ** 2 + 1,
    fewest=10,
    says="how much the answer loses when a window is put over a place; sees no teamwork",
    source="Zeiler and Fergus 2014, arXiv:1311.2901",
)
