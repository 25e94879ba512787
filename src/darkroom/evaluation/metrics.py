"""What a table of probabilities is worth: rates with intervals, confusion, loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec
import numpy as np
from sklearn import metrics as sklearn_metrics

from darkroom.decision import Decision, decide
from darkroom.errors import DataError
from darkroom.intervals import Rate, mean_of_rates, wilson

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

_DRAWS = 2000  # bootstrap resamples


class ClassMetrics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one class fared against all others."""

    name: str
    images: int  # that truly belong to it
    precision: Rate  # of the images taken for it, the share that are
    recall: Rate  # of its images, the share that was found
    false_positive_rate: Rate  # of the other images, the share taken for it
    false_negative_rate: Rate  # of its images, the share that was missed


class Metrics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every number of an evaluation."""

    SCHEMA: ClassVar[int] = 1

    images: int
    accuracy: Rate  # share of images whose labels are all right
    balanced_accuracy: Rate  # mean recall over the classes
    macro_f1: Rate  # mean F1 over the classes; bootstrap, but never narrower than accuracy's
    loss: float  # mean cross-entropy, natural logarithm
    classes: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]  # true x predicted; empty for multi-label

    def most_confused(self) -> tuple[str, str, int] | None:
        """Name the pair taken for each other most often: true, predicted, images."""
        counts = np.array(self.confusion)
        if not counts.size:
            return None
        np.fill_diagonal(counts, 0)
        true, predicted = np.unravel_index(counts.argmax(), counts.shape)
        worst = int(counts[true, predicted])
        names = [each.name for each in self.classes]
        return (names[true], names[predicted], worst) if worst else None


def measure(
    probabilities: Float[np.ndarray, "images classes"],
    targets: Float[np.ndarray, "images classes"],
    classes: tuple[str, ...],
    decision: Decision,
) -> Metrics:
    """Measure predictions against the truth.

    Args:
        probabilities: What the network answered, 0..1.
        targets: Ones at each image's labels.
        classes: Names in the order of the columns.
        decision: How probabilities become labels. An image on which it abstains counts as
            wrong; single-label confusion counts it at its most probable class.

    Raises:
        DataError: The two tables differ in shape, are empty, or hold a NaN.

    Source: the definitions are those of scikit-learn, which computes loss and F1.
    """
    if probabilities.shape != targets.shape or not len(targets):
        raise DataError(
            f"{probabilities.shape} probabilities do not belong to {targets.shape} targets",
            hint="evaluate the run again: darkroom evaluate RUN",
        )
    if not np.isfinite(probabilities).all():
        raise DataError(
            f"{np.count_nonzero(~np.isfinite(probabilities)):,} probabilities are not numbers",
            hint="the training diverged; train again with --set optimizer.peak_lr=1e-3",
        )
    decided = decide(probabilities, decision)
    truth = targets > 0.5
    per_class = tuple(
        _class_metrics(name, truth[:, column], decided.chosen[:, column])
        for column, name in enumerate(classes)
    )
    right = int((decided.chosen == truth).all(axis=1).sum())
    counts = _confusion(truth, probabilities) if decision.task == "single-label" else None
    return Metrics(
        images=len(truth),
        accuracy=wilson(right, len(truth)),
        balanced_accuracy=mean_of_rates([each.recall for each in per_class]),
        macro_f1=_no_narrower(_macro_f1(truth, decided.chosen), wilson(right, len(truth))),
        loss=_loss(decided.probabilities, truth, decision),
        classes=per_class,
        confusion=() if counts is None else tuple(tuple(map(int, row)) for row in counts),
    )


def _class_metrics(
    name: str, truth: Bool[np.ndarray, "images"], chosen: Bool[np.ndarray, "images"]
) -> ClassMetrics:
    hits, false = int((truth & chosen).sum()), int((~truth & chosen).sum())
    own, others = int(truth.sum()), int((~truth).sum())
    return ClassMetrics(
        name=name,
        images=own,
        precision=wilson(hits, hits + false),
        recall=wilson(hits, own),
        false_positive_rate=wilson(false, others),
        false_negative_rate=wilson(own - hits, own),
    )


def _confusion(
    truth: Bool[np.ndarray, "images classes"], probabilities: Float[np.ndarray, "images classes"]
) -> Int[np.ndarray, "classes classes"]:
    return np.asarray(
        sklearn_metrics.confusion_matrix(
            truth.argmax(axis=1), probabilities.argmax(axis=1), labels=range(truth.shape[1])
        )
    )


def _loss(
    probabilities: Float[np.ndarray, "images classes"],
    truth: Bool[np.ndarray, "images classes"],
    decision: Decision,
) -> float:
    exact = probabilities.astype(np.float64)
    if decision.task == "multi-label":
        columns = range(truth.shape[1])
        return float(
            np.mean(
                [sklearn_metrics.log_loss(truth[:, c], exact[:, c], labels=[0, 1]) for c in columns]
            )
        )
    exact /= exact.sum(axis=1, keepdims=True)
    if exact.shape[1] == 1:
        return 0.0
    return float(
        sklearn_metrics.log_loss(truth.argmax(axis=1), exact, labels=range(truth.shape[1]))
    )


def _macro_f1(
    truth: Bool[np.ndarray, "images classes"], chosen: Bool[np.ndarray, "images classes"]
) -> Rate:
    """Average F1 over the classes that occur, with a percentile bootstrap over images."""
    occurs = (truth | chosen).any(axis=0)
    if not occurs.any():
        return Rate(value=None, low=None, high=None)
    outcomes = np.concatenate([truth[:, occurs], chosen[:, occurs]], axis=1)
    patterns, counts = np.unique(outcomes, axis=0, return_counts=True)
    true, taken = np.split(patterns, 2, axis=1)
    # Drawing how often each outcome occurs is drawing images, and much cheaper.
    images = len(truth)
    draws = np.random.default_rng(0).multinomial(images, counts / images, size=_DRAWS)
    low, high = np.quantile(_mean_f1(draws, true, taken), [0.025, 0.975])
    value = _mean_f1(counts[None, :], true, taken)[0]
    return Rate(value=float(value), low=float(low), high=float(high))


def _no_narrower(rate: Rate, than: Rate) -> Rate:
    """Widen a bootstrap interval that collapses where nearly everything is right."""
    known = (rate.value, rate.low, rate.high, than.value, than.low, than.high)
    if any(number is None for number in known):
        return rate
    value, low, high, share, below, above = (number or 0.0 for number in known)
    return Rate(
        value=value,
        low=max(min(low, value - (share - below)), 0.0),
        high=min(max(high, value + (above - share)), 1.0),
    )


def _mean_f1(
    counts: Int[np.ndarray, "draws outcomes"],
    true: Bool[np.ndarray, "outcomes classes"],
    taken: Bool[np.ndarray, "outcomes classes"],
) -> Float[np.ndarray, "draws"]:
    hits, either = counts @ (true & taken), counts @ (true.astype(np.int64) + taken)
    shape = np.zeros(hits.shape)
    return np.asarray(np.divide(2 * hits, either, out=shape, where=either > 0).mean(axis=1))
