"""Export a network to ONNX in a child process, and bring back what the network itself answers.

The child rebuilds the network from the catalog under TensorFlow in float32: a network trained in
bfloat16 would export to a graph that ONNX Runtime refuses.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.errors import ArtifactError
from darkroom.models.architecture import Architecture
from darkroom.records import to_json

if TYPE_CHECKING:
    from jaxtyping import Float

_TIMEOUT_S = 900


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """An ONNX file, and the answers of the network it was made from."""

    model: bytes
    answers: Float[np.ndarray, "images classes"]


def export_onnx(
    architecture: Architecture,
    weights: bytes,
    images: Float[np.ndarray, "images height width channels"],
) -> Exported:
    """Export a network, and answer for some images with the original.

    Args:
        architecture: What to build.
        weights: Its weights as safetensors.
        images: Scaled images to answer for.

    Raises:
        ArtifactError: The child failed; its last words are quoted.
    """
    with tempfile.TemporaryDirectory(prefix="darkroom-export-") as folder:
        job = Path(folder)
        (job / "architecture.json").write_bytes(to_json(architecture))
        (job / "weights.safetensors").write_bytes(weights)
        np.save(job / "images.npy", images)
        child = subprocess.run(
            [sys.executable, "-m", "darkroom.bundles.export.child", folder],
            env={**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if child.returncode:
            words = child.stderr.strip().splitlines() or [f"exit code {child.returncode}"]
            raise ArtifactError(
                f"the network could not be exported: {words[-1]}",
                hint="pip install 'darkroom-vision[train]', then pack again",
            )
        return Exported(
            model=(job / "model.onnx").read_bytes(),
            answers=np.load(job / "answers.npy", allow_pickle=False),
        )
