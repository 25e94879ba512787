"""What a table of probabilities is worth: rates with intervals, confusion, loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec
import numpy as np

from darkroom.decision import Decided, Decision, decide
from darkroom.errors import DataError
from darkroom.evaluation.averages import average_f1, class_f1
from darkroom.evaluation.curves import ClassAreas, measure_areas
from darkroom.intervals import (
    NOT_DEFINED,
    Estimate,
    Rate,
    mean_interval,
    mean_of_rates,
    no_narrower,
    wilson,
)
from darkroom.records import Document, Upgrade

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

_TOP = (2, 3, 5)


class ClassMetrics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one class fared against all others.

    Of a class that the part has no images of, only the false positive rate is defined.
    """

    name: str
    images: int  # that truly belong to it
    precision: Rate  # of the images taken for it, the share that are
    recall: Rate  # of its images, the share that was found
    false_positive_rate: Rate  # of the other images, the share taken for it
    false_negative_rate: Rate  # of its images, the share that was missed
    f1: Rate = NOT_DEFINED  # harmonic mean of precision and recall
    # At every threshold: how often one of its images is ranked above another; mean precision at
    # the ranks of its images. Bootstrap, but never narrower than a formula's.
    roc_area: Rate = NOT_DEFINED
    average_precision: Rate = NOT_DEFINED


class TopK(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often the true class is among the most probable ones."""

    k: int  # that many
    rate: Rate


def _with_intervals(document: Document) -> Document:
    """Lift schema 1, whose loss had no interval; what it did not measure stays not defined."""
    loss = {"loss": {"value": document["loss"]}} if "loss" in document else {}
    return {**document, **loss}


class Metrics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every number of an evaluation."""

    SCHEMA: ClassVar[int] = 2
    UPGRADES: ClassVar[dict[int, Upgrade]] = {1: _with_intervals}

    images: int
    accuracy: Rate  # share of images whose labels are all right; abstaining counts as wrong
    answered: Rate = NOT_DEFINED  # share of images on which it does not abstain
    accuracy_of_answered: Rate = NOT_DEFINED
    top_k: tuple[TopK, ...] = ()  # single-label, for 2, 3 and 5 where there are more classes
    balanced_accuracy: Rate  # mean recall over the classes
    # Mean F1 over the classes of the part, by class and by image; bootstrap, but never narrower
    # than accuracy's.
    macro_f1: Rate
    weighted_f1: Rate = NOT_DEFINED
    roc_area: Rate = NOT_DEFINED  # mean over the classes of which it is defined
    loss: Estimate  # mean cross-entropy, natural logarithm
    # Mean squared distance from the truth: single-label summed over the classes, 0..2;
    # multi-label averaged over them, 0..1.
    brier: Estimate = Estimate(value=None)
    classes: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]  # true x predicted; empty for multi-label

    def headline(self) -> str:
        """Say the first number to read, with its interval."""
        return str(self.accuracy)

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
            wrong; single-label confusion counts it at the class it would have been taken for.
            Top-k, areas, loss and Brier score ask for probabilities alone.

    Raises:
        DataError: The two tables differ in shape, are empty, or hold a NaN.

    Source: the definitions are those of scikit-learn. The Brier score: Brier 1950,
    doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    _refuse_unmeasurable(probabilities, targets)
    decided, truth = decide(probabilities, decision), targets > 0.5
    answered = ~decided.abstained
    right = (decided.chosen == truth).all(axis=1) & answered
    accuracy = wilson(int(right.sum()), len(truth))
    areas, f1 = measure_areas(decided.probabilities, truth), average_f1(truth, decided.chosen)
    per_class = tuple(
        _class_metrics(name, truth[:, column], decided.chosen[:, column], areas.classes[column])
        for column, name in enumerate(classes)
    )
    is_single = decision.task == "single-label"
    losses, distances = _losses(decided, truth, is_single=is_single)
    return Metrics(
        images=len(truth),
        accuracy=accuracy,
        answered=wilson(int(answered.sum()), len(truth)),
        accuracy_of_answered=wilson(int(right.sum()), int(answered.sum())),
        top_k=_top_k(decided.probabilities, truth) if is_single else (),
        balanced_accuracy=mean_of_rates([each.recall for each in per_class]),
        macro_f1=no_narrower(f1.macro, accuracy),
        weighted_f1=no_narrower(f1.weighted, accuracy),
        roc_area=areas.mean_roc,
        loss=mean_interval(losses, least=0.0),
        brier=mean_interval(distances, least=0.0),
        classes=per_class,
        confusion=_confusion(truth, probabilities, decision) if is_single else (),
    )


