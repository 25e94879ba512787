"""Whether explanations find what decides, and whether their tests tell good maps from bad ones.

Networks are trained on planted cues (a coloured square in one corner, another one in each image):
the right map is known. A cue is found when the hottest of the 64 cells of the map lies in it;
the cue covers 4 of them. The same is asked of networks with random weights, where no map may be
trusted, and of two methods that explain nothing: heat drawn at random, and edges of the image.
"""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.measure import report, spread
from benchmarks.planted_cues import SIDE, Planted, draw_many, train_planted
from darkroom.evaluation.explain.explained import Effort, Maps, Outcome, explain_images
from darkroom.evaluation.explain.heat import CELLS, Method, cell_means
from darkroom.evaluation.explain.methods import METHODS, spends
from darkroom.evaluation.explain.redrawn import Redrawn
from darkroom.evaluation.explain.subject import Subject, run_subject
from darkroom.intervals import wilson

SEEDS = (0, 1, 2)  # of trained networks
IMAGES, OF_CONTROLS = 40, 200  # per trained network
RANDOM_NETWORKS, OF_RANDOM = 40, 3  # networks that know nothing, and images for each
TIMED, TIMES = 512, 15
DRAWN = np.random.default_rng(0)  # what the senseless method draws, anew at each call


def _noise(subject, pixels, classes, asked) -> np.ndarray:  # noqa: ARG001 - a method's signature
    cells = DRAWN.random((len(pixels), CELLS, CELLS)).astype(np.float32)
    return cells.repeat(SIDE // CELLS, axis=1).repeat(SIDE // CELLS, axis=2)


def _edges(subject, pixels, classes, asked) -> np.ndarray:  # noqa: ARG001
    grey = pixels.mean(axis=3).astype(np.float32)
    down, across = np.gradient(grey, axis=(1, 2))
    return np.hypot(down, across).astype(np.float32)


def _control(name: str, explain: object) -> Method:
    return Method(
        name=name, explain=explain, needs="answers", answers=1, fewest=1, says="", source="own"
    )


CONTROLS = (_control("noise", _noise), _control("edges", _edges))


def explained(subject: Subject, count: int, seed: int, methods: Sequence[Method]) -> Outcome:
    """Explain what a network answers for images that nobody has seen yet."""
    planted, _ = draw_many(count, seed)
    pixels = np.stack([each.pixels for each in planted])
    classes = subject.answer(pixels).argmax(axis=1)
    return explain_images(subject, pixels, classes, methods, Effort(seed=seed))


def found(maps: Maps, planted: Sequence[Planted]) -> np.ndarray:
    """Tell for each map whether its hottest cell lies in the cue."""
    step = SIDE // CELLS
    hottest = cell_means(maps.heat).argmax(axis=1)
    return np.array(
        [
            each.is_in_cue(place // CELLS * step, place % CELLS * step)
            for place, each in zip(hottest.tolist(), planted, strict=True)
        ]
    )


def mass(maps: Maps, planted: Sequence[Planted]) -> np.ndarray:
    """Give the share of what speaks for the class that lies in the cue."""
    for_it = np.maximum(maps.heat, 0)
    inside = [
        heat[each.top : each.top + 8, each.left : each.left + 8].sum()
        for heat, each in zip(for_it, planted, strict=True)
    ]
    return np.array(inside) / np.maximum(for_it.sum(axis=(1, 2)), 1e-9)


def rate(hits: np.ndarray) -> dict[str, object]:
    of = wilson(int(np.sum(hits)), len(hits))
    return {"share": of.value, "low": of.low, "high": of.high, "of": of.of}


def on_trained(subjects: Sequence[Subject]) -> dict[str, dict[str, object]]:
    """Measure every method and both controls on trained networks."""
    figures = {}
    for methods, count in (([*METHODS.values()], IMAGES), (CONTROLS, OF_CONTROLS)):
        columns: dict[str, list[tuple[np.ndarray, ...]]] = {each.name: [] for each in methods}
        for seed, subject in enumerate(subjects):
            drawn_by = 1000 * (9 + seed)  # far apart: each image's orders are drawn from the sum
            planted, _ = draw_many(count, drawn_by)
            for maps in explained(subject, count, drawn_by, methods).maps:
                trusted = np.array([trust.is_trustworthy for trust in maps.trust])
                beaten = np.array([trust.beaten.value == 1 for trust in maps.trust])
                alike = np.array([trust.likeness for trust in maps.trust])
                columns[maps.method].append(
                    (found(maps, planted), mass(maps, planted), trusted, beaten, alike)
                )
        for name, rows in columns.items():
            hits, within, trusted, beaten, alike = map(np.concatenate, zip(*rows, strict=True))
            figures[name] = {
                "cue found": rate(hits),
                "mass in the cue, median": float(np.median(within)),
                "trustworthy": rate(trusted),
                "better than every random order": rate(beaten),
                "likeness to random weights, median": float(np.median(alike)),
            }
    return figures


def on_random(subjects: Sequence[Subject]) -> dict[str, dict[str, object]]:
    """Measure how often a map of a network that knows nothing is called not trustworthy."""
    doubted: dict[str, list[bool]] = {name: [] for name in METHODS}
    maps_alone: dict[str, list[bool]] = {name: [] for name in METHODS}
    learned = []
    for number in range(RANDOM_NETWORKS):
        subject = subjects[number % len(subjects)]
        knows_nothing = Redrawn(subject, seed=5000 + number).subject(0)
        outcome = explained(knows_nothing, OF_RANDOM, 1000 * (50 + number), [*METHODS.values()])
        for maps in outcome.maps:
            doubted[maps.method] += [not trust.is_trustworthy for trust in maps.trust]
            maps_alone[maps.method] += [
                any("the network answers" not in doubt for doubt in trust.doubts)
                for trust in maps.trust
            ]
        learned.append(outcome.learned is not None and outcome.learned.is_more)
    return {
        name: {
            "not trustworthy": rate(np.array(doubted[name])),
            "... by the map alone": rate(np.array(maps_alone[name])),
            "networks taken for trained": f"{sum(learned)} of {RANDOM_NETWORKS}",
        }
        for name in METHODS
    }


def speed(subject: Subject) -> dict[str, object]:
    """Time Grad-CAM in images/s, its maps alone and with every test."""
    pixels = np.stack([each.pixels for each in draw_many(TIMED, 1)[0]])
    classes = subject.answer(pixels).argmax(axis=1)
    method = METHODS["grad-cam"]
    asked = spends(method, None, 0)
    alone = functools.partial(method.explain, subject, pixels, classes, asked)
    alone()
    return {
        "maps alone, images/s": spread([TIMED / _seconds(alone) for _ in range(TIMES)]),
        "with every test, images/s": spread(
            [
                64 / _seconds(
                    functools.partial(
                        explain_images, subject, pixels[:64], classes[:64], [method], Effort()
                    )
                )
                for _ in range(3)
            ]
        ),
    }  # fmt: skip


def _seconds(work: functools.partial) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        runs = [train_planted(Path(folder) / str(seed) / "cues", seed) for seed in SEEDS]
        subjects = [run_subject(run) for run in runs]
        trained, untrained = on_trained(subjects), on_random(subjects)
        quick = speed(subjects[0])
        accuracy = [run.best.valid_accuracy for run in runs]
    report(
        "explanations",
        {
            "valid accuracy of the trained networks": accuracy,
            "trained": trained,
            "random weights": untrained,
            "grad-cam on resnet_tiny, 32 px": quick,
        },
        {
            "every method finds the cue in 95 % of the images": all(
                trained[name]["cue found"]["share"] >= 0.95 for name in METHODS
            ),
            "on random weights 95 % of the maps of each method are not trustworthy": all(
                each["not trustworthy"]["share"] >= 0.95 for each in untrained.values()
            ),
            # Chance beats 19 random orders once in 20 times: its interval has to reach that.
            "random heat is trustworthy no more often than by chance": (
                trained["noise"]["trustworthy"]["low"] <= 0.05
            ),
            "edges are not trustworthy": trained["edges"]["trustworthy"]["share"] <= 0.05,
            "grad-cam makes 50 maps a second": quick["maps alone, images/s"]["median"] >= 50,
        },
    )


if __name__ == "__main__":
    main()
