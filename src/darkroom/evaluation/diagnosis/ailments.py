"""The catalog of ailments: every one judges the Evidence and gives a finding, none, or why not.

An ailment is one function in a module of its family, and one line in `AILMENTS`. The order is that
of mending: what spoils the measurement, then what spoils the images, the steps, the labels, and
last what remains. An ailment explains others when they would be there because of it.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from darkroom.decision import Task
from darkroom.evaluation.diagnosis.capacity import overfitting, underfitting
from darkroom.evaluation.diagnosis.curves import too_few_epochs
from darkroom.evaluation.diagnosis.diagnosis import Diagnosis, Explained, Unclear
from darkroom.evaluation.diagnosis.evidence import Evidence
from darkroom.evaluation.diagnosis.inputs import channel_order, scaling
from darkroom.evaluation.diagnosis.kept import best_weights
from darkroom.evaluation.diagnosis.labels import label_noise
from darkroom.evaluation.diagnosis.layers import batch_norm, dead_units
from darkroom.evaluation.diagnosis.leaks import leak
from darkroom.evaluation.diagnosis.parts import imbalance, many_looks, tiny_validation
from darkroom.evaluation.diagnosis.rates import rate_too_high, rate_too_low
from darkroom.findings import Finding

Judge = Callable[[Evidence], Finding | Unclear | None]

_CLASSES: tuple[Task, ...] = ("single-label",)
_ANY: tuple[Task, ...] = ("single-label", "multi-label", "regression")
_LEARNING = ("underfitting", "too-few-epochs", "imbalance", "label-noise")
_IMAGES = (*_LEARNING, "overfitting", "best-weights", "dead-units")


class Ailment(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that may be wrong with a run."""

    name: str
    judge: Judge
    needs: tuple[str, ...] = ("train", "valid")  # fields of the Evidence
    tasks: tuple[Task, ...] = _ANY  # of which it can be judged
    explains: tuple[str, ...] = ()  # ailments that would be there because of it


AILMENTS: tuple[Ailment, ...] = (
    Ailment(
        name="channel-order", judge=channel_order, tasks=_CLASSES, explains=(*_IMAGES, "scaling")
    ),
    Ailment(name="scaling", judge=scaling, tasks=_CLASSES, explains=(*_IMAGES, "batch-norm")),
    Ailment(name="batch-norm", judge=batch_norm, tasks=_CLASSES, explains=_IMAGES),
    Ailment(
        name="best-weights",
        judge=best_weights,
        needs=("valid",),
        tasks=("single-label", "regression"),
        explains=(*_LEARNING, "dead-units"),
    ),
    Ailment(name="leak", judge=leak, needs=("leaked",), explains=()),
    Ailment(
        name="rate-too-high",
        judge=rate_too_high,
        needs=(),
        explains=(*_LEARNING, "dead-units", "overfitting"),
    ),
    Ailment(name="rate-too-low", judge=rate_too_low, needs=(), explains=_LEARNING),
    Ailment(name="dead-units", judge=dead_units, needs=("train",), explains=_LEARNING),
    Ailment(
        name="imbalance",
        judge=imbalance,
        needs=("valid",),
        tasks=_CLASSES,
        explains=("label-noise", "overfitting", "underfitting"),
    ),
    Ailment(
        name="label-noise",
        judge=label_noise,
        tasks=_CLASSES,
        explains=("too-few-epochs", "underfitting"),
    ),
    Ailment(
        name="too-few-epochs",
        judge=too_few_epochs,
        needs=("train",),
        explains=("underfitting",),
    ),
    Ailment(name="tiny-validation", judge=tiny_validation, needs=()),
    Ailment(name="overfitting", judge=overfitting),
    Ailment(name="underfitting", judge=underfitting),
    Ailment(name="many-looks", judge=many_looks, needs=()),
)


def judge_evidence(evidence: Evidence, ailments: tuple[Ailment, ...] = AILMENTS) -> Diagnosis:
    """Let every ailment judge, and put causes before what they explain.

    Args:
        evidence: Of a run.
        ailments: In the order of mending.
    """
    judged = [_judge(ailment, evidence) for ailment in ailments]
    found = {each.name: each for each in judged if isinstance(each, Finding)}
    causes: dict[str, str] = {}
    for ailment in ailments:
        if ailment.name in found and ailment.name not in causes:
            for name in ailment.explains:
                causes.setdefault(name, ailment.name)
    return Diagnosis(
        findings=tuple(each for name, each in found.items() if name not in causes),
        explained=tuple(
            Explained(finding=each, by=causes[name])
            for name, each in found.items()
            if name in causes
        ),
        unclear=tuple(each for each in judged if isinstance(each, Unclear)),
    )


def _judge(ailment: Ailment, evidence: Evidence) -> Finding | Unclear | None:
    if evidence.task not in ailment.tasks:
        return Unclear(name=ailment.name, why=f"it cannot be judged for a {evidence.task} run yet")
    for field in ailment.needs:
        if getattr(evidence, field) is None:
            return Unclear(name=ailment.name, why=evidence.missing[field])
    return ailment.judge(evidence)
