"""Evidence of runs that never were: a healthy one, and one way to spoil it for each ailment."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from darkroom.evaluation.diagnosis.evidence import Answered, Evidence, Silent
from darkroom.evaluation.diagnosis.inputs import AS_THEY_ARE, LEVELLED, RESTATED, REVERSED
from darkroom.training.guards import Chance
from darkroom.training.recipe import Optimizer, Recipe
from darkroom.training.record import Epoch

CLASSES = 5


def answered(
    share: float, *, images: int = 400, sure: bool = False, labels: np.ndarray | None = None
) -> Answered:
    """Answer a share of images rightly, the others wrongly and, as a rule, less surely."""
    rng = np.random.default_rng(images)
    labels = np.arange(images) % CLASSES if labels is None else labels
    right = np.zeros(len(labels), bool)
    right[: round(share * len(labels))] = True
    rng.shuffle(right)
    said = np.where(right, labels, (labels + 1) % CLASSES)
    certainty = rng.uniform(0.6, 0.99, len(labels))
    if not sure:
        certainty = np.where(right, certainty, rng.uniform(0.3, 0.5, len(labels)))
    answers = np.repeat((1 - certainty)[:, None] / (CLASSES - 1), CLASSES, axis=1)
    answers[np.arange(len(labels)), said] = certainty
    return Answered(
        task="single-label",
        images=tuple(f"{number}.png" for number in range(len(labels))),
        answers=answers,
        targets=np.eye(CLASSES)[labels],
    )


def history(*accuracies: float) -> tuple[Epoch, ...]:
    return tuple(
        Epoch(
            number=number,
            loss=1.7 - 1.5 * accuracy,
            accuracy=accuracy,
            valid_loss=1.7 - 1.5 * accuracy,
            valid_accuracy=accuracy,
            learning_rate=1e-3,
        )
        for number, accuracy in enumerate(accuracies, 1)
    )


def healthy() -> Evidence:
    return Evidence(
        run="drawn-1",
        source="drawn-abc",
        location="photos",
        task="single-label",
        classes=tuple("abcde"),
        recipe=Recipe(model="mlp", epochs=6, optimizer=Optimizer(name="adamw", peak_lr=4e-3)),
        settled={"model": "mlp"},
        is_pretrained=False,
        takes_bytes=False,
        usual_lr=4e-3,
        steps=1200,
        outcome="finished",
        history=history(0.6, 0.8, 0.9, 0.95, 0.95, 0.96),
        best_epoch=6,
        chance=Chance(images=1000, accuracy=0.2, loss=1.6),
        class_counts=(200,) * CLASSES,
        valid_images=400,
        train=answered(0.97, images=1000),
        valid=answered(0.96),
        leaked=frozenset(),
        silent=(Silent(layer="activation 1 of 1", units=64, dead=3),),
        seen_images=256,
        looks=2,
        lookers=2,
    )


def changed(evidence: Evidence, **fields: object) -> Evidence:
    return msgspec.structs.replace(evidence, **fields)


def with_rate(evidence: Evidence, peak_lr: float) -> Evidence:
    optimizer = msgspec.structs.replace(evidence.recipe.optimizer, peak_lr=peak_lr)
    recipe = msgspec.structs.replace(evidence.recipe, optimizer=optimizer)
    return changed(
        evidence,
        recipe=recipe,
        train=answered(0.4, images=1000),
        valid=answered(0.4),
        history=history(0.2, 0.3, 0.35, 0.4, 0.4, 0.4),
    )


def better_if(name: str) -> Callable[[Evidence], Evidence]:
    def spoil(evidence: Evidence) -> Evidence:
        poor = answered(0.3)
        seen = {AS_THEY_ARE: answered(0.3, images=256), name: answered(0.95, images=256)}
        return changed(evidence, valid=poor, changed=seen, history=history(0.9, 0.3), best_epoch=2)

    return spoil


def with_rare_class(evidence: Evidence) -> Evidence:
    valid = answered(0.99)
    answers = valid.answers.copy()
    answers[valid.targets.argmax(axis=1) == 4] = np.eye(CLASSES)[0]
    spoilt = msgspec.structs.replace(valid, answers=answers)
    return changed(
        evidence,
        class_counts=(200, 200, 200, 200, 8),
        valid=spoilt,
        history=history(0.6, 0.7, 0.75, 0.8),
        best_epoch=4,
    )


ILL: dict[str, Callable[[Evidence], Evidence]] = {
    "channel-order": better_if(REVERSED),
    "scaling": better_if(LEVELLED),
    "batch-norm": better_if(RESTATED),
    "best-weights": lambda e: changed(e, valid=answered(0.6)),
    "leak": lambda e: changed(e, leaked=frozenset(f"{number}.png" for number in range(40))),
    "rate-too-high": lambda e: with_rate(e, 0.1),
    "rate-too-low": lambda e: with_rate(e, 1e-6),
    "dead-units": lambda e: changed(
        with_rate(e, 4e-3), silent=(Silent(layer="activation 1 of 1", units=64, dead=60),)
    ),
    "too-few-epochs": lambda e: changed(
        e, history=history(0.3, 0.5, 0.7), best_epoch=3, train=answered(0.71), valid=answered(0.7)
    ),
    "label-noise": lambda e: changed(
        e,
        train=answered(0.8, images=1000, sure=True),
        valid=answered(0.78, sure=True),
        history=history(0.78, 0.78, 0.78),
        best_epoch=3,
    ),
    "imbalance": with_rare_class,
    "tiny-validation": lambda e: changed(e, valid_images=24, valid=answered(0.96, images=24)),
    "overfitting": lambda e: changed(
        e, train=answered(1.0), valid=answered(0.7), history=history(0.6, 0.7), best_epoch=2
    ),
    "underfitting": lambda e: with_rate(e, 4e-3),
    "many-looks": lambda e: changed(e, looks=14, lookers=9),
}
