"""images/s of a training beside a bare Keras `fit` of the same network, batches and backend.

Bare Keras gets its best case: float arrays in memory, scaled before the clock starts, nothing
augmented and nothing written, an optimizer of the same kind. Ours reads the cache, orders and
augments by seed and epoch, scales, keeps history and weights on the disk. One epoch with its
validation per measurement; both sides were compiled before. With CIFAR-10 where it lies, else with
the built-in digits.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

import darkroom
from benchmarks.measure import paired, report, test_data
from darkroom.backend import keras
from darkroom.data.pixels import load_images
from darkroom.data.preprocess import scale_pixels
from darkroom.models.catalog import build_model
from darkroom.training.checkpoint import Position, write_checkpoint
from darkroom.training.fit import fit_stage
from darkroom.training.loop import build_network
from darkroom.training.plan import plan
from darkroom.training.show import Quiet
from darkroom.training.stages import make_stage
from darkroom.training.stopping import Asked
from darkroom.training.watch import Keeper, Watch

PAIRS = 9
SAMPLE = 0.25  # of CIFAR-10: epochs of seconds, as trainings of its size have, and a save for each
MODELS = ("resnet_tiny", "cnn_deep")


class EpochClock(keras.callbacks.Callback):
    """Times an epoch with its validation, from the first step to the end of all other hooks.

    What `fit` does before and after is left out on both sides: Keras' own pipeline may keep it
    from returning for seconds (see docs/experiments.md), which would flatter us.
    """

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.perf_counter() - self.began


def compare(dataset: darkroom.Dataset, model_name: str, folder: str) -> dict[str, object]:
    """Measure one network on both sides."""
    recipe = darkroom.Recipe(model=model_name, epochs=1)
    record = plan(dataset, recipe)
    images = load_images(dataset, "train", record.preprocess)
    valid = load_images(dataset, "valid", record.preprocess)
    precision = record.device.precision
    stage = make_stage(dataset, record, build_network(record), 0)

    def save(position: Position, tensors: dict[str, np.ndarray], best: bytes | None) -> None:
        write_checkpoint(Path(folder), position, tensors, best)

    def ours() -> float:
        clock = EpochClock()
        watch = Watch(stage, record.recipe, Position(), None, asked=Asked(), show=Quiet())
        fit_stage(stage, watch, [clock], Keeper(watch, [], save, Asked()))
        return len(images) / (time.perf_counter() - clock.began)  # with the checkpoint

    pixels, targets = scaled(images, record.preprocess), images.targets
    valid_pixels = scaled(valid, record.preprocess)
    bare = build_model(record.architecture, precision=precision)
    bare.compile(
        same_optimizer(record.recipe.optimizer),
        "categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # XLA is several times slower here
    )

    def theirs() -> float:
        clock = EpochClock()
        bare.fit(
            pixels,
            targets,
            batch_size=record.recipe.batch_size,
            verbose=0,
            validation_data=(valid_pixels, valid.targets),
            validation_batch_size=256,
            callbacks=[clock],
        )
        return len(images) / clock.seconds

    ours(), theirs()
    return {
        "precision": precision,
        "images": len(images),
        "pixels": list(pixels.shape[1:]),
        "steps_per_call": stage.model.steps_per_execution,
        **paired(ours, theirs, PAIRS),
    }


def same_optimizer(chosen: darkroom.Optimizer) -> keras.optimizers.Optimizer:
    """Give Keras' own optimizer of a recipe's kind, with a constant rate."""
    if chosen.name == "adamw":
        return keras.optimizers.AdamW(1e-3, weight_decay=0.01)
    return keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01)


def scaled(images, preprocess) -> np.ndarray:
    return scale_pixels(images.take(slice(None)), preprocess)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = darkroom.Workspace(folder)
        archive = test_data() / "cifar10-jpeg.zip"
        figures: dict[str, object] = {}
        if archive.exists():
            cifar = darkroom.open_dataset(archive, workspace=workspace)
            few = darkroom.split_dataset(cifar, valid=0.1, sample=SAMPLE)
            figures |= {f"cifar10 {name}": compare(few, name, folder) for name in MODELS}
        digits = darkroom.open_dataset("builtin:digits", workspace=workspace)
        figures["digits resnet_tiny"] = compare(
            darkroom.split_dataset(digits), "resnet_tiny", folder
        )
    goals = {
        f"{name}: at least 0.98 of bare Keras": row["ratio"]["high"] >= 0.98
        for name, row in figures.items()
    }
    report("train_against_keras", figures, goals)


if __name__ == "__main__":
    main()
