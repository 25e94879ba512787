"""Three answers for whoever decides: how good it is, what it confuses, whom to trust."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.intervals import wilson
from darkroom.wording import counted, percent

if TYPE_CHECKING:
    from darkroom.decision import Sureness
    from darkroom.evaluation.details import Details
    from darkroom.evaluation.evaluation import EvaluationRecord
    from darkroom.evaluation.metrics import ClassMetrics, Metrics
    from darkroom.intervals import Rate

_RELIABLE = 0.9  # share of right answers that is asked of a class when no goal was set
_NAMED = 4  # classes in a sentence


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One question, answered in a word and in a few sentences."""

    question: str
    key: str  # the answer in a word or a number
    words: tuple[str, ...]


def make_brief(
    record: EvaluationRecord, metrics: Metrics, details: Details
) -> tuple[Answer, Answer, Answer]:
    """Answer the three questions about classes.

    Args:
        record: What was evaluated.
        metrics: Without the images that leaked, if there are any.
        details: Baselines and coverage are told of.
    """
    confusions = _missed if record.task == "multi-label" else _confused
    return (
        _how_good(record, metrics, details),
        confusions(metrics),
        _whom_to_trust(record, metrics, details),
    )


def _how_good(record: EvaluationRecord, metrics: Metrics, details: Details) -> Answer:
    accuracy = metrics.accuracy
    what = "All labels are right on" if record.task == "multi-label" else "It is right on"
    images = counted(metrics.images, f"{record.part} image", f"{record.part} images")
    words = []
    if accuracy.hits is not None:
        words.append(f"{what} {accuracy.hits:,} of {images}.")
    if accuracy.low is not None and accuracy.high is not None:
        words.append(f"On new images of the same kind expect {span(accuracy)}.")
    silent = metrics.answered.value is not None and metrics.answered.value < 1
    if silent and metrics.accuracy_of_answered.value is not None:
        words.append(
            f"It answers {percent(metrics.answered.value or 0.0)} of them, and of these answers "
            f"{percent(metrics.accuracy_of_answered.value)} are right "
            f"({span(metrics.accuracy_of_answered)})."
        )
    elif silent:
        words.append("It answers none of them.")
    words += _beside_baselines(details)
    return Answer(
        question="How good is it?",
        key="not defined" if accuracy.value is None else f"{percent(accuracy.value)} right",
        words=tuple(words),
    )


def _beside_baselines(details: Details) -> list[str]:
    ran = [each for each in details.baselines if each.accuracy.value is not None]
    best = max(ran, key=lambda each: each.accuracy.value or 0.0, default=None)
    if best is None or best.accuracy.value is None:
        return []
    told = {
        True: ", which it beats",
        False: ", which it does not beat",
        None: "; whether it is any better cannot be said",
    }[best.is_beaten]
    return [f"The best simple rule, {best.name}, reaches {percent(best.accuracy.value)}{told}."]


def _confused(metrics: Metrics) -> Answer:
    question = "What does it confuse?"
    counts = np.array(metrics.confusion)
    names, of_class = [each.name for each in metrics.classes], counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    wrong = int(counts.sum())
    if not wrong:
        return Answer(
            question=question, key="Nothing", words=("No class was taken for another one.",)
        )
    order = np.argsort(-counts, axis=None, kind="stable")
    pairs = [divmod(int(place), len(names)) for place in order[:_NAMED]]
    true, taken = pairs[0]
    first = int(counts[true, taken])
    rate = wilson(first, int(of_class[true]))
    back = int(counts[taken, true])
    words = [
        f"Of {counted(int(of_class[true]), 'image', 'images')} of {names[true]}, {first:,} are "
        f"taken for {names[taken]}: {percent(rate.value or 0.0)} ({span(rate)}).",
        f"The other way round it is {back:,} of {int(of_class[taken]):,}; both together are "
        f"{percent((first + back) / wrong)} of all {counted(wrong, 'mistake', 'mistakes')}.",
    ]
    more = [
        f"{names[one]} for {names[other]} ({int(counts[one, other]):,})"
        for one, other in pairs[1:]
        if counts[one, other] and (one, other) != (taken, true)
    ]
    if more:
        words.append(f"Next come {listed(more)}.")
    return Answer(question=question, key=f"{names[true]} taken for {names[taken]}", words=(*words,))


