"""Each stage in one line of words: what quickstart and the commands say while they work."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from darkroom.findings import Finding
from darkroom.training.record import Epoch, Pace, goodness
from darkroom.wording import counted, visible

if TYPE_CHECKING:
    from darkroom.bundles.bundle import Bundle
    from darkroom.data.dataset import Dataset, DatasetRecord
    from darkroom.data.near_duplicates import NearDuplicates
    from darkroom.decision import Task
    from darkroom.evaluation.evaluation import Evaluation
    from darkroom.evaluation.metrics import Metrics
    from darkroom.evaluation.regression import RegressionMetrics
    from darkroom.evaluation.unknown import Unknown
    from darkroom.problem import Promise
    from darkroom.training.record import RunRecord
    from darkroom.training.run import Run

_SLICES = 3  # weak ones that are told; the report has all


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
    classes = counted(len(dataset.classes), "class", "classes")
    errors = sum(finding.severity == "error" for finding in findings)
    skipped = f"{record.skipped:,} of {record.found:,} files skipped" if record.skipped else ""
    return line(
        "data",
        record.name,
        counted(record.used, "image", "images"),
        "a target each" if dataset.task == "regression" else classes,
        f"{size} {colour}",
        skipped,
        f"{counted(errors, 'error', 'errors')} found" if errors else "no errors found",
    )


def tell_found(record: DatasetRecord) -> str:
    """Say what became of everything that was found."""
    left_out = f" + {record.left_out:,} not in the sample" if record.left_out else ""
    return line(
        "found", f"{record.found:,} = {record.used:,} used + {record.skipped:,} skipped{left_out}"
    )


def tell_parts(dataset: Dataset) -> list[str]:
    """Say how many images each part holds, if there are parts."""
    if set(dataset.counts) <= {"unsplit"}:
        return []
    return [line("parts", *(f"{count:,} {part}" for part, count in dataset.counts.items()))]


def tell_not_compared(near: NearDuplicates) -> list[str]:
    """Say which images the search for near-duplicates passed over, if it did."""
    small, plain = near.too_small, near.too_plain
    if not small + plain:
        return []
    return [
        line(
            "compared",
            f"{near.looked_at:,} of {near.looked_at + small + plain:,} images for near-duplicates",
            counted(small, "is too small", "are too small") if small else "",
            counted(plain, "shows next to nothing", "show next to nothing") if plain else "",
        )
    ]


def tell_split(dataset: Dataset) -> str:
    """Say what the parts hold."""
    words = [f"{count:,} {part}" for part, count in dataset.counts.items() if part != "test"]
    return line("split", *words, f"{dataset.counts.get('test', 0):,} test, sealed")


def tell_plan(record: RunRecord) -> str:
    """Say what is about to be trained, and on what."""
    model = f"{record.architecture.name} ({record.why})" if record.why else record.architecture.name
    resumed = (
        f"resumed after {counted(record.resumed[-1].epochs, 'epoch', 'epochs')}"
        if record.resumed
        else ""
    )
    return line(
        "train",
        model,
        f"{record.parameters:,} parameters",
        f"{record.preprocess.width}x{record.preprocess.height} px",
        str(record.device),
        resumed,
    )


def tell_run(run: Run) -> str:
    """Say how a training ended."""
    seconds = sum(pace.seconds for pace in run.pace)
    return line(
        "trained",
        f"{counted(len(run.history), 'epoch', 'epochs')} in {seconds:.0f} s, {run.record.outcome}",
        _told_speeds(run.history, run.pace),
        f"valid {goodness(run.best)}{_of_labels(run.record.task)} at epoch {run.best.number}",
    )


def _of_labels(task: Task) -> str:
    """Say what a share in training is of where an image has several labels."""
    return " of labels" if task == "multi-label" else ""


def _told_speeds(history: Sequence[Epoch], paces: Sequence[Pace]) -> str:
    """Say how fast each stage went: a head learns from features, a thawed trunk from pixels."""
    speeds: dict[str, list[float]] = {}
    for epoch, pace in zip(history, paces, strict=False):
        speeds.setdefault(epoch.stage, []).append(pace.images_per_s)
    middle = {stage: statistics.median(each) for stage, each in speeds.items()}
    if middle.keys() == {"train"}:
        return f"{middle['train']:,.0f} images/s"
    return ", ".join(f"{stage} {speed:,.0f} images/s" for stage, speed in middle.items())


def tell_evaluation(evaluation: Evaluation) -> list[str]:
    """Say what an evaluation measured, and how it stands to the Problem."""
    record, fresh = evaluation.record, evaluation.measured_without_leaks
    is_classes = record.task != "regression"
    confused = evaluation.metrics.most_confused() if is_classes else None
    leaked = record.copies + record.near_duplicates
    return [
        line(
            "evaluate",
            f"{record.part} {'all labels right on ' if record.task == 'multi-label' else ''}"
            f"{_spelled_out(evaluation.measured)}",
            f"most confused: {confused[0]} taken for {confused[1]}" if confused else "",
            f"look {record.looks} at this test part" if record.looks else "",
        ),
        *([_tell_leaks(leaked, fresh.headline() if fresh else None)] if leaked else []),
        *(_tell_details(evaluation) if is_classes else []),
        *(line(promise.verdict, str(promise), *_tell_more(promise)) for promise in record.promises),
        line("report", shown(evaluation.report)),
    ]


def _spelled_out(measured: Metrics | RegressionMetrics) -> str:
    """Give the headline, and say what the numbers in brackets are."""
    return measured.headline().replace(" (", " (95 % interval ", 1)


def _tell_more(promise: Promise) -> list[str]:
    if promise.verdict != "undecided" or promise.more_images is None:
        return []
    return [f"about {promise.more_images:,} more images would settle it"]


def _tell_details(evaluation: Evaluation) -> list[str]:
    """Say what was not answered, what a simple way would have scored, and where it fails."""
    metrics, details = evaluation.metrics, evaluation.details
    told = []
    if metrics.answered.value is not None and metrics.answered.value < 1:
        right = f"{metrics.accuracy_of_answered} of them right"
        told.append(line("answered", str(metrics.answered), right))
    known = [each for each in details.baselines if each.accuracy.value is not None]
    if known:
        best = max(known, key=lambda each: each.accuracy.value or 0.0)
        beaten = {True: "beaten", False: "not beaten", None: "not told apart"}[best.is_beaten]
        told.append(line("baseline", f"{best.name} {best.accuracy}", beaten))
    if details.unknown is not None:
        told += _tell_unknown(details.unknown)
    worse = details.slices.worse[:_SLICES] if details.slices else ()
    told += [line("weak", f"{w.column} {visible(w.value)}", str(w.accuracy)) for w in worse]
    notes = (*(details.fit.notes if details.fit else ()), *details.notes)
    return told + [line("note", note) for note in notes]


def _tell_unknown(unknown: Unknown) -> list[str]:
    """Say how many strangers that the user showed are refused, and what that costs known images."""
    from darkroom.evaluation.outliers import DRAWN

    told = []
    for kind in unknown.kinds:
        if kind.name in DRAWN:  # the report has those
            continue
        fate = (f"{kind.caught} refused", f"of known images {unknown.false_alarms}")
        if unknown.threshold is None:
            fate = ("all taken for known", f"known images are surer in {kind.roc_area} of pairs")
        told.append(line("unknown", f"{kind.images:,} of {visible(kind.name)}", *fate))
    return told


def _tell_leaks(leaked: int, without: str | None) -> str:
    seen = counted(leaked, "image was seen before", "images were seen before")
    if without is None:
        return line("leaks", seen, "without them nothing is left to measure")
    return line("leaks", seen, f"without them {without}")


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
