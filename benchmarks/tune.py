"""A search of 20 trials with pruning beside the same search without, and what kills lose.

Digits of 8 x 8 px, a small network, short trainings: the hard case, because the trials' own cost
(the storage, building and compiling a network) is cut short by nothing. Hand signs at 24 x 24 px,
where the best settings are less alike, show what cutting short can cost. Each pair of searches has
a seed of its own; what counts is the wall time of all trials, and what the best of them comes to.
Then a worker is killed at random moments until a search is over, and finished trials are counted.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

import darkroom
from benchmarks.measure import report, spread, test_data
from darkroom.errors import ArtifactError
from darkroom.records import to_line
from darkroom.training.search_worker import work
from darkroom.training.space import Range
from darkroom.training.trials import Trials
from darkroom.training.tune import plan_search
from darkroom.training.tuning import Search

SIGNS = test_data() / "sign-digits"
PAIRS = {"digits": 3, "hand signs": 2}
TRIALS = 20
KILLS = 6
RECIPES = {
    "digits": darkroom.Recipe(model="resnet_tiny", epochs=24),
    "hand signs": darkroom.Recipe(model="resnet_tiny", epochs=12, image_size=24),
}
SPACE = {
    "optimizer.peak_lr": Range(low=1e-4, high=1.0, log=True),
    "optimizer.weight_decay": Range(low=1e-4, high=0.1, log=True),
    "batch_size": (32, 64, 128),
}


def search_s(root: Path, images: str, pruning: str, seed: int) -> dict[str, float]:
    """Do one search in a workspace of its own, and time its trials."""
    source = "builtin:digits" if images == "digits" else SIGNS
    workspace = darkroom.Workspace(root / f"{images}-{pruning}-{seed}")
    dataset = darkroom.split_dataset(darkroom.open_dataset(source, workspace=workspace))
    recipe = msgspec.structs.replace(RECIPES[images], seed=seed)
    planned = plan_search(
        dataset, recipe, SPACE, trials=TRIALS, search=Search(pruning=pruning, seed=seed)
    )
    trials = Trials(planned.storage, planned.job.plan, seed=seed)
    began = time.perf_counter()
    with trials.at_work():
        work(trials, planned.job, dataset)
    seconds = time.perf_counter() - began
    tried = trials.tried()
    return {
        "seconds": seconds,
        "best": max(one.value for one in tried if one.ended == "finished"),
        "epochs": sum(one.epochs for one in tried) / (TRIALS * recipe.epochs),
        "cut short": sum(one.ended == "cut short" for one in tried),
    }


def kill_often(root: Path) -> dict[str, int]:
    """Kill a worker at random moments until a search is over, and count what was lost."""
    workspace = darkroom.Workspace(root / "kills")
    dataset = darkroom.split_dataset(darkroom.open_dataset("builtin:digits", workspace=workspace))
    recipe = darkroom.Recipe(model="mlp", epochs=8)
    planned = plan_search(dataset, recipe, SPACE, trials=TRIALS, search=Search())
    trials = Trials(planned.storage, planned.job.plan)
    dice, lost, kills = random.Random(0), 0, 0
    while not trials.are_over(TRIALS):
        worker = subprocess.Popen(
            [sys.executable, "-P", "-m", "darkroom.training.search_worker"],
            stdin=subprocess.PIPE, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )  # fmt: skip
        with worker.stdin as told:
            told.write(to_line(planned.job))
        before = _wait(trials, worker, dice.uniform(0, 8) if kills < KILLS else None)
        if worker.poll() is None:
            worker.send_signal(signal.SIGKILL)
            kills += 1
        worker.wait()
        after = {one.number: one for one in trials.tried()}
        lost += sum(after.get(one.number) != one for one in before)
    return {"kills": kills, "finished trials lost": lost, "trials": len(trials.tried())}


def _wait(trials: Trials, worker: subprocess.Popen, after_s: float | None) -> tuple:
    """Wait until a worker has ended a trial and some seconds more, or to its end."""
    begun = len(trials.tried())
    until = None
    while worker.poll() is None and (until is None or time.monotonic() < until):
        time.sleep(0.1)
        try:
            tried = trials.tried()
        except ArtifactError:
            continue
        if until is None and after_s is not None and len(tried) > begun:
            until = time.monotonic() + after_s
    return trials.tried()


def main() -> None:
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for images, pairs in PAIRS.items():
            if images == "hand signs" and not SIGNS.is_dir():
                print(f"left out: {SIGNS} is not there; set DARKROOM_TEST_DATA")
                continue
            rows = []
            for seed in range(pairs):
                order = ("percentile", "none") if seed % 2 else ("none", "percentile")
                pair = {name: search_s(root, images, name, seed) for name in order}
                rows.append((pair["percentile"], pair["none"]))
            figures[images] = {
                "share of the time": spread([a["seconds"] / b["seconds"] for a, b in rows]),
                "share of the epochs": spread([a["epochs"] / b["epochs"] for a, b in rows]),
                "cut short": [int(a["cut short"]) for a, _ in rows],
                "without, over the middle one": spread(
                    [b["seconds"] / np.median([b["seconds"] for _, b in rows]) for _, b in rows]
                ),
                "seconds without": spread([b["seconds"] for _, b in rows]),
                "best, with": [round(a["best"], 4) for a, _ in rows],
                "best, without": [round(b["best"], 4) for _, b in rows],
            }
        figures["kills"] = kill_often(root)
    goals = {
        "20 trials with pruning cost at most 60 % of 20 full ones": (
            max(
                figures[images]["share of the time"]["high"]
                for images in PAIRS
                if images in figures
            )
            <= 0.6
        ),
        "a kill loses no finished trial": figures["kills"]["finished trials lost"] == 0,
    }
    report("tune", figures, goals)


if __name__ == "__main__":
    main()
