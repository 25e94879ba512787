"""The probabilities of a run for every image of a part of its dataset."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from darkroom.data.pixels import Images
from darkroom.errors import ArtifactError, ServiceError
from darkroom.models.features import trunk_features
from darkroom.training.answers import predict_batches, predict_images
from darkroom.training.batches import take_rows
from darkroom.training.run import Run
from darkroom.training.stages import find_pretrained

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float


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
    return predict_batches(run.head(features.shape[1]), take_rows(features), len(features))


def _kept_features(run: Run, part: str) -> Float[np.ndarray, "images features"] | None:
    """Give what the resting trunk sees; None when its pretrained weights are gone."""
    record = run.record
    with contextlib.suppress(ArtifactError, ServiceError):
        found, table = find_pretrained(record), run.dataset.part(part)
        return trunk_features(run.dataset, table, record.preprocess, record.architecture, found)
    return None
