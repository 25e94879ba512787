"""images/s of a training that is saved on the way beside the same one that is not.

One measurement is a training of some epochs, from the end of its first epoch to the end of its
last: compilation is left out, every save between is in. In `every epoch` each of them is saved; in
`short epochs` of about a second, where that costs more, those that may be by the share of the
time that saving may take. With CIFAR-10 where it lies, else with the built-in digits.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
import time
from collections.abc import Iterator
from unittest import mock

import darkroom
from benchmarks.measure import paired, report, spread, test_data
from darkroom.backend import keras
from darkroom.training import watch

PAIRS = 9
EPOCHS = 8
RECIPE = darkroom.Recipe(model="resnet_tiny", epochs=EPOCHS)


class Clock(keras.callbacks.Callback):
    """Notes when each epoch ends; users' callbacks come before the save of it."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = []

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(time.perf_counter())


class Saves:
    """Measures how long each save takes."""

    def __init__(self) -> None:
        self.ms = []

    @contextlib.contextmanager
    def counted(self, share: float) -> Iterator[None]:
        real = watch.Keeper.keep

        def keep(keeper: watch.Keeper) -> None:
            began = time.perf_counter()
            real(keeper)
            self.ms.append(1000 * (time.perf_counter() - began))

        with (
            mock.patch.multiple(watch.Keeper, keep=keep),
            mock.patch.object(watch, "_SHARE", share),
        ):
            yield


def speed(dataset: darkroom.Dataset) -> float:
    """Train, and give the images/s after the first epoch."""
    clock = Clock()
    darkroom.train(dataset, RECIPE, callbacks=[clock])
    return (EPOCHS - 1) * dataset.counts["train"] / (clock.ends[-1] - clock.ends[0])


def compare(dataset: darkroom.Dataset, share: float) -> dict[str, object]:
    """Measure with saves that may take a share of the time, and without any.

    `cost` is what the saves took of all the time, by their own clock; the ratio of the two speeds
    says the same with more noise.
    """
    saves, took = Saves(), []

    def saved() -> float:
        before = len(saves.ms)
        with saves.counted(share):
            speed_of_it = speed(dataset)
        seconds = (EPOCHS - 1) * dataset.counts["train"] / speed_of_it
        took.append(sum(saves.ms[before:-1]) / 1000 / seconds)  # the last is after the clock
        return speed_of_it

    def unsaved() -> float:
        with mock.patch.object(watch.Keeper, "keep", return_value=None):
            return speed(dataset)

    saved()
    saves.ms.clear()
    took.clear()
    rows = paired(saved, unsaved, PAIRS)
    return {"saves": len(saves.ms), "save_ms": spread(saves.ms), "cost": spread(took), **rows}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = darkroom.Workspace(folder)
        archive = test_data() / "cifar10-jpeg.zip"
        if archive.exists():
            cifar = darkroom.open_dataset(archive, workspace=workspace)
            short, usual = (
                darkroom.split_dataset(cifar, valid=0.1, sample=sample) for sample in (0.04, 0.12)
            )
        else:
            digits = darkroom.open_dataset("builtin:digits", workspace=workspace)
            short = usual = darkroom.split_dataset(digits)
        figures: dict[str, dict[str, object]] = {
            "short epochs": compare(short, watch._SHARE),
            "every epoch": compare(usual, math.inf),
        }
    goals = {
        f"{name}: saving costs at most 2 %": row["cost"]["median"] <= 0.02
        and row["ratio"]["high"] >= 0.98
        for name, row in figures.items()
    }
    report("checkpoint_cost", figures, goals)


if __name__ == "__main__":
    main()
