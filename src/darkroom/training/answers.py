"""What a trained network answers, in float32 whatever precision it was trained in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from darkroom.data.pixels import Images
from darkroom.progress import track_sized
from darkroom.training.batches import Take, fair_batch, take_pixels
from darkroom.training.run import Run

if TYPE_CHECKING:
    from jaxtyping import Float

    from darkroom.backend import keras


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
    return predict_batches(run.model(), take_pixels(images, run.record.preprocess), len(images))


def predict_batches(
    model: keras.Model, take: Take, count: int
) -> Float[np.ndarray, "images classes"]:
    """Run a network over images in batches of one size.

    Args:
        model: Built.
        take: Gives its input for chosen images.
        count: Images in all.

    Returns:
        Its answers in the order of the images.
    """
    batch = min(fair_batch(take), count)
    starts = range(0, count, batch)
    parts = (np.arange(start, min(start + batch, count)) for start in starts)
    sized = ((part, len(part)) for part in parts)
    answers = []
    for chosen, _ in track_sized(sized, "predicting", count):
        inputs = take(chosen, 0)
        # A last batch of another size would be compiled anew: it is filled up, then cut.
        filled = np.zeros((batch, *inputs.shape[1:]), np.float32)
        filled[: len(inputs)] = inputs
        answers.append(np.asarray(model.predict_on_batch(filled))[: len(inputs)])
    return np.concatenate(answers)
