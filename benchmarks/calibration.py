"""Does the temperature make new answers more honest, and is a promised false-alarm share kept?

Ten seeds each of networks that learn noise or wrong labels of scikit-learn's digits by heart, of a
regression that is held back, and of simulated last layers whose temperature is known. One half
fits, the other measures. Rows without a goal are for comparison: a simulated layer and a network
that are honest already, where the temperature has nothing to mend, and a regression that hardly
learned, whose classes are in the wrong order, which no temperature mends.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from benchmarks.measure import report, spread
from darkroom.decision import Decision, decide
from darkroom.evaluation.calibration import calibration_gap, fit_temperature, measure_calibration
from darkroom.evaluation.outliers import draw_outliers
from darkroom.evaluation.unknown import fit_unknown, measure_unknown
from darkroom.intervals import wilson

SEEDS = 10
LAYERS = 500  # simulated images that fit; four times as many measure
SPLITS = 30  # ways of halving the same answers
PROMISED = 0.05
INTERVALS = 200  # draws in which the gap's interval is held against the truth

Answers = tuple[np.ndarray, np.ndarray]
Draw = Callable[[int], tuple[Answers, Answers]]
Classifier = MLPClassifier | LogisticRegression
Make = Callable[[int], Classifier]


def simulated(seed: int, images: int, sharpness: float, classes: int = 10) -> Answers:
    """Draw the answers of a network whose last layer is `sharpness` times an honest one."""
    rng = np.random.default_rng([seed, images])
    labels = rng.integers(0, classes, images)
    seen = rng.normal(size=(images, classes))
    seen[np.arange(images), labels] += 2.5
    layer = 2.5 * seen * sharpness
    raised = np.exp(layer - layer.max(axis=1, keepdims=True))
    shares = raised / raised.sum(axis=1, keepdims=True)
    return shares.astype(np.float32), np.eye(classes)[labels]


def digits(
    seed: int, make: Make, *, trained: int = 120, noise: float = 0.0, wrong: float = 0.0
) -> tuple[Classifier, np.ndarray, np.ndarray]:
    """Train on a few digits; give the classifier, the other images (0..1) and their targets.

    Args:
        seed: Of the split and the classifier.
        make: Makes it.
        trained: Images that it learns from.
        noise: Added to every pixel, as a standard deviation.
        wrong: Share of the training labels that are drawn anew.
    """
    rng = np.random.default_rng(seed)
    pixels, labels = load_digits(return_X_y=True)
    pixels = pixels / 16 + noise * rng.normal(size=pixels.shape)
    order = rng.permutation(len(pixels))
    few, rest = order[:trained], order[trained:]
    taught = np.where(rng.random(trained) < wrong, rng.integers(0, 10, trained), labels[few])
    return make(seed).fit(pixels[few], taught), pixels[rest], np.eye(10)[labels[rest]]


def network(seed: int) -> Classifier:
    return MLPClassifier((64,), alpha=0.0, max_iter=2000, random_state=seed)


def regression(strength: float) -> Make:
    return lambda seed: LogisticRegression(C=strength, random_state=seed)


def halved(make: Make, **kind: float) -> Draw:
    def draw(seed: int) -> tuple[Answers, Answers]:
        classifier, pixels, targets = digits(seed, make, **kind)
        shares = classifier.predict_proba(pixels).astype(np.float32)
        half = len(shares) // 2
        return (shares[:half], targets[:half]), (shares[half:], targets[half:])

    return draw


def layers(sharpness: float) -> Draw:
    return lambda seed: (
        simulated(seed, LAYERS, sharpness),
        simulated(seed, 4 * LAYERS, sharpness),
    )


def gap(answers: Answers, temperature: float) -> float:
    rule = Decision(task="single-label", temperature=temperature)
    return calibration_gap(decide(answers[0], rule).probabilities, answers[1].argmax(axis=1))


def calibrate(draw: Draw) -> dict[str, object]:
    rows = []
    for seed in range(SEEDS):
        valid, fresh = draw(seed)
        temperature = fit_temperature(*valid, "single-label") or 1.0
        rows.append((temperature, gap(fresh, 1.0), gap(fresh, temperature)))
    temperatures, before, after = np.array(rows).T
    return {
        "temperature": spread(temperatures),
        "gap_before": spread(before),
        "gap_after": spread(after),
        "shrinks": f"{int((after < before).sum())} of {SEEDS}",
    }


def promised(tables: Callable[[int], tuple[np.ndarray, np.ndarray]], draws: int) -> dict:
    """Hold the promised share of false alarms against new images, over and over.

    It is kept where the interval of what is measured reaches down to it. Halves of the same digits
    are not independent of each other; the simulated draws are.
    """
    kept, measured = 0, []
    for seed in range(draws):
        valid, fresh = tables(seed)
        by, limit = fit_unknown(valid, {}, false_alarms=PROMISED) or ("confidence", 0.0)
        rule = Decision(task="single-label", abstain_by=by, abstain_below=limit)
        found = measure_unknown(fresh, {}, rule, false_alarms_wanted=PROMISED).false_alarms
        kept += (found.low or 0.0) <= PROMISED
        measured.append(found.value or 0.0)
    return {
        "images_each": len(fresh),
        "false_alarms": float(np.mean(measured)),
        "kept": str(wilson(kept, draws)),
        "kept_share": kept / draws,
    }


def alarms_of_digits() -> dict[str, object]:
    answers = []
    for seed in range(SEEDS):
        classifier, pixels, _ = digits(seed, network)
        answers.append(classifier.predict_proba(pixels).astype(np.float32))

    def halves(draw: int) -> tuple[np.ndarray, np.ndarray]:
        shares = answers[draw % SEEDS]
        order = np.random.default_rng(draw).permutation(len(shares))
        return shares[order[: len(shares) // 2]], shares[order[len(shares) // 2 :]]

    return promised(halves, SEEDS * SPLITS)


def unknown_of_digits() -> dict[str, object]:
    """Give the area under the curve of each kind of outliers, over the seeds."""
    areas: dict[str, list[float]] = {}
    for seed in range(SEEDS):
        classifier, pixels, _ = digits(seed, network)
        images = np.rint(pixels * 255).astype(np.uint8).reshape(-1, 8, 8, 1)
        shares = classifier.predict_proba(pixels)
        outliers = {
            kind: classifier.predict_proba(drawn.reshape(len(drawn), -1) / 255)
            for kind, drawn in draw_outliers(images, count=256, seed=seed).items()
        }
        by, limit = fit_unknown(shares, outliers, false_alarms=PROMISED) or ("confidence", 0.0)
        rule = Decision(task="single-label", abstain_by=by, abstain_below=limit)
        for each in measure_unknown(shares, outliers, rule, false_alarms_wanted=PROMISED).kinds:
            areas.setdefault(each.name, []).append(each.roc_area.value or 0.0)
    return {kind: spread(values) for kind, values in areas.items()}


def intervals() -> dict[str, str]:
    """Count how often the gap's interval holds the true gap."""
    held = {}
    for sharpness in (1.0, 1.5, 3.0):
        true = gap(simulated(0, 400_000, sharpness), 1.0) if sharpness != 1 else 0.0
        for images in (100, 1000):
            hits = 0
            for seed in range(INTERVALS):
                answers = simulated(1 + seed, images, sharpness)
                found = measure_calibration(*answers, Decision(task="single-label"))
                hits += found is not None and found.gap.low <= true <= found.gap.high
            held[f"sharpness {sharpness:g}, {images} images"] = str(wilson(hits, INTERVALS))
    return held


