"""The whole chain: how long `darkroom quickstart` takes, and what it reaches with several seeds."""

from __future__ import annotations

import tempfile
from pathlib import Path

import darkroom
from benchmarks.measure import command, report, spread

SEEDS = 5
RUNS = 3


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        took = [
            command("darkroom", "quickstart", env={"DARKROOM_WORKSPACE": f"{folder}/{number}"})
            for number in range(RUNS)
        ]
        workspace = darkroom.Workspace(Path(folder) / "seeds")
        digits = darkroom.open_dataset("builtin:digits", workspace=workspace)
        accuracies = []
        for seed in range(SEEDS):
            split = darkroom.split_dataset(digits, seed=seed)
            run = darkroom.train(split, darkroom.Recipe(seed=seed, epochs=20))
            accuracies.append(darkroom.evaluate(run).metrics.accuracy.value)
        first = darkroom.list_bundles(darkroom.Workspace(f"{folder}/0"))[0].score
    figures = {
        "whole_process_s": spread(took),
        "test_accuracy": {"value": first.accuracy, "low": first.low, "high": first.high},
        "test_accuracy_of_other_splits_and_seeds": accuracies,
    }
    goals = {
        "60 s": figures["whole_process_s"]["median"] <= 60,
        "test accuracy 0.97": first.accuracy >= 0.97,
    }
    report("quickstart", figures, goals)


if __name__ == "__main__":
    main()
