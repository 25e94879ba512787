"""Losses: what they come to, what they weight, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.backend import keras
from darkroom.errors import RecipeError
from darkroom.training.losses import (
    image_weights,
    make_loss,
    make_metric,
    refuse_class_weights,
    refuse_loss,
    usual_loss,
)
from darkroom.training.recipe import Recipe
from tests.data.indexes import Row, make_index

CLASSES = ("ball", "box", "stripe")
TASKS = ("single-label", "multi-label", "regression")
FITTING = [
    ("single-label", "categorical-crossentropy"),
    ("single-label", "sparse-categorical-crossentropy"),
    ("single-label", "focal"),
    ("multi-label", "binary-crossentropy"),
    ("multi-label", "focal"),
    ("regression", "mse"),
    ("regression", "mae"),
]


def answers(task: str, images: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Targets of a task, and what a network that is half right says."""
    rng = np.random.default_rng(0)
    if task == "regression":
        targets = rng.normal(5, 2, (images, 1))
        return targets.astype(np.float32), (targets + rng.normal(size=(images, 1))).astype("f4")
    told = rng.uniform(0.05, 0.95, (images, 3)).astype(np.float32)
    if task == "multi-label":
        return rng.integers(0, 2, (images, 3)).astype(np.float32), told
    return np.eye(3, dtype=np.float32)[rng.integers(0, 3, images)], told / told.sum(1)[:, None]


def value(loss: keras.losses.Loss, task: str, weights: np.ndarray | None = None) -> float:
    return float(loss(*answers(task), sample_weight=weights))


@pytest.mark.parametrize(("task", "name"), FITTING)
def test_a_loss_is_less_the_nearer_the_answer(task, name):
    loss = make_loss(Recipe(loss=name), task)
    targets, told = answers(task)
    values = [float(loss(targets, told + share * (targets - told))) for share in (0, 0.5, 0.9)]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[2]


@pytest.mark.parametrize(("task", "name"), FITTING)
def test_an_image_counts_its_weight(task, name):
    loss = make_loss(Recipe(loss=name), task)
    targets, told = answers(task)
    weights = np.arange(12, dtype=np.float32)
    alone = [float(loss(targets[[row]], told[[row]])) for row in range(12)]
    assert value(loss, task, weights) == pytest.approx(np.dot(alone, weights) / 12, rel=1e-5)


def test_the_sparse_loss_is_the_categorical_one():
    categorical = make_loss(Recipe(loss="categorical-crossentropy"), "single-label")
    sparse = make_loss(Recipe(loss="sparse-categorical-crossentropy"), "single-label")
    assert value(sparse, "single-label") == pytest.approx(value(categorical, "single-label"))


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_without_focus_the_focal_loss_is_the_usual_one(task):
    unfocused = make_loss(Recipe(loss="focal", focal_gamma=0.0), task)
    assert value(unfocused, task) == pytest.approx(value(make_loss(Recipe(), task), task))


def test_focal_is_what_its_formula_says():
    targets, told = answers("single-label")
    right = told[targets == 1]
    wanted = (-((1 - right) ** 2) * np.log(right)).mean()
    loss = make_loss(Recipe(loss="focal"), "single-label")
    assert value(loss, "single-label") == pytest.approx(wanted, rel=1e-5)
    targets, told = answers("multi-label")
    right = np.where(targets == 1, told, 1 - told)
    wanted = (-((1 - right) ** 3) * np.log(right)).mean()
    loss = make_loss(Recipe(loss="focal", focal_gamma=3.0), "multi-label")
    assert value(loss, "multi-label") == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize(
    ("task", "name"),
    [pair for pair in FITTING if pair[1] in ("categorical-crossentropy", "binary-crossentropy",
                                             "focal")],
)  # fmt: skip
def test_label_smoothing_reaches_the_loss(task, name):
    plain = make_loss(Recipe(loss=name), task)
    smoothed = make_loss(Recipe(loss=name, label_smoothing=0.3), task)
    assert value(smoothed, task) != pytest.approx(value(plain, task), rel=1e-3)


@pytest.mark.parametrize(("name", "power"), [("mse", 2), ("mae", 1)])
def test_the_loss_of_a_number_is_measured_in_its_spread(name, power):
    targets, told = answers("regression")
    wanted = (np.abs(targets - told) / 4).__pow__(power).mean()
    assert value(make_loss(Recipe(loss=name), "regression", 4.0), "regression") == pytest.approx(
        wanted, rel=1e-5
    )


@pytest.mark.parametrize("task", TASKS)
def test_the_usual_loss_fits_its_task(task):
    refuse_loss(Recipe(), task)
    assert (task, usual_loss(task)) in FITTING


@pytest.mark.parametrize(
    ("task", "wanted"), [("single-label", 2 / 3), ("multi-label", 5 / 6), ("regression", 0.5)]
)
def test_the_metric_is_the_one_people_read(task, wanted):
    metric = make_metric(task)
    if task == "regression":
        metric.update_state(np.array([[1.0], [2.0]]), np.array([[1.5], [2.5]]))
    else:
        told = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], np.float32)
        truth = [[1, 0], [0, 1], [0, 1 if task == "single-label" else 0]]
        metric.update_state(np.array(truth, np.float32), told)
    assert float(metric.result()) == pytest.approx(wanted)
    assert metric.name == ("error" if task == "regression" else "accuracy")


