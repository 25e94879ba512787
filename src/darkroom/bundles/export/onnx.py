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

_TIMEOUT_S = 900.0
_QUIET_S = 2.0
_ROOM = "make room for temporary files, or pack with TMPDIR=FOLDER on another disk"


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
        ArtifactError: The child failed (its last words are quoted), took too long, or the disk
            for temporary files refused.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="darkroom-export-") as folder:
            job = Path(folder)
            (job / "architecture.json").write_bytes(to_json(architecture))
            (job / "weights.safetensors").write_bytes(weights)
            np.save(job / "images.npy", images)
            _run_child(folder)
            return Exported(
                model=(job / "model.onnx").read_bytes(),
                answers=np.load(job / "answers.npy", allow_pickle=False),
            )
    except OSError as refused:
        raise ArtifactError(
            f"the network could not be exported: {refused}", hint=_ROOM
        ) from refused


def _run_child(folder: str) -> None:
    # -P: a numpy.py that lies in the working folder is not to be imported.
    command = [sys.executable, "-P", "-m", "darkroom.bundles.export.child", folder]
    env = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            said = _last_words(child)
        except BaseException:  # Ctrl-C too: nobody is left to wait for the child
            child.kill()
            raise
    if child.returncode:
        words = said.strip().splitlines() or [f"exit code {child.returncode}"]
        raise ArtifactError(
            f"the network could not be exported: {words[-1]}", hint=_remedy(words[-1])
        )


def _last_words(child: subprocess.Popen[str]) -> str:
    """Wait for a child, and give its standard error."""
    try:
        return child.communicate(timeout=_QUIET_S)[1]
    except subprocess.TimeoutExpired:
        if sys.stderr.isatty():
            print("  exporting the network ...", file=sys.stderr)  # noqa: T201 - this is the terminal
    try:
        return child.communicate(timeout=_TIMEOUT_S)[1]
    except subprocess.TimeoutExpired as late:
        raise ArtifactError(
            f"the network could not be exported within {_TIMEOUT_S:g} s",
            hint="pack again when the machine has less to do, or on a faster one",
        ) from late


def _remedy(words: str) -> str:
    """Say what to do about the last words of a child."""
    if words.startswith("ModuleNotFoundError"):
        return "pip install 'darkroom-vision[train]', then pack again"
    if words.startswith("OSError"):
        return _ROOM
    return "pack again; if it fails again, report this with the run's recipe"
