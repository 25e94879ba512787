"""Each stage in one line of words: what quickstart and the commands say while they work."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from darkroom.data.wording import counted, percent
from darkroom.findings import Finding

if TYPE_CHECKING:
    from darkroom.bundles.bundle import Bundle
    from darkroom.data.dataset import Dataset
    from darkroom.evaluation.evaluation import Evaluation
    from darkroom.training.record import RunRecord
    from darkroom.training.run import Run


def line(stage: str, *words: str) -> str:
    """Set a stage's name before its words."""
    return f"  {stage:<9} {' · '.join(word for word in words if word)}"


def tell_dataset(dataset: Dataset, findings: Sequence[Finding]) -> str:
    """Say what was opened."""
    record, index = dataset.record, dataset.index
    sizes = index.select("width", "height").unique()
    size = "many sizes,"
    if len(sizes) == 1:
        size = "{}x{}".format(*sizes.row(0))
    colour = "grey" if bool((index["channels"] == 1).all()) else "colour"
    errors = sum(finding.severity == "error" for finding in findings)
    skipped = f"{record.skipped:,} of {record.found:,} files skipped" if record.skipped else ""
    return line(
        "data",
        record.name,
        f"{record.used:,} images",
        f"{len(dataset.classes)} classes",
        f"{size} {colour}",
        skipped,
        f"{counted(errors, 'error', 'errors')} found" if errors else "no errors found",
    )


def tell_split(dataset: Dataset) -> str:
    """Say what the parts hold."""
    words = [f"{count:,} {part}" for part, count in dataset.counts.items() if part != "test"]
    return line("split", *words, f"{dataset.counts.get('test', 0):,} test, sealed")


def tell_plan(record: RunRecord) -> str:
    """Say what is about to be trained, and on what."""
    return line(
        "train",
        record.recipe.model,
        f"{record.parameters:,} parameters",
        f"{record.preprocess.width}x{record.preprocess.height} px",
        str(record.device),
    )


def tell_run(run: Run) -> str:
    """Say how a training ended."""
    seconds = sum(epoch.seconds for epoch in run.history)
    speeds = sorted(epoch.images_per_s for epoch in run.history)
    return line(
        "trained",
        f"{counted(len(run.history), 'epoch', 'epochs')} in {seconds:.0f} s, {run.record.outcome}",
        f"{speeds[len(speeds) // 2]:,.0f} images/s" if speeds else "",
        f"valid {percent(run.best.valid_accuracy)} at epoch {run.best.number}",
    )


def tell_evaluation(evaluation: Evaluation) -> list[str]:
    """Say what an evaluation measured, and how it stands to the Problem."""
    accuracy, confused = evaluation.metrics.accuracy, evaluation.metrics.most_confused()
    value, low, high = (
        percent(share or 0.0) for share in (accuracy.value, accuracy.low, accuracy.high)
    )
    looks = evaluation.record.looks
    return [
        line(
            "evaluate",
            f"{evaluation.record.part} {value} (95 % interval {low} .. {high})",
            f"most confused: {confused[0]} taken for {confused[1]}" if confused else "",
            f"look {looks} at this test part" if looks else "",
        ),
        *(
            line(
                promise.verdict,
                f"{promise.name} of {percent(promise.wanted)} wanted, "
                f"{percent(promise.measured)} measured "
                f"({percent(promise.low)} .. {percent(promise.high)})",
            )
            for promise in evaluation.record.promises
        ),
        line("report", shown(evaluation.report)),
    ]


def tell_bundle(bundle: Bundle) -> str:
    """Say what was proven when a bundle was packed."""
    proof = bundle.record.proof
    return line(
        "pack",
        f"the exported model answers as the run did: {proof.same_answers} of {proof.images}, "
        f"largest difference {proof.largest_difference:.0e}",
    )


def shown(path: Path) -> str:
    """Write a path as one would type it from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
