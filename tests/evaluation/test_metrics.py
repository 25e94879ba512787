"""Metrics: against counts made by hand and against scikit-learn."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from darkroom.decision import Decision
from darkroom.errors import ArtifactError, DataError
from darkroom.evaluation.averages import average_f1, class_f1
from darkroom.evaluation.metrics import Metrics, measure
from darkroom.intervals import Estimate
from darkroom.records import from_json, to_json

SINGLE = Decision(task="single-label")
MULTI = Decision(task="multi-label")
CLASSES = ("cat", "dog", "owl")


def predictions(seed: int, images: int = 60, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.eye(classes, dtype=np.float32)[rng.integers(0, classes, images)]
    shares = rng.dirichlet(np.ones(classes), images) + truth * rng.random((images, 1))
    return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32), truth


def several(seed: int, images: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Draw answers and truth of three labels that do not exclude each other."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((images, 3)) < 0.4).astype(np.float32)
    return ((truth + 2 * rng.random((images, 3))) / 3).astype(np.float32), truth


def names(classes: int) -> tuple[str, ...]:
    return tuple(f"class {number}" for number in range(classes))


def test_counts_made_by_hand():
    truth = np.eye(3, dtype=np.float32)[[0, 0, 0, 1, 1, 2]]
    answers = np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 0, 0]] * 0.9 + 0.03
    found = measure(answers, truth, CLASSES, SINGLE)
    assert found.confusion == ((2, 1, 0), (1, 1, 0), (1, 0, 0))
    assert (found.accuracy.hits, found.accuracy.of) == (3, 6)
    cat, dog, owl = found.classes
    assert (cat.precision.hits, cat.precision.of) == (2, 4)
    assert (cat.recall.hits, cat.recall.of) == (2, 3)
    assert (cat.false_positive_rate.hits, cat.false_positive_rate.of) == (2, 3)
    assert (dog.false_negative_rate.hits, dog.false_negative_rate.of) == (1, 2)
    assert owl.precision.value is None
    assert found.most_confused()[2] == 1
    assert found.headline() == str(found.accuracy)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_figures_agree_with_scikit_learn(seed, classes):
    answers, truth = predictions(seed, classes=classes)
    found = measure(answers, truth, names(classes), SINGLE)
    labels, taken = truth.argmax(1), answers.argmax(1)
    assert found.accuracy.value == pytest.approx(sklearn_metrics.accuracy_score(labels, taken))
    occurring = sorted(set(labels))
    recalls = sklearn_metrics.recall_score(labels, taken, labels=occurring, average="macro")
    assert found.balanced_accuracy.value == pytest.approx(recalls)
    exact = answers.astype(np.float64)
    exact /= exact.sum(1, keepdims=True)
    loss = sklearn_metrics.log_loss(labels, exact, labels=range(classes))
    assert found.loss.value == pytest.approx(loss, abs=1e-9)
    brier = sklearn_metrics.brier_score_loss(
        labels, exact, labels=range(classes), scale_by_half=False
    )
    assert found.brier.value == pytest.approx(brier, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(3, 40))
def test_f1_agrees_with_scikit_learn_over_the_classes_of_the_part(seed, classes, images):
    answers, truth = predictions(seed, images, classes)
    found = measure(answers, truth, names(classes), SINGLE)
    labels, taken = truth.argmax(1), answers.argmax(1)
    occurring = sorted(set(labels))
    each = sklearn_metrics.f1_score(labels, taken, labels=occurring, average=None, zero_division=0)
    assert [found.classes[label].f1.value for label in occurring] == pytest.approx(list(each))
    for average, rate in (("macro", found.macro_f1), ("weighted", found.weighted_f1)):
        known = sklearn_metrics.f1_score(
            labels, taken, labels=occurring, average=average, zero_division=0
        )
        assert rate.value == pytest.approx(known)
        assert rate.low <= rate.value <= rate.high


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(6, 9))
def test_top_k_agrees_with_scikit_learn(seed, classes):
    answers, truth = predictions(seed, classes=classes)
    found = measure(answers, truth, names(classes), SINGLE)
    assert [top.k for top in found.top_k] == [2, 3, 5]
    for top in found.top_k:
        known = sklearn_metrics.top_k_accuracy_score(
            truth.argmax(1), answers, k=top.k, labels=range(classes)
        )
        assert top.rate.value == pytest.approx(known)


def test_top_k_breaks_ties_as_the_choice_does():
    answers = np.full((3, 4), 0.25, np.float32)
    truth = np.eye(4, dtype=np.float32)[[0, 1, 2]]
    found = measure(answers, truth, names(4), SINGLE)
    assert (found.accuracy.hits, [top.rate.hits for top in found.top_k]) == (1, [2, 3])


@pytest.mark.parametrize(("classes", "wanted"), [(2, []), (3, [2]), (5, [2, 3]), (6, [2, 3, 5])])
def test_no_top_k_is_given_that_every_answer_would_meet(classes, wanted):
    answers, truth = predictions(1, classes=classes)
    assert [top.k for top in measure(answers, truth, names(classes), SINGLE).top_k] == wanted


def test_several_labels_count_only_when_all_are_right():
    truth = np.array([[1, 1, 0], [0, 0, 1], [0, 0, 0]], np.float32)
    answers = np.array([[0.9, 0.6, 0.1], [0.1, 0.7, 0.9], [0.2, 0.1, 0.3]], np.float32)
    found = measure(answers, truth, CLASSES, MULTI)
    assert (found.accuracy.hits, found.accuracy.of) == (2, 3)
    assert found.confusion == ()
    assert found.top_k == ()
    assert found.most_confused() is None
    assert found.classes[1].false_positive_rate.hits == 1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_loss_and_brier_of_several_labels_are_means_over_all_decisions(seed):
    answers, truth = several(seed)
    found = measure(answers, truth, CLASSES, MULTI)
    yes, shares = truth.ravel(), answers.astype(np.float64).ravel()
    assert found.loss.value == pytest.approx(sklearn_metrics.log_loss(yes, shares), abs=1e-9)
    brier = sklearn_metrics.brier_score_loss(yes, shares)
    assert found.brier.value == pytest.approx(brier, abs=1e-9)


def test_an_image_on_which_it_abstains_is_not_right():
    answers, truth = predictions(0)
    sure = measure(answers, truth, CLASSES, SINGLE)
    unsure = measure(answers, truth, CLASSES, Decision(task="single-label", abstain_below=1.0))
    assert sure.accuracy.hits > 0
    assert unsure.accuracy.hits == 0
    assert unsure.confusion == sure.confusion


def test_an_image_without_labels_is_not_right_either_when_it_abstains():
    truth = np.zeros((4, 3), np.float32)
    answers = np.full((4, 3), 0.1, np.float32)
    sure = measure(answers, truth, CLASSES, MULTI)
    unsure = measure(answers, truth, CLASSES, Decision(task="multi-label", abstain_below=0.5))
    assert (sure.accuracy.hits, unsure.accuracy.hits) == (4, 0)  # the control, and the guard


def test_answered_and_the_accuracy_of_what_is_answered():
    truth = np.eye(3, dtype=np.float32)[[0, 0, 1, 2]]
    answers = np.array(
        [[0.9, 0.05, 0.05], [0.4, 0.3, 0.3], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]], np.float32
    )
    found = measure(answers, truth, CLASSES, Decision(task="single-label", abstain_below=0.5))
    assert (found.answered.hits, found.answered.of) == (3, 4)
    assert (found.accuracy_of_answered.hits, found.accuracy_of_answered.of) == (2, 3)
    assert (found.accuracy.hits, found.accuracy.of) == (2, 4)


def test_where_it_always_abstains_the_accuracy_of_what_is_answered_is_not_defined():
    answers, truth = predictions(0)
    found = measure(answers, truth, CLASSES, Decision(task="single-label", abstain_below=1.0))
    assert found.answered.value == 0
    assert found.accuracy_of_answered.value is None


def test_confusion_follows_the_thresholds():
    answers = np.array([[0.6, 0.4]], np.float32)
    truth = np.array([[0, 1]], np.float32)
    plain = measure(answers, truth, ("fine", "ill"), SINGLE)
    careful = measure(
        answers, truth, ("fine", "ill"), Decision(task="single-label", thresholds=(0.8, 0.2))
    )
    assert plain.confusion == ((0, 0), (1, 0))
    assert careful.confusion == ((0, 0), (0, 1))


def test_a_class_absent_from_the_part_is_not_defined_and_left_out_of_averages():
    truth = np.eye(3, dtype=np.float32)[[0, 0, 1, 1]]
    answers = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1], [0.2, 0.7, 0.1]])
    found = measure(answers.astype(np.float32), truth, CLASSES, SINGLE)
    cat, dog, owl = found.classes
    rates = (owl.recall, owl.precision, owl.f1, owl.roc_area, owl.average_precision)
    assert [rate.value for rate in rates] == [None] * 5
    assert owl.false_negative_rate.value is None
    assert (owl.false_positive_rate.hits, owl.false_positive_rate.of) == (1, 4)
    assert found.macro_f1.value == pytest.approx((cat.f1.value + dog.f1.value) / 2)
    assert found.weighted_f1.value == pytest.approx((cat.f1.value + dog.f1.value) / 2)
    assert found.balanced_accuracy.value == pytest.approx(0.75)
    assert found.roc_area.value == pytest.approx((cat.roc_area.value + dog.roc_area.value) / 2)


def test_with_one_class_nothing_is_ranked_above_another():
    truth = np.ones((5, 1), np.float32)
    found = measure(truth, truth, ("cat",), SINGLE)
    assert found.accuracy.value == 1
    assert found.classes[0].roc_area.value is None
    assert found.classes[0].average_precision.value is None
    assert found.roc_area.value is None
    assert found.top_k == ()
    assert found.loss == Estimate(value=0.0)
    assert str(found.loss) == "0"


def test_a_part_without_any_label_has_no_f1():
    truth = np.zeros((4, 3), np.float32)
    found = measure(np.full((4, 3), 0.7, np.float32), truth, CLASSES, MULTI)
    assert found.macro_f1.value is None
    assert found.weighted_f1.value is None
    assert found.roc_area.value is None


def test_a_class_that_a_draw_has_no_image_of_is_left_out_of_it():
    truth = np.eye(2, dtype=bool)[[0] * 40 + [1]]
    assert average_f1(truth, truth).macro.low == 1  # the one image counted as 0 would give 0.5


def test_probabilities_that_are_no_numbers_are_refused():
    answers, truth = predictions(0)
    answers[3, 1] = np.nan
    with pytest.raises(DataError) as refused:
        measure(answers, truth, CLASSES, SINGLE)
    assert "1 " in refused.value.problem


@pytest.mark.parametrize("images", [0, 5])
def test_tables_that_do_not_belong_together_are_refused(images):
    answers, truth = predictions(0)
    with pytest.raises(DataError):
        measure(answers[:images], truth[: images and 6], CLASSES, SINGLE)


def test_the_interval_of_macro_f1_does_not_collapse_when_all_is_right():
    truth = np.eye(3, dtype=np.float32)[[0, 1, 2] * 12]
    found = measure(truth * 0.9 + 0.03, truth, CLASSES, SINGLE)
    assert found.macro_f1.value == 1
    assert found.macro_f1.low <= found.accuracy.low < 0.95
    assert found.weighted_f1.low == found.macro_f1.low


@pytest.mark.parametrize(("precision", "recall"), [(0.9, 0.8), (0.5, 0.95)])
def test_the_interval_of_a_classs_f1_covers_the_truth_95_times_in_100(precision, recall):
    rng, own = np.random.default_rng(0), 0.3  # the share of images that are of the class
    hits, missed = own * recall, own * (1 - recall)
    false = hits * (1 - precision) / precision
    true_f1 = 2 * precision * recall / (precision + recall)
    counts = rng.multinomial(200, [hits, false, missed, 1 - hits - false - missed], size=4000)
    rates = [class_f1(*map(int, row[:3])) for row in counts]
    covered = np.mean([rate.low <= true_f1 <= rate.high for rate in rates])
    halved = np.mean(  # the control: the same with intervals half as long
        [abs(true_f1 - rate.value) <= (rate.high - rate.low) / 4 for rate in rates]
    )
    assert 0.94 <= covered <= 0.96
    assert halved < 0.8


def test_the_f1_of_nothing_is_not_defined():
    assert class_f1(0, 0, 0).value is None
    assert class_f1(0, 0, 1).value == 0  # the control: missed is not the same as absent


OLD_RATE = {"value": 0.5, "low": 0.1, "high": 0.9, "hits": 1, "of": 2}
OLD_CLASS = {
    "name": "cat", "images": 2, "precision": OLD_RATE, "recall": OLD_RATE,
    "false_positive_rate": OLD_RATE, "false_negative_rate": OLD_RATE,
}  # fmt: skip
OLD = {
    "schema": 1, "images": 2, "accuracy": OLD_RATE, "balanced_accuracy": OLD_RATE,
    "macro_f1": OLD_RATE, "loss": 0.693, "classes": [OLD_CLASS], "confusion": [[1, 1], [0, 0]],
}  # fmt: skip


def test_metrics_of_schema_1_are_read_and_what_they_lack_is_not_defined():
    found = from_json(json.dumps(OLD), Metrics, where="metrics.json")
    assert found.loss == Estimate(value=0.693)
    assert found.accuracy.value == 0.5
    later = (found.weighted_f1, found.answered, found.accuracy_of_answered, found.roc_area)
    assert [rate.value for rate in later] == [None] * 4
    assert found.brier.value is None
    assert found.top_k == ()
    cat = found.classes[0]
    assert [rate.value for rate in (cat.f1, cat.roc_area, cat.average_precision)] == [None] * 3
    assert from_json(to_json(found), Metrics, where="metrics.json") == found


def test_metrics_of_schema_1_without_a_loss_are_damaged():
    damaged = {key: value for key, value in OLD.items() if key != "loss"}
    with pytest.raises(ArtifactError) as refused:
        from_json(json.dumps(damaged), Metrics, where="metrics.json")
    assert "loss" in refused.value.problem


def test_metrics_survive_their_text():
    answers, truth = predictions(3)
    found = measure(answers, truth, CLASSES, SINGLE)
    assert from_json(to_json(found), Metrics, where="metrics.json") == found


def test_the_confusion_matrix_is_that_of_scikit_learn():
    probabilities, truth = predictions(4, 300, 5)
    truth[:, 3] = 0  # one class never occurs
    truth[~truth.any(axis=1), 0] = 1
    found = measure(probabilities, truth, names(5), SINGLE).confusion
    expected = sklearn_metrics.confusion_matrix(
        truth.argmax(axis=1), probabilities.argmax(axis=1), labels=range(5)
    )
    np.testing.assert_array_equal(found, expected)
