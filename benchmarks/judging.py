"""What judging costs and what it is worth, on the 10,000 test images of CIFAR-10.

Speed: images/s of the answers that `evaluate` takes, beside a bare loop that calls the compiled
network on batches of floats scaled before the clock starts; both are compiled before. Then the
seconds of a whole `evaluate`, with its baselines new and kept, and of the report alone. Worth: how
well strangers are told from known images (hand signs, which no network here has seen, and what is
drawn), and whether the share of false alarms that was promised on `valid` is kept on `test`. The
network is the default one with the default recipe.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

import darkroom
from benchmarks.measure import paired, report, spread, test_data
from benchmarks.time_to_accuracy import cifar10
from darkroom.data.pixels import load_images
from darkroom.data.preprocess import scale_pixels
from darkroom.evaluation.details import Judged
from darkroom.evaluation.predict import Answerer
from darkroom.evaluation.report import work_beside, write_report

PAIRS = 15
BATCH = 256
FALSE_ALARMS = 0.05
REPORTS = 5


def speed(run: darkroom.Run) -> dict[str, object]:
    """Compare the answers of an evaluation with a bare loop over the same network."""
    import tensorflow as tf

    images = load_images(run.dataset, "test", run.record.preprocess)
    answerer = Answerer(run)
    model = run.model()
    compiled = tf.function(lambda batch: model(batch, training=False))
    pixels = scale_pixels(images.take(slice(None)), run.record.preprocess)
    starts = range(0, len(pixels), BATCH)

    def ours() -> float:
        began = time.perf_counter()
        answers.append(answerer("test", images))
        return len(images) / (time.perf_counter() - began)

    def theirs() -> float:
        began = time.perf_counter()
        table = [compiled(pixels[start : start + BATCH]).numpy() for start in starts]
        expected.append(np.concatenate(table))
        return len(images) / (time.perf_counter() - began)

    answers: list[np.ndarray] = []
    expected: list[np.ndarray] = []
    ours(), theirs()
    gap = float(np.abs(answers[0] - expected[0]).max())
    return {"largest_difference": gap, **paired(ours, theirs, PAIRS)}


def seconds(run: darkroom.Run, folder: Path) -> dict[str, object]:
    """Time whole evaluations, and the report alone."""
    whole = []
    for _ in range(2):
        began = time.perf_counter()
        evaluation = darkroom.evaluate(run)
        whole.append(time.perf_counter() - began)
    judged = Judged(
        metrics=evaluation.measured,
        without_leaks=evaluation.measured_without_leaks,
        details=evaluation.details,
        predictions=evaluation.predictions,
    )
    taken = []
    for _ in range(REPORTS):
        began = time.perf_counter()
        with work_beside(run.workspace.cache) as beside:
            path = folder / "report.html"
            write_report(path, evaluation.name, run, evaluation.record, judged, beside)
        taken.append(time.perf_counter() - began)
    return {
        "evaluate_first_seconds": whole[0],
        "evaluate_again_seconds": whole[1],
        "report_seconds": spread(taken),
        "report_mb": (folder / "report.html").stat().st_size / 1e6,
        "baselines": {each.name: each.accuracy.value for each in evaluation.details.baselines},
        "accuracy": msgspec.to_builtins(evaluation.metrics.accuracy),
    }


def strangers(run: darkroom.Run) -> dict[str, object]:
    """Measure the rule for no answer on hand signs and on what is drawn."""
    problem = darkroom.Problem(false_alarms=FALSE_ALARMS)
    evaluation = darkroom.evaluate(run, problem=problem, unknown=[test_data() / "sign-digits"])
    return dict(msgspec.to_builtins(evaluation.details.unknown))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = darkroom.Workspace(Path(folder) / "workspace")
        run = darkroom.train(cifar10(workspace), darkroom.Recipe(model="resnet_tiny"))
        figures = {
            "prediction": speed(run),
            "time": seconds(run, Path(folder)),
            "unknown": strangers(run),
        }
    alarms = figures["unknown"]["false_alarms"]
    report(
        "judging",
        figures,
        {
            "answers at 0.9 of a bare compiled loop": figures["prediction"]["ratio"]["high"] >= 0.9,
            "the same answers": figures["prediction"]["largest_difference"] <= 1e-4,
            "report within 5 s": figures["time"]["report_seconds"]["median"] <= 5,
            "report within 5 MB": figures["time"]["report_mb"] <= 5,
            "promised false alarms kept": alarms["low"] <= FALSE_ALARMS <= alarms["high"]
            or alarms["high"] <= FALSE_ALARMS,
        },
    )


if __name__ == "__main__":
    main()
