"""What executes an exported network: today ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import onnxruntime

from darkroom.errors import ArtifactError

if TYPE_CHECKING:
    from jaxtyping import Float


class Runtime(Protocol):
    """Executes one network."""

    def answer(
        self, images: Float[np.ndarray, "images height width channels"]
    ) -> Float[np.ndarray, "images classes"]:
        """Give the probabilities of a batch of scaled images."""
        ...


class OnnxRuntime:
    """An ONNX file on the processor.

    Args:
        path: The file.
        threads: Cores to use; None takes all of them.

    Raises:
        ArtifactError: The file is damaged.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as broken:
            raise ArtifactError(
                f"{path} cannot be loaded: {broken}", hint="pack the run again: darkroom pack RUN"
            ) from broken
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise ArtifactError(
                f"{path} takes {len(inputs)} inputs, not one",
                hint="pack the run again: darkroom pack RUN",
            )
        self._path, self._input = path, inputs[0].name

    def answer(
        self, images: Float[np.ndarray, "images height width channels"]
    ) -> Float[np.ndarray, "images classes"]:
        """Give the probabilities of a batch of scaled images.

        Raises:
            ArtifactError: The network cannot take images of this shape.
        """
        try:
            return np.asarray(self._session.run(None, {self._input: images})[0])
        except Exception as refused:
            raise ArtifactError(
                f"{self._path} cannot answer images of shape {images.shape}: {refused}",
                hint="pack the run again: darkroom pack RUN",
            ) from refused
