"""Trunks to ONNX: what darkroom does beside Keras' own `export`, one of each kind.

Both convert the same network with random weights. Their files are run in turn by ONNX Runtime, and
both have to answer as Keras does.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from benchmarks.measure import report
from darkroom.models.architecture import Architecture
from darkroom.models.catalog import CATALOG, build_model
from darkroom.models.converted import convert_trunk, open_converted
from darkroom.models.transfer import split_network

NAMES = (
    *("mobilenet", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "resnet50"),
    *("vgg16", "densenet121", "convnext_tiny"),
)
SIDE, IMAGES, REPEATS = 128, 16, 9
AGREE = 1e-4  # of the largest number


def by_keras(trunk, path: Path) -> None:
    """Convert as `export` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trunk(np.zeros((1, SIDE, SIDE, 3), np.float32))
        trunk.export(path, format="onnx", verbose=False)


def measure(name: str, folder: Path) -> dict[str, float]:
    architecture = Architecture(
        name=name, version=CATALOG[name].version, height=SIDE, width=SIDE, channels=3, classes=2,
        task="single-label",
    )  # fmt: skip
    trunk = split_network(build_model(architecture))[0]
    images = np.random.default_rng(0).uniform(-1, 1, (IMAGES, SIDE, SIDE, 3)).astype(np.float32)
    expected = trunk.predict_on_batch(images)
    told, taken = {}, {}
    for how, convert in (("ours", convert_trunk), ("keras", by_keras)):
        began = time.perf_counter()
        convert(trunk, folder / f"{name}-{how}.onnx")
        told[f"{how}_seconds"] = time.perf_counter() - began
        see = open_converted(folder / f"{name}-{how}.onnx")
        told[f"{how}_off"] = float(np.abs(see(images) - expected).max() / np.abs(expected).max())
        taken[how] = (see, [])
    for _ in range(REPEATS):
        for see, seconds in taken.values():
            began = time.perf_counter()
            see(images)
            seconds.append(time.perf_counter() - began)
    ours, keras = (float(np.median(seconds)) for _, seconds in taken.values())
    return told | {
        "share_of_the_time": told["ours_seconds"] / told["keras_seconds"],
        "per_image_over_keras": ours / keras,
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = {name: measure(name, Path(folder)) for name in NAMES}
    goals = {
        "answers as Keras does": all(row["ours_off"] < AGREE for row in rows.values()),
        "takes less time, every kind": all(row["share_of_the_time"] < 1 for row in rows.values()),
    }
    report("convert", rows, goals)


if __name__ == "__main__":
    main()
