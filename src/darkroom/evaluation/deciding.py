"""`fit_decision`: the validation part's answers become the Decision that is carried on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.decision import Decision, Task, check_answers, decide
from darkroom.evaluation.calibration import FEWEST_IMAGES, fit_temperature
from darkroom.evaluation.coverage import fit_abstain
from darkroom.evaluation.thresholds import FEWEST_POSITIVES, fit_thresholds
from darkroom.evaluation.unknown import fit_unknown, images_needed, share_promised
from darkroom.problem import Problem
from darkroom.wording import counted, percent

if TYPE_CHECKING:
    from jaxtyping import Float

    Table = Float[np.ndarray, "images classes"]

_LISTED = 3  # classes that a note names
_MORE_VALID = "give it more images with --set data.valid=0.3"


class DecisionFit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a Decision came about."""

    images: int  # of the validation part
    notes: tuple[str, ...] = ()  # what could not be fitted, why, and what to do about it


def fit_decision(
    probabilities: Table,
    targets: Table,
    classes: tuple[str, ...],
    task: Task,
    problem: Problem,
    *,
    outliers: Mapping[str, Table] | None = None,
) -> tuple[Decision, DecisionFit]:
    """Fit how probabilities become labels: temperature, then thresholds, then when to abstain.

    Args:
        probabilities: What the network answered for the validation part, 0..1.
        targets: Ones at each image's labels.
        classes: Names in the order of the columns.
        task: Numbers have nothing to decide.
        problem: Its costs, its metric, and what it says of giving no answer. Where it names both
            `abstain_cost` and `false_alarms`, the one that answers less decides.
        outliers: What the network answered for images of no class, by kind.

    Returns:
        The Decision, and in words whatever could not be fitted; that stays as it would be without.

    Raises:
        DataError: Tables differ in shape, or hold what is no probability.
    """
    notes: list[str] = []
    decision = Decision(task=task)
    if task == "regression":
        asked = _asked(problem)
        if asked:
            notes.append(f"{asked} does not apply: numbers are predicted; leave it out")
        return decision, DecisionFit(images=len(targets), notes=tuple(notes))
    check_answers(probabilities, targets)
    notes += _missing_classes(targets, classes)
    temperature = fit_temperature(probabilities, targets, task)
    if temperature is None:
        notes.append(f"the temperature stays 1: {_why_no_temperature(targets, task)}")
    else:
        decision = msgspec.structs.replace(decision, temperature=temperature)
    if problem.costs or (task == "multi-label" and problem.metric == "macro-f1"):
        cooled = decide(probabilities, decision).probabilities
        thresholds = fit_thresholds(cooled, targets, classes, problem, task)
        decision = msgspec.structs.replace(decision, thresholds=thresholds)
        notes += _about_thresholds(targets, classes, problem, task)
    decision = _with_unknown(probabilities, decision, problem, outliers or {}, notes)
    if problem.abstain_cost is not None and len(targets) < FEWEST_IMAGES:
        notes.append(f"abstain_cost decides nothing: {_too_few(len(targets))}")
    elif problem.abstain_cost is not None:
        cheapest = fit_abstain(probabilities, targets, classes, decision, problem)
        limit = max(cheapest, decision.abstain_below)
        decision = msgspec.structs.replace(decision, abstain_below=limit)
    return decision, DecisionFit(images=len(targets), notes=tuple(notes))


def _with_unknown(
    probabilities: Table,
    decision: Decision,
    problem: Problem,
    outliers: Mapping[str, Table],
    notes: list[str],
) -> Decision:
    """Add the rule for unknown images, or a note on why there is none."""
    if problem.false_alarms is None:
        return decision
    why_not = _why_no_rule(probabilities, problem.false_alarms, decision.task)
    tables = {name: decide(table, decision).probabilities for name, table in outliers.items()}
    known = decide(probabilities, decision).probabilities
    fitted = None if why_not else fit_unknown(known, tables, false_alarms=problem.false_alarms)
    if fitted is None:
        notes.append(f"false_alarms decides nothing: {why_not}")
        return decision
    if not tables:
        notes.append(
            "no outliers were there to choose by, so unknown images are told by confidence, and "
            "what that catches is not known; measure it on images of no class"
        )
    by, limit = fitted
    return msgspec.structs.replace(decision, abstain_by=by, abstain_below=limit)


def _why_no_rule(probabilities: Table, share: float, task: Task) -> str:
    """Say why no rule for unknown images can be fitted; empty where one can."""
    needed, images = images_needed(share), len(probabilities)
    if task == "multi-label":
        return (
            "with several labels per image, an image of no known class is one without labels, "
            "which the thresholds of the classes decide; leave it out"
        )
    if probabilities.shape[1] < 2:
        return "with one class every answer is equally sure; add a class of other images"
    if needed is None:
        return (
            "no number of images can promise that none is refused; "
            "try --set problem.false_alarms=0.01"
        )
    if images < needed:
        allowed = share_promised(images)
        return (
            f"to promise {percent(share)} the validation part needs {needed:,} images, and has "
            f"{images:,}; {_MORE_VALID}, or allow more false alarms"
            + (f": --set problem.false_alarms={allowed:g}" if allowed else "")
        )
    return ""


def _asked(problem: Problem) -> str:
    asked = {
        "costs": bool(problem.costs),
        "abstain_cost": problem.abstain_cost is not None,
        "false_alarms": problem.false_alarms is not None,
    }
    return " and ".join(f"problem.{name}" for name, is_asked in asked.items() if is_asked)


def _too_few(images: int) -> str:
    return (
        f"the validation part has {counted(images, 'image', 'images')}, fewer than "
        f"{FEWEST_IMAGES}; {_MORE_VALID}"
    )


def _why_no_temperature(targets: Table, task: Task) -> str:
    if len(targets) < FEWEST_IMAGES:
        return _too_few(len(targets))
    if task == "multi-label":
        return (
            "every label of the validation part is the same, present or absent; "
            "add images that differ"
        )
    return f"the validation part has images of one class only; {_MORE_VALID}"


def _missing_classes(targets: Table, classes: tuple[str, ...]) -> list[str]:
    missing = [
        name
        for name, images in zip(classes, (targets > 0.5).sum(axis=0), strict=True)
        if not images
    ]
    if not missing or not len(targets):
        return []
    one = "of the classes has no image in the validation part"
    many = "of the classes have no image in the validation part"
    return [
        f"{counted(len(missing), one, many)} ({_named(missing)}), so nothing was fitted to them; "
        f"{_MORE_VALID}"
    ]


def _about_thresholds(
    targets: Table, classes: tuple[str, ...], problem: Problem, task: Task
) -> list[str]:
    if task == "single-label":
        pointless = [each for each in problem.costs if each.true == each.predicted]
        if pointless:
            names = _named([each.true for each in pointless])
            return [
                f"costs of taking a class for itself are left out ({names}); being right is free"
            ]
        return []
    pairs = [each for each in problem.costs if each.true and each.predicted]
    if pairs:
        names = _named([f"{each.true} for {each.predicted}" for each in pairs])
        return [
            "with several labels per image none is taken for another, so some costs are left out "
            f"({names}); leave `true` or `predicted` empty"
        ]
    images = (targets > 0.5).sum(axis=0)
    rare = [name for name, own in zip(classes, images, strict=True) if own < FEWEST_POSITIVES]
    if problem.costs or not rare:
        return []
    return [
        f"the threshold stays 0.5 for {_named(rare)}: fewer than {FEWEST_POSITIVES} validation "
        f"images have the label; {_MORE_VALID}"
    ]


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
