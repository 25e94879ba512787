"""The sentences above each section: what is to be seen there, with its figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from darkroom.evaluation.report.brief import listed
from darkroom.wording import counted, percent

if TYPE_CHECKING:
    from darkroom.decision import Decision
    from darkroom.evaluation.baselines import Baseline
    from darkroom.evaluation.details import Details
    from darkroom.evaluation.metrics import Metrics
    from darkroom.evaluation.slices import Slices
    from darkroom.evaluation.thresholds import Costs


def of_the_rule(decision: Decision, details: Details) -> str:
    """Say how probabilities become answers."""
    words = []
    if decision.temperature != 1.0:
        way = "softens" if decision.temperature > 1 else "sharpens"
        words.append(f"A temperature of {decision.temperature:.3g} {way} its probabilities.")
    if decision.task == "multi-label":
        words.append(
            "Each label has a threshold of its own, from which on it is given."
            if decision.thresholds
            else "A label is given from a probability of 50 % on."
        )
    else:
        words.append(
            "The class is chosen by thresholds, so that errors are cheap."
            if decision.thresholds
            else "The most probable class is chosen."
        )
    if decision.abstain_below:
        words.append(
            f"Below {decision.abstain_below:.3g} of {decision.abstain_by} it says nothing."
        )
    if details.fit is not None:
        images = counted(details.fit.images, "image", "images")
        words.append(f"This was fitted on {images} of the validation part.")
    return " ".join(words)


def of_classes(metrics: Metrics) -> str:
    """Name the classes that are found best and worst, and the one most often taken wrongly."""
    by_recall = sorted(
        (each for each in metrics.classes if each.recall.value is not None),
        key=lambda each: each.recall.value or 0.0,
    )
    if len(by_recall) < 2:
        return "There is one class to find here." if by_recall else "No class has an image here."
    worst, best = by_recall[0], by_recall[-1]
    if worst.recall.value == best.recall.value:
        return f"Every class is found as often as the others: {percent(best.recall.value or 0.0)}."
    false = max(metrics.classes, key=lambda each: each.false_positive_rate.value or 0.0)
    words = (
        f"{best.name} is found best ({percent(best.recall.value or 0.0)} of its images), "
        f"{worst.name} worst ({percent(worst.recall.value or 0.0)})."
    )
    if false.false_positive_rate.value:
        rate = percent(false.false_positive_rate.value)
        words += f" Most often seen where it is not: {false.name}, in {rate} of other images."
    return words


def why_undefined(metrics: Metrics) -> str:
    """Say which rates are not defined, and why; empty when all are."""
    absent = [each.name for each in metrics.classes if each.recall.value is None]
    never = [each.name for each in metrics.classes if each.precision.value is None]
    reasons = []
    if absent:
        reasons.append(f"the part has no image of {listed(absent)}")
    if never:
        reasons.append(f"nothing was taken for {listed(never)}")
    if any(each.false_positive_rate.value is None for each in metrics.classes):
        reasons.append("there are no images of another class")
    return f"Not defined: {'; '.join(reasons)}." if reasons else ""


def of_slices(slices: Slices) -> str:
    """Say how many slices are worse than all other images."""
    if not slices.rows:
        return "There was nothing to compare: no column cuts the images into large enough slices."
    worse = [f"{each.column} {each.value}" for each in slices.rows if each.is_worse]
    compared = counted(slices.compared, "slice", "slices")
    if not worse:
        return (
            f"Of {compared} none is worse than all other images, as far as these images can tell."
        )
    verb = "is" if len(worse) == 1 else "are"
    return f"{len(worse)} of {compared} {verb} worse than all other images: {listed(worse)}."


def of_baselines(baselines: Sequence[Baseline]) -> str:
    """Say which simple rules the run beats."""
    ran = [each for each in baselines if not each.why_not]
    if not ran:
        return "None of the simple rules could be run on these images."
    unbeaten = [each.name for each in ran if not each.is_beaten]
    if not unbeaten:
        rules = "the one simple rule" if len(ran) == 1 else f"all {len(ran)} simple rules"
        return f"It beats {rules} that anybody could have had without training a network."
    return f"It is not shown to beat {listed(unbeaten)}: is a network worth its trouble here?"


def of_costs(costs: Costs) -> str:
    """Say what deciding by costs changes."""
    difference = costs.difference
    if difference.value is None or difference.low is None or difference.high is None:
        return "It decides as if all errors cost the same: no image is answered differently."
    if difference.high < 0:
        return f"Deciding by what errors cost saves {abs(difference.value):.3g} per image."
    if difference.low > 0:
        return f"Deciding by what errors cost was dearer here, by {difference.value:.3g} per image."
    return "Whether deciding by what errors cost saves anything cannot be said from these images."
