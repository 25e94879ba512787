"""LIME: a linear model of which superpixels have to be there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from darkroom.evaluation.explain.heat import Asked, Method, shown_where
from darkroom.evaluation.explain.subject import Subject

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt8

    from darkroom.evaluation.explain.heat import Heat, Pixels

_SUPERPIXELS, _COMPACTNESS = 64, 10.0
_KERNEL_WIDTH = 0.25  # of LIME for images


def _explain(
    subject: Subject, pixels: Pixels, classes: Int[np.ndarray, "images"], asked: Asked
) -> Heat:
    heat = [
        _explain_one(subject, image, int(one), asked)
        for image, one in zip(pixels, classes, strict=True)
    ]
    return np.stack(heat)


def _explain_one(
    subject: Subject, image: UInt8[np.ndarray, "height width channels"], one: int, asked: Asked
) -> Float[np.ndarray, "height width"]:
    # Its core alone: the explainer for images writes a bar to standard error for each image.
    from lime.lime_base import LimeBase
    from skimage.segmentation import slic

    number = slic(image, n_segments=_SUPERPIXELS, compactness=_COMPACTNESS, start_label=0)
    count = int(number.max()) + 1
    rng = np.random.RandomState(asked.seed)  # the only kind that LIME takes
    kept = rng.randint(0, 2, (asked.answers, count)).astype(bool)
    kept[0] = True
    scores = subject.score(shown_where(image, kept, number), np.full(len(kept), one))
    # The cosine distance from the image that shows all.
    distances = 1 - np.sqrt(kept.mean(axis=1))
    linear = LimeBase(lambda far: np.sqrt(np.exp(-(far**2) / _KERNEL_WIDTH**2)), random_state=rng)
    _, weights, _, _ = linear.explain_instance_with_data(
        kept.astype(np.float64), scores[:, None], distances, 0, count, feature_selection="none"
    )
    of_each = np.zeros(count, np.float32)
    for superpixel, weight in weights:
        of_each[superpixel] = weight
    return np.asarray(of_each[number])


LIME = Method(
    name="lime",
    explain=_explain,
    needs="answers",
    answers=500,
    fewest=20,
    says="a linear model of which superpixels have to be there; varies with its draws",
    source="Ribeiro et al. 2016, arXiv:1602.04938",
    package="lime",
)
