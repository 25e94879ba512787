"""The child process of an export: reads a job folder, writes `model.onnx` and `answers.npy`."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
from safetensors.numpy import load

from darkroom.models.architecture import Architecture
from darkroom.models.catalog import build_model
from darkroom.records import from_json
from darkroom.training.run import assign_weights

_BATCH = 64


def main(folder: str) -> None:
    """Do the job in a folder."""
    job = Path(folder)
    text = (job / "architecture.json").read_bytes()
    model = build_model(from_json(text, Architecture, where="architecture.json"))
    assign_weights(model, load((job / "weights.safetensors").read_bytes()))
    images = np.load(job / "images.npy", allow_pickle=False)
    answers = [
        np.asarray(model.predict_on_batch(images[start : start + _BATCH]))
        for start in range(0, len(images), _BATCH)
    ]
    np.save(job / "answers.npy", np.concatenate(answers))
    model.export(job / "model.onnx", format="onnx", verbose=False)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # Keras' exporter warns of its own use of NumPy
    main(sys.argv[1])