def main() -> None:
    kinds = {
        "network taught a fifth of wrong labels": halved(network, trained=300, wrong=0.2),
        "network on noisy digits": halved(network, noise=0.5),
        "regression held back": halved(regression(0.1)),
        **{f"simulated, sharpness {by:g}": layers(by) for by in (0.5, 1.5, 2.0, 3.0)},
    }
    compared = {
        "simulated, honest": layers(1.0),
        "network on digits": halved(network),
        "regression that hardly learned": halved(regression(0.01)),
    }
    found = {name: calibrate(draw) for name, draw in kinds.items()}
    layer = promised(
        lambda draw: (simulated(draw, LAYERS, 2.0)[0], simulated(draw, LAYERS + 1, 2.0)[0]),
        SEEDS * SPLITS,
    )
    alarms = {"network on digits": alarms_of_digits(), "simulated": layer}
    figures = {
        "calibration": found,
        "without_a_goal": {name: calibrate(draw) for name, draw in compared.items()},
        "promised_false_alarms": PROMISED,
        "false_alarms": alarms,
        "interval_holds_the_true_gap": intervals(),
        "roc_area_of_outliers": unknown_of_digits(),
    }
    goals = {
        f"the gap of {name} shrinks in 9 of 10 seeds": int(row["shrinks"].split()[0]) >= 9
        for name, row in found.items()
    }
    goals |= {
        f"the false alarms promised are kept by 95 % of {name}": row["kept_share"] >= 0.95
        for name, row in alarms.items()
    }
    report("calibration", figures, goals)


if __name__ == "__main__":
    main()
