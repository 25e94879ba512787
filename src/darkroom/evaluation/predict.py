"""The probabilities of a run for every image of a part, in float32 whatever precision trained."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np

from darkroom.data.pixels import Images
from darkroom.errors import ArtifactError, ServiceError
from darkroom.models.features import trunk_features
from darkroom.progress import track_sized
from darkroom.training.batches import Take, fair_batch, take_pixels, take_rows
from darkroom.training.run import Run
from darkroom.training.stages import find_pretrained

if TYPE_CHECKING:
    from jaxtyping import Float

    from darkroom.backend import keras


def predict_part(run: Run, part: str, images: Images) -> Float[np.ndarray, "images classes"]:
    """Run the best weights over a part of the run's dataset.

    Where the trunk is still as it was pretrained, what it sees is computed once and kept.

    Args:
        run: Any closed run that has weights.
        part: Of its dataset.
        images: The part, prepared by the run's own Preprocess.

    Returns:
        Probabilities, 0..1, in the order of the images.

    Raises:
        ArtifactError: The run has no weights.
    """
    features = _kept_features(run, part) if run.best.stage == "head" else None
    if features is None:
        return predict_images(run, images)
    return _answers(run.head(features.shape[1]), take_rows(features), len(features))


def _kept_features(run: Run, part: str) -> Float[np.ndarray, "images features"] | None:
    """Give what the resting trunk sees; None when its pretrained weights are gone."""
    record = run.record
    with contextlib.suppress(ArtifactError, ServiceError):
        found, table = find_pretrained(record), run.dataset.part(part)
        return trunk_features(run.dataset, table, record.preprocess, record.architecture, found)
    return None


def predict_images(run: Run, images: Images) -> Float[np.ndarray, "images classes"]:
    """Run the best weights over prepared images.

    Args:
        run: Any closed run that has weights.
        images: Prepared by the run's own Preprocess.

    Returns:
        Probabilities, 0..1, in the order of the images.

    Raises:
        ArtifactError: The run has no weights.
    """
    return _answers(run.model(), take_pixels(images, run.record.preprocess), len(images))


def _answers(model: keras.Model, take: Take, count: int) -> Float[np.ndarray, "images classes"]:
    batch = min(fair_batch(take), count)
    starts = range(0, count, batch)
    sized = ((np.arange(start, min(start + batch, count)), batch) for start in starts)
    answers = []
    for chosen, _ in track_sized(sized, "predicting", count):
        inputs = take(chosen, 0)
        # A last batch of another size would be compiled anew: it is filled up, then cut.
        filled = np.zeros((batch, *inputs.shape[1:]), np.float32)
        filled[: len(inputs)] = inputs
        answers.append(np.asarray(model.predict_on_batch(filled))[: len(inputs)])
    return np.concatenate(answers)
