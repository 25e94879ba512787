"""SHAP: what each place adds, averaged over the order in which the places appear."""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING

import numpy as np

from darkroom.evaluation.explain.heat import Asked, Method, grid, shown_where
from darkroom.evaluation.explain.subject import Subject

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt8

    from darkroom.evaluation.explain.heat import Heat, Pixels

_CELLS = 16  # along each side: the leaves of the partition
_BATCH = 64


def _explain(
    subject: Subject, pixels: Pixels, classes: Int[np.ndarray, "images"], asked: Asked
) -> Heat:
    with warnings.catch_warnings():  # of matplotlib, while SHAP makes its colours
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        import shap

    rows, columns = (min(_CELLS, side) for side in pixels.shape[1:3])
    # To SHAP an image is a grid of ones, and what it masks is 0: every image has the same tree.
    masker, ones = shap.maskers.Image(np.zeros((rows, columns, 1))), np.ones((1, rows, columns, 1))
    number = grid(pixels.shape[1:3], _CELLS)
    heat = np.empty(pixels.shape[:3], np.float32)
    for row, (image, one) in enumerate(zip(pixels, classes, strict=True)):
        score = functools.partial(_score, subject, image, int(one))
        explained = shap.explainers.Partition(score, masker)(
            ones, max_evals=asked.answers, batch_size=_BATCH, silent=True
        )
        heat[row] = np.asarray(explained.values).reshape(-1)[number]
    return heat


def _score(
    subject: Subject,
    image: UInt8[np.ndarray, "height width channels"],
    one: int,
    cells: Float[np.ndarray, "images rows columns 1"],
) -> Float[np.ndarray, "images"]:
    """Give the score of a class for an image of which only the cells that are 1 are shown."""
    kept = cells.reshape(len(cells), -1) > 0
    shown = shown_where(image, kept, grid(image.shape[:2], _CELLS))
    return subject.score(shown, np.full(len(kept), one))


SHAP = Method(
    name="shap",
    explain=_explain,
    needs="answers",
    answers=500,
    fewest=20,
    says="what each place adds, averaged over the order in which places appear; fair and slow",
    source="partition explainer, Lundberg and Lee 2017, arXiv:1705.07874; Owen 1977",
    package="shap",
)
