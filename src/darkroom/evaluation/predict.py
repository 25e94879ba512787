"""The answers of a run, in float32 whatever precision trained, for any part of its dataset."""

from __future__ import annotations

import contextlib
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from darkroom.data.pixels import Images
from darkroom.data.preprocess import scale_pixels
from darkroom.errors import ArtifactError, ServiceError
from darkroom.models.features import trunk_features
from darkroom.training.answers import predict_batches
from darkroom.training.batches import take_pixels, take_rows
from darkroom.training.run import Run
from darkroom.training.stages import find_pretrained

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt8

    from darkroom.backend import keras

    Answers = Float[np.ndarray, "images outputs"]


class Answerer:
    """A run that answers; what it needs for that is built once, when it is first used.

    Args:
        run: Any closed run that has weights.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._known: dict[str, Answers] = {}  # of whole parts

    def __call__(
        self, part: str, images: Images, chosen: Int[np.ndarray, "images"] | None = None
    ) -> Answers:
        """Run the best weights over a part of the run's dataset.

        Where the trunk is still as it was pretrained, what it sees is computed once and kept.

        Args:
            part: Of its dataset.
            images: The part, prepared by the run's own Preprocess.
            chosen: Which of them, in rising order; None: all, whose answers are remembered.

        Returns:
            Probabilities, 0..1, or numbers in the target's unit, in the order of the images.

        Raises:
            ArtifactError: The run has no weights.
        """
        if part in self._known:
            return self._known[part] if chosen is None else self._known[part][chosen]
        if chosen is None:
            self._known[part] = self._answer(part, images, np.arange(len(images)))
            return self._known[part]
        return self._answer(part, images, chosen)

    def _answer(self, part: str, images: Images, chosen: Int[np.ndarray, "images"]) -> Answers:
        features = self._kept_features(part) if self._run.best.stage == "head" else None
        if features is not None:
            head = self._head(features.shape[1])
            return predict_batches(head, take_rows(features[chosen]), len(chosen))
        take = take_pixels(images, self._run.record.preprocess)
        return predict_batches(
            self.network, lambda some, epoch: take(chosen[some], epoch), len(chosen)
        )

    def pixels(self, pixels: UInt8[np.ndarray, "images height width channels"] | Images) -> Answers:
        """Answer for prepared images that stand in no part of the dataset.

        Raises:
            ArtifactError: The run has no weights.
        """
        preprocess = self._run.record.preprocess
        if isinstance(pixels, Images):
            return predict_batches(self.network, take_pixels(pixels, preprocess), len(pixels))

        def take(chosen: np.ndarray, epoch: int) -> np.ndarray:  # noqa: ARG001 - a Take's signature
            return scale_pixels(pixels[chosen], preprocess)

        return predict_batches(self.network, take, len(pixels))

    @cached_property
    def network(self) -> keras.Model:
        """The whole network in float32 with the best weights."""
        return self._run.model()

    def _head(self, features: int) -> keras.Model:
        if self._known_head is None:
            self._known_head = self._run.head(features)
        return self._known_head

    _known_head: keras.Model | None = None

    def _kept_features(self, part: str) -> Float[np.ndarray, "images features"] | None:
        """Give what the resting trunk sees; None when its pretrained weights are gone."""
        run, record = self._run, self._run.record
        with contextlib.suppress(ArtifactError, ServiceError):
            found, table = find_pretrained(record), run.dataset.part(part)
            return trunk_features(run.dataset, table, record.preprocess, record.architecture, found)
        return None
