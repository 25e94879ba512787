"""Predictor: a bundle, loaded and proven, that turns image files into Predictions.

No training framework is imported here, nor anything else of the workshop.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from darkroom.bundles.prediction import Prediction, to_predictions
from darkroom.bundles.record import MODEL_FILE, BundleRecord, Golden
from darkroom.bundles.runtimes import OnnxRuntime
from darkroom.data.preprocess import Preprocess, prepare_image, scale_pixels
from darkroom.decision import decide
from darkroom.errors import ArtifactError, DataError

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8

GOLDEN_PIXELS = "golden/pixels.npy"
_BATCH = 64
_AGAIN = "restore the bundle from a copy, or pack the run again: darkroom pack RUN"

Image = TypeVar("Image", bound=str | Path | bytes)


class Predictor:
    """Answers for images as the run did.

    Loading runs the golden images twice over: their files are decoded again (other pixels, from
    another JPEG library say, give a warning), and their stored pixels are answered again (an
    answer beyond the recorded tolerance is refused).

    Args:
        folder: Of a verified bundle.
        record: What the bundle says of itself.
        threads: Cores for the network; None takes all of them.

    Raises:
        ArtifactError: An answer to a golden image differs from the recorded one, or the files
            contradict the record.
    """

    def __init__(self, folder: Path, record: BundleRecord, *, threads: int | None = None) -> None:
        self._folder, self._record = folder, record
        self._runtime = OnnxRuntime(folder / MODEL_FILE, threads=threads)
        self._prove()

    def predict(self, images: Sequence[str | Path | bytes]) -> list[Prediction]:
        """Answer for images, in their order.

        Args:
            images: Paths of files, or their bytes.

        Raises:
            DataError: One of them is no readable image; it is named.
        """
        return [self._raised(answer) for _, answer in self.stream(images)]

    def stream(self, images: Sequence[Image]) -> Iterator[tuple[Image, Prediction | DataError]]:
        """Answer for many images in batches; an unreadable one gives its error and stops nothing.

        Args:
            images: Paths of files, or their bytes.

        Yields:
            Each image with its Prediction, or with the error that says why there is none.
        """
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(images), _BATCH):
                batch = images[start : start + _BATCH]
                prepared = list(pool.map(self._prepare, batch) if len(batch) > 1 else
                                map(self._prepare, batch))  # fmt: skip
                good = [pixels for pixels in prepared if not isinstance(pixels, DataError)]
                answers = iter(self.predict_pixels(np.stack(good)) if good else ())
                for image, pixels in zip(batch, prepared, strict=True):
                    yield image, pixels if isinstance(pixels, DataError) else next(answers)

    def predict_pixels(
        self, pixels: UInt8[np.ndarray, "images height width channels"]
    ) -> list[Prediction]:
        """Answer for images that are already prepared."""
        decided = decide(self.answer_pixels(pixels), self._record.decision)
        return to_predictions(decided, self._record.classes, self._record.task)

    def answer_pixels(
        self, pixels: UInt8[np.ndarray, "images height width channels"]
    ) -> Float[np.ndarray, "images classes"]:
        """Give what the network answers for images that are already prepared, undecided."""
        return self._runtime.answer(scale_pixels(pixels, self._record.preprocess))

    def _prepare(
        self, image: str | Path | bytes
    ) -> UInt8[np.ndarray, "height width channels"] | DataError:
        name = "the image" if isinstance(image, bytes) else str(image)
        try:
            data = image if isinstance(image, bytes) else Path(image).read_bytes()
            return prepare_image(data, self._record.preprocess)
        except OSError as refused:
            return DataError(f"{name} cannot be read: {refused.strerror}", hint=f"ls -l {name}")
        except DataError as refused:
            return DataError(f"{name} {refused.problem}", hint=refused.hint)

    @staticmethod
    def _raised(answer: Prediction | DataError) -> Prediction:
        if isinstance(answer, DataError):
            raise answer
        return answer

    def _prove(self) -> None:
        folder, record = self._folder, self._record
        recorded = np.array([golden.probabilities for golden in record.golden], np.float32)
        pixels = _golden_pixels(folder / GOLDEN_PIXELS, record)
        answers = self._runtime.answer(scale_pixels(pixels, record.preprocess))
        if answers.shape != recorded.shape or answers.dtype.kind != "f":
            raise ArtifactError(
                f"the network in {folder} answers {len(pixels)} golden images with "
                f"{answers.dtype} of shape {answers.shape}; its classes need {recorded.shape}",
                hint=_AGAIN,
            )
        gap = float(np.abs(answers - recorded).max())
        if not gap <= record.proof.tolerance:
            raise ArtifactError(
                f"{folder} does not answer as it did when it was packed: a probability of a "
                f"golden image is off by {gap:.2g}, more than {record.proof.tolerance:.2g}",
                hint="install the onnxruntime it was packed with, or pack the run again",
            )
        for golden in record.golden:
            if not _decodes_alike(folder / "golden" / golden.file, golden, record.preprocess):
                warnings.warn(
                    f"{golden.file} decodes to other pixels than when {record.name} was "
                    "packed; another image library may shift answers a little",
                    RuntimeWarning,
                    stacklevel=3,
                )
                return


def _golden_pixels(
    path: Path, record: BundleRecord
) -> UInt8[np.ndarray, "images height width channels"]:
    """Read the golden pixels; the shape is looked at before anything is loaded."""
    prepared = record.preprocess
    wanted = (len(record.golden), prepared.height, prepared.width, prepared.channels)
    try:
        stored = np.lib.format.open_memmap(path, mode="r")
    except Exception as broken:  # NumPy's parser of a header raises what it meets
        raise ArtifactError(f"{path} cannot be read: {broken}", hint=_AGAIN) from broken
    if stored.shape != wanted or stored.dtype != np.uint8:
        raise ArtifactError(
            f"{path} holds {stored.dtype} of shape {stored.shape}; the bundle's record needs "
            f"uint8 of shape {wanted}",
            hint=_AGAIN,
        )
    return np.array(stored)


def _decodes_alike(path: Path, golden: Golden, preprocess: Preprocess) -> bool:
    """Tell whether a golden file still gives its pixels; one that this machine cannot does not."""
    try:
        return pixels_sha256(prepare_image(path.read_bytes(), preprocess)) == golden.pixels_sha256
    except DataError:
        return False
    except (OSError, ValueError) as gone:  # ValueError: a name that no file can have
        raise ArtifactError(f"{path} cannot be read: {gone}", hint=_AGAIN) from gone


def pixels_sha256(pixels: UInt8[np.ndarray, "height width channels"]) -> str:
    """Name prepared pixels: 64 hex digits."""
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