def _missed(metrics: Metrics) -> Answer:
    """Of several labels no one is taken for another: each is missed or claimed."""
    missed = max(metrics.classes, key=lambda each: _lost(each.recall))
    claimed = max(metrics.classes, key=lambda each: _lost(each.precision))
    words = []
    if _lost(missed.recall):
        words.append(
            f"{missed.name} is missed most often: on {_lost(missed.recall):,} of "
            f"{counted(missed.images, 'image', 'images')} that have it."
        )
    if _lost(claimed.precision):
        words.append(
            f"{claimed.name} is claimed wrongly most often: on {_lost(claimed.precision):,} of "
            f"{counted(claimed.precision.of or 0, 'image', 'images')} that it is claimed of."
        )
    return Answer(
        question="What does it miss?",
        key=missed.name if _lost(missed.recall) else "Nothing",
        words=tuple(words) or ("No label was missed and none claimed wrongly.",),
    )


def _lost(rate: Rate) -> int:
    return (rate.of or 0) - (rate.hits or 0)


def _whom_to_trust(record: EvaluationRecord, metrics: Metrics, details: Details) -> Answer:
    bar = _RELIABLE if record.problem.goal is None else record.problem.goal
    by_precision = sorted(metrics.classes, key=lambda each: -(each.precision.value or 0.0))
    known = [each for each in by_precision if each.precision.value is not None]
    sure = [each for each in known if (each.precision.low or 0.0) >= bar]
    doubtful = [each for each in reversed(known) if (each.precision.high or 1.0) < bar]
    silent = [each.name for each in by_precision if each.precision.value is None]
    words = [_of_the_sure(sure, known, bar, are_few=not doubtful)]
    if doubtful:
        words.append(f"Check by hand what it calls {listed([_with_rate(c) for c in doubtful])}.")
    told = {each.name for each in (*sure, *doubtful)}
    others = [each.name for each in known if each.name not in told]
    if others and sure:
        words.append(f"There are too few images to say so of {listed(others)}.")
    if silent:
        words.append(f"It never answered {listed(silent)}.")
    words += _by_sureness(record.decision.abstain_by, metrics, details)
    return Answer(
        question="Whom to trust?",
        key=f"{len(sure):,} of {counted(len(metrics.classes), 'class', 'classes')}",
        words=tuple(words),
    )


def _of_the_sure(
    sure: Sequence[ClassMetrics], known: Sequence[ClassMetrics], bar: float, *, are_few: bool
) -> str:
    often = f"at least {percent(bar)} of the time"
    if sure:
        return f"When it says {listed([each.name for each in sure], 'or')}, it is right {often}."
    if not known:
        return "It gave no answer that could be trusted or not."
    if are_few:
        return (
            f"There are too few images to say of any class that it is right {often}; "
            f"best so far is {_with_rate(known[0])}."
        )
    return f"Of no class it is certain that it is right {often}; best is {_with_rate(known[0])}."


def _with_rate(each: ClassMetrics) -> str:
    return f"{each.name} ({percent(each.precision.value or 0.0)} right)"


def _by_sureness(by: Sureness, metrics: Metrics, details: Details) -> list[str]:
    """Name the first bar that halves the mistakes, and how many answers are left."""
    whole = metrics.accuracy_of_answered.value
    if whole is None or whole == 1:
        return []
    wanted = 1 - (1 - whole) / 2
    enough = [
        point
        for point in details.coverage
        if point.accuracy is not None and point.accuracy >= wanted and point.answered > 0
    ]
    if not enough:
        return []
    point = max(enough, key=lambda point: point.answered)
    return [
        f"Taking only answers of at least {100 * point.threshold:.0f} % {by} halves the "
        f"mistakes: {percent(point.answered)} of the images get one, "
        f"{percent(point.accuracy or 0.0)} of these are right."
    ]


def span(rate: Rate) -> str:
    """Write an interval of shares in percent."""
    if rate.low is None or rate.high is None:
        return "not defined"
    return f"{100 * rate.low:.1f} .. {percent(rate.high)}"


def listed(names: Sequence[str], word: str = "and") -> str:
    """Write names as a person lists them; of many the first four and how many more there are."""
    shown = list(names[:_NAMED])
    if len(names) > _NAMED:
        return f"{', '.join(shown)} {word} {len(names) - _NAMED:,} more"
    return f" {word} ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]
