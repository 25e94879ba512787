"""Opening CIFAR-10 from a zip: read, hash, decode, cache; beside Keras doing its part of it.

Keras cannot read a zip, does not hash and does not cache: it gets an unpacked folder, and the
time to list it and to decode every image once. One process a side and a run, files warm on both.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from benchmarks.measure import report, spread, test_data

PAIRS = 5

OURS = """
import sys, time
import darkroom
archive, folder = sys.argv[1:]
workspace = darkroom.Workspace(folder)
darkroom.open_dataset
started = time.perf_counter()
dataset = darkroom.open_dataset(archive, workspace=workspace)
print(time.perf_counter() - started, dataset.record.used)
"""
THEIRS = """
import sys, time
import keras
started = time.perf_counter()
images = 0
for part in ("train", "test"):
    batches = keras.utils.image_dataset_from_directory(
        f"{sys.argv[1]}/{part}", image_size=(32, 32), batch_size=256, shuffle=False, verbose=0)
    for pixels, labels in batches:
        images += len(labels)
print(time.perf_counter() - started, images)
"""


def timed(code: str, *arguments: str) -> float:
    """Run one side in a process of its own; imports are not counted."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True
    )
    took, images = done.stdout.split()[-2:]
    if int(images) != 60_000:
        raise SystemExit(f"{images} images instead of 60,000")
    return float(took)


def main() -> None:
    archive = test_data() / "cifar10-jpeg.zip"
    if not archive.exists():
        raise SystemExit(f"{archive} is not there; set DARKROOM_TEST_DATA")
    first, again, theirs = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(Path(folder) / "unpacked")
        for number in range(PAIRS):
            workspace = str(Path(folder) / f"workspace-{number}")
            first.append(timed(OURS, str(archive), workspace))
            again.append(timed(OURS, str(archive), workspace))
            theirs.append(timed(THEIRS, str(Path(folder) / "unpacked")))
    ratio = spread([one / other for one, other in zip(theirs, first, strict=True)])
    figures = {
        "first_open_s": spread(first),
        "second_open_s": spread(again),
        "keras_image_dataset_from_directory_s": spread(theirs),
        "keras_over_first_open": ratio,
    }
    goals = {
        "60,000 images in 8 s": figures["first_open_s"]["median"] <= 8,
        "again in 1 s": figures["second_open_s"]["median"] <= 1,
    }
    report("open_cifar10", figures, goals)


if __name__ == "__main__":
    main()
