"""images/s of a training that is saved on the way beside the same one that is not.

One measurement is a training of some epochs, from the end of its first epoch to the end of its
last: compilation is left out, every save between is in. The epochs are short, a few hundred
milliseconds, which is the hard case: in `every epoch` each of them is saved, in `as it is` those
that may be by the share of the time that saving may take. With CIFAR-10 where it lies, else with
the built-in digits.
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
    """Measure with saves that may take a share of the time, and without any."""
    saves = Saves()

    def saved() -> float:
        with saves.counted(share):
            return speed(dataset)

    def unsaved() -> float:
        with mock.patch.object(watch.Keeper, "keep", return_value=None):
            return speed(dataset)

    saved()
    saves.ms.clear()
    rows = paired(saved, unsaved, PAIRS)
    return {"saves": len(saves.ms), "save_ms": spread(saves.ms), **rows}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = darkroom.Workspace(folder)
        archive = test_data() / "cifar10-jpeg.zip"
        if archive.exists():
            cifar = darkroom.open_dataset(archive, workspace=workspace)
            dataset = darkroom.split_dataset(cifar, valid=0.1, sample=0.04)
        else:
            digits = darkroom.open_dataset("builtin:digits", workspace=workspace)
            dataset = darkroom.split_dataset(digits)
        figures: dict[str, object] = {
            "as it is": compare(dataset, watch._SHARE),
            "every epoch": compare(dataset, math.inf),
        }
    goals = {"saving costs at most 2 %": figures["as it is"]["ratio"]["high"] >= 0.98}
    report("checkpoint_cost", figures, goals)


if __name__ == "__main__":
    main()
