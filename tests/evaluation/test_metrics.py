"""Metrics: against counts made by hand and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from darkroom.decision import Decision
from darkroom.errors import DataError
from darkroom.evaluation.metrics import measure

SINGLE = Decision(task="single-label")
CLASSES = ("cat", "dog", "owl")


def predictions(seed: int, images: int = 60, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.eye(classes, dtype=np.float32)[rng.integers(0, classes, images)]
    shares = rng.dirichlet(np.ones(classes), images) + truth * rng.random((images, 1))
    return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32), truth


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


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_figures_agree_with_scikit_learn(seed, classes):
    answers, truth = predictions(seed, classes=classes)
    names = tuple(f"class {number}" for number in range(classes))
    found = measure(answers, truth, names, SINGLE)
    labels, taken = truth.argmax(1), answers.argmax(1)
    assert found.accuracy.value == pytest.approx(sklearn_metrics.accuracy_score(labels, taken))
    if len(set(labels)) == classes:
        balanced = sklearn_metrics.balanced_accuracy_score(labels, taken)
        assert found.balanced_accuracy.value == pytest.approx(balanced)
    macro = sklearn_metrics.f1_score(labels, taken, average="macro", zero_division=0)
    assert found.macro_f1.value == pytest.approx(macro)
    assert found.macro_f1.low <= found.macro_f1.value <= found.macro_f1.high
    exact = answers.astype(np.float64)
    loss = sklearn_metrics.log_loss(
        labels, exact / exact.sum(1, keepdims=True), labels=range(classes)
    )
    assert found.loss == pytest.approx(loss)


def test_several_labels_count_only_when_all_are_right():
    truth = np.array([[1, 1, 0], [0, 0, 1], [0, 0, 0]], np.float32)
    answers = np.array([[0.9, 0.6, 0.1], [0.1, 0.7, 0.9], [0.2, 0.1, 0.3]], np.float32)
    found = measure(answers, truth, CLASSES, Decision(task="multi-label"))
    assert (found.accuracy.hits, found.accuracy.of) == (2, 3)
    assert found.confusion == ()
    assert found.most_confused() is None
    assert found.classes[1].false_positive_rate.hits == 1


def test_an_image_on_which_it_abstains_is_not_right():
    answers, truth = predictions(0)
    sure = measure(answers, truth, CLASSES, SINGLE)
    unsure = measure(answers, truth, CLASSES, Decision(task="single-label", abstain_below=1.0))
    assert sure.accuracy.hits > 0
    assert unsure.accuracy.hits == 0


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