def _refuse_unmeasurable(
    probabilities: Float[np.ndarray, "images classes"], targets: Float[np.ndarray, "images classes"]
) -> None:
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


def _class_metrics(
    name: str,
    truth: Bool[np.ndarray, "images"],
    chosen: Bool[np.ndarray, "images"],
    areas: ClassAreas,
) -> ClassMetrics:
    hits, false = int((truth & chosen).sum()), int((~truth & chosen).sum())
    own, others = int(truth.sum()), int((~truth).sum())
    return ClassMetrics(
        name=name,
        images=own,
        # Without images of the class it could be nothing but 0, whatever the network is worth.
        precision=wilson(hits, hits + false) if own else NOT_DEFINED,
        recall=wilson(hits, own),
        false_positive_rate=wilson(false, others),
        false_negative_rate=wilson(own - hits, own),
        f1=class_f1(hits, false, own - hits) if own else NOT_DEFINED,
        roc_area=areas.roc,
        average_precision=areas.average_precision,
    )


def _confusion(
    truth: Bool[np.ndarray, "images classes"],
    probabilities: Float[np.ndarray, "images classes"],
    decision: Decision,
) -> tuple[tuple[int, ...], ...]:
    classes = truth.shape[1]
    answering = msgspec.structs.replace(decision, abstain_below=0.0)
    taken = decide(probabilities, answering).chosen.argmax(axis=1)
    counts = np.bincount(truth.argmax(axis=1) * classes + taken, minlength=classes**2)
    return tuple(tuple(map(int, row)) for row in counts.reshape(classes, classes))


def _top_k(
    probabilities: Float[np.ndarray, "images classes"], truth: Bool[np.ndarray, "images classes"]
) -> tuple[TopK, ...]:
    """Count the classes before the true one; of equally probable ones the first is, as chosen."""
    classes = truth.shape[1]
    true = truth.argmax(axis=1)[:, None]
    own = np.take_along_axis(probabilities, true, axis=1)
    tied_before = (probabilities == own) & (np.arange(classes) < true)
    place = ((probabilities > own) | tied_before).sum(axis=1)
    return tuple(
        TopK(k=k, rate=wilson(int((place < k).sum()), len(truth))) for k in _TOP if k < classes
    )


def _losses(
    decided: Decided, truth: Bool[np.ndarray, "images classes"], *, is_single: bool
) -> tuple[Float[np.ndarray, "images"], Float[np.ndarray, "images"]]:
    """Give the cross-entropy and the squared distance of each image, as scikit-learn's means."""
    exact = decided.probabilities.astype(np.float64)
    smallest = np.finfo(np.float64).eps  # of a probability whose logarithm is taken
    if is_single:
        exact /= exact.sum(axis=1, keepdims=True)
        own = exact[np.arange(len(exact)), truth.argmax(axis=1)]
        return np.abs(np.log(np.clip(own, smallest, 1.0))), ((exact - truth) ** 2).sum(axis=1)
    of_truth = np.clip(np.where(truth, exact, 1 - exact), smallest, 1.0)
    return np.abs(np.log(of_truth)).mean(axis=1), ((exact - truth) ** 2).mean(axis=1)