@pytest.mark.parametrize(
    ("task", "settings", "named"),
    [
        ("single-label", {"loss": "mse"}, "mse"),
        ("single-label", {"loss": "binary-crossentropy"}, "binary-crossentropy"),
        ("multi-label", {"loss": "categorical-crossentropy"}, "categorical-crossentropy"),
        ("regression", {"loss": "focal"}, "focal"),
        (
            "single-label",
            {"loss": "sparse-categorical-crossentropy", "label_smoothing": 0.1},
            "label_smoothing",
        ),
        ("regression", {"label_smoothing": 0.1}, "label_smoothing"),
        ("regression", {"loss": "mae", "label_smoothing": 0.1}, "label_smoothing"),
        ("regression", {"balance": "weights"}, "balance"),
        ("regression", {"balance": "sampling"}, "balance"),
        ("regression", {"class_weights": {"ball": 2.0}}, "class_weights"),
        ("single-label", {"balance": "weights", "class_weights": {"ball": 2.0}}, "balance"),
        ("multi-label", {"balance": "sampling", "class_weights": {"ball": 2.0}}, "balance"),
    ],
)
def test_a_loss_that_does_not_fit_is_refused_by_name(task, settings, named):
    with pytest.raises(RecipeError) as refused:
        refuse_loss(Recipe(**settings), task)
    assert named in refused.value.problem


@pytest.mark.parametrize(("task", "name"), FITTING)
def test_a_loss_that_fits_is_not_refused(task, name):
    refuse_loss(Recipe(loss=name, label_smoothing=0.0), task)


def test_every_hint_of_a_refusal_mends_it():
    refuse_loss(Recipe(loss="mse"), "regression")
    refuse_loss(Recipe(loss="mae", label_smoothing=0.0), "regression")
    refuse_loss(Recipe(balance="none", class_weights={"ball": 2.0}), "single-label")


def test_a_class_weight_of_an_unknown_class_names_the_nearest():
    with pytest.raises(RecipeError) as refused:
        refuse_class_weights(Recipe(class_weights={"bal": 2.0}), CLASSES)
    assert "bal" in refused.value.problem
    assert "`ball`" in refused.value.hint
    with pytest.raises(RecipeError):
        image_weights(Recipe(class_weights={"bal": 2.0}), CLASSES, np.eye(3))
    refuse_class_weights(Recipe(class_weights={"ball": 2.0}), CLASSES)


@pytest.mark.parametrize("balance", ["none", "sampling"])
def test_without_weights_every_image_counts_the_same(balance):
    assert image_weights(Recipe(balance=balance), CLASSES, np.eye(3)) is None


@given(st.lists(st.integers(0, 2), min_size=1, max_size=60))
def test_balanced_weights_give_every_class_the_same_and_an_image_one(labels):
    targets = np.eye(3, dtype=np.float32)[labels]
    weights = image_weights(Recipe(balance="weights"), CLASSES, targets)
    assert weights.dtype == np.float32
    assert weights.mean() == pytest.approx(1, rel=1e-5)
    of_class = (weights[:, None] * targets).sum(axis=0)
    np.testing.assert_allclose(of_class[of_class > 0], len(labels) / len(set(labels)), rtol=1e-4)


@given(st.lists(st.tuples(*[st.booleans()] * 3), min_size=1, max_size=40))
def test_balanced_weights_of_several_labels_are_the_mean_of_their_classes(rows):
    targets = np.array(rows, np.float32)
    weights = image_weights(Recipe(balance="weights"), CLASSES, targets)
    assert weights.mean() == pytest.approx(1, rel=1e-5)
    counts = targets.sum(axis=0)
    rarity = [
        np.mean([1 / counts[place] for place in np.flatnonzero(row)])
        if row.any()
        else 1 / (~targets.any(axis=1)).sum()
        for row in targets
    ]
    np.testing.assert_allclose(weights, rarity / np.mean(rarity), rtol=1e-4)


def test_class_weights_are_taken_as_they_stand():
    targets = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 1], [0, 0, 0]], np.float32)
    weights = image_weights(Recipe(class_weights={"ball": 3.0}), CLASSES, targets)
    assert weights.tolist() == [3.0, 1.0, 2.0, 1.0]


def test_the_targets_of_a_regression_are_a_column_of_its_numbers(workspace):
    numbers = [("a.png", 1.5, "train"), ("b.png", -2.0, "train"), ("c.png", None, "unlabelled")]
    rows = [Row(name, None, part, target=number) for name, number, part in numbers]
    dataset = make_index(workspace, rows, task="regression", classes=())
    targets = dataset.targets("train")
    assert targets.dtype == np.float32
    assert targets.tolist() == [[1.5], [-2.0]]
    assert np.isnan(dataset.targets("unlabelled")).tolist() == [[True]]
