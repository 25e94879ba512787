"""The probabilities of a run for every image of a part, in float32 whatever precision trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from darkroom.data.pixels import Images
from darkroom.data.preprocess import scale_pixels
from darkroom.progress import track_sized
from darkroom.training.run import Run

if TYPE_CHECKING:
    from jaxtyping import Float

_BATCH = 256


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
    model = run.model()
    starts = range(0, len(images), _BATCH)
    sized = ((slice(start, start + _BATCH), min(_BATCH, len(images) - start)) for start in starts)
    answers = []
    for chosen, _ in track_sized(sized, "predicting", len(images)):
        batch = scale_pixels(images.take(chosen), run.record.preprocess)
        # A last batch of another size would be compiled anew: it is filled up, then cut.
        filled = np.zeros((min(_BATCH, len(images)), *batch.shape[1:]), np.float32)
        filled[: len(batch)] = batch
        answers.append(np.asarray(model.predict_on_batch(filled))[: len(batch)])
    return np.concatenate(answers)
