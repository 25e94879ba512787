"""What a training makes small: the loss, what each image counts in it, and the metric beside it.

Targets are rows of float32: ones where a label is, or the number to predict.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from darkroom.backend import keras
from darkroom.decision import Task
from darkroom.errors import RecipeError, nearest
from darkroom.training.recipe import LossName, Recipe

if TYPE_CHECKING:
    from jaxtyping import Float

_LOSSES: dict[Task, tuple[LossName, ...]] = {  # the usual one first
    "single-label": ("categorical-crossentropy", "sparse-categorical-crossentropy", "focal"),
    "multi-label": ("binary-crossentropy", "focal"),
    "regression": ("mse", "mae"),
}
_UNSMOOTHED: tuple[LossName, ...] = ("sparse-categorical-crossentropy", "mse", "mae")


def usual_loss(task: Task) -> LossName:
    """Name the loss that a task takes when the recipe says nothing."""
    return _LOSSES[task][0]


def refuse_loss(recipe: Recipe, task: Task) -> None:
    """Refuse what the recipe says of the loss when it does not fit the task, or itself.

    Raises:
        RecipeError: The loss is another task's, its targets cannot be smoothed, there are no
            classes to weight, or they would be weighted twice.
    """
    loss = recipe.loss or usual_loss(task)
    if loss not in _LOSSES[task]:
        raise RecipeError(
            f"loss = {loss} does not fit the task {task}, which takes {_listed(task)}",
            hint=f"--set loss={usual_loss(task)}",
        )
    if recipe.label_smoothing and loss in _UNSMOOTHED:
        raise RecipeError(
            f"label_smoothing = {recipe.label_smoothing:g} does nothing with loss = {loss}",
            hint="--set label_smoothing=0",
        )
    if task == "regression" and recipe.balance != "none":
        raise RecipeError(
            f"balance = {recipe.balance} needs classes, and a regression has none",
            hint="--set balance=none",
        )
    if task == "regression" and recipe.class_weights:
        raise RecipeError(
            f"class_weights names {next(iter(recipe.class_weights))}, and a regression has no "
            "classes",
            hint="leave class_weights out of the recipe",
        )
    if recipe.class_weights and recipe.balance != "none":
        raise RecipeError(
            f"balance = {recipe.balance} and class_weights both say what a class counts",
            hint="--set balance=none, or leave class_weights out of the recipe",
        )


def refuse_class_weights(recipe: Recipe, classes: Sequence[str]) -> None:
    """Refuse a weight for a class that the images do not have.

    Raises:
        RecipeError: `class_weights` names one; the nearest of the classes is named.
    """
    unknown = sorted(set(recipe.class_weights) - set(classes))
    if unknown:
        raise RecipeError(
            f"class_weights.{unknown[0]}: there is no class `{unknown[0]}`",
            hint=f"did you mean {nearest(unknown[0], classes)}?",
        )


def make_loss(recipe: Recipe, task: Task, target_std: float = 1.0) -> keras.losses.Loss:
    """Make the loss: a mean over the images of a batch, each times its weight.

    Args:
        recipe: Its loss, or the usual one of the task; smoothing and focus.
        task: What the network answers: probabilities of one class, of each class, or a number.
        target_std: Regression only: the spread of the training targets, above 0; errors are
            measured in it, so that a loss does not depend on the unit.

    Source: focal, Lin et al. 2017, arXiv:1708.02002, without its balance of the classes; label
    smoothing, Szegedy et al. 2015, arXiv:1512.00567.
    """
    loss, smoothing = recipe.loss or usual_loss(task), recipe.label_smoothing or 0.0
    match loss:
        case "categorical-crossentropy":
            return keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
        case "sparse-categorical-crossentropy":
            return _Sparse()
        case "binary-crossentropy":
            return keras.losses.BinaryCrossentropy(label_smoothing=smoothing)
        case "focal" if task == "multi-label":
            return keras.losses.BinaryFocalCrossentropy(
                gamma=recipe.focal_gamma, label_smoothing=smoothing
            )
        case "focal":
            return keras.losses.CategoricalFocalCrossentropy(
                alpha=1.0, gamma=recipe.focal_gamma, label_smoothing=smoothing
            )
        case "mse" | "mae":
            return _Error(target_std, power=2 if loss == "mse" else 1)


def make_metric(task: Task) -> keras.metrics.Metric:
    """Make the metric that people read beside the loss.

    Returns:
        `accuracy`, a share: of images, or of labels when an image has several; for a regression
        `error`, the mean absolute error in the unit of the target.
    """
    if task == "regression":
        return keras.metrics.MeanAbsoluteError(name="error")
    if task == "multi-label":
        return keras.metrics.BinaryAccuracy(name="accuracy")
    return keras.metrics.CategoricalAccuracy(name="accuracy")


def image_weights(
    recipe: Recipe, classes: Sequence[str], targets: Float[np.ndarray, "images classes"]
) -> Float[np.ndarray, "images"] | None:
    """Give what each training image counts in the loss, or None when all count the same.

    An image counts what its classes do on average. With `balance="weights"` a class counts the
    inverse of its images, and the mean over the images is 1; images without any label are taken
    for a class of their own. With `class_weights` it counts what stands there, and 1 otherwise.

    Args:
        recipe: `balance` and `class_weights`.
        classes: In the order of the columns.
        targets: Ones where a label is.

    Raises:
        RecipeError: `class_weights` names a class that there is not.
    """
    refuse_class_weights(recipe, classes)
    labels = np.column_stack([targets, ~targets.any(axis=1)]).astype(np.float64)
    if recipe.class_weights:
        counts_for = np.array([recipe.class_weights.get(name, 1.0) for name in classes] + [1.0])
    elif recipe.balance == "weights":
        counts_for = 1.0 / np.maximum(labels.sum(axis=0), 1.0)
    else:
        return None
    weights: np.ndarray = labels @ counts_for / labels.sum(axis=1)
    if recipe.balance == "weights":
        weights /= weights.mean()
    return weights.astype(np.float32)


def _listed(task: Task) -> str:
    *others, last = _LOSSES[task]
    return f"{', '.join(others)} or {last}"


class _Sparse(keras.losses.Loss):  # type: ignore[misc]
    """Crossentropy of the one class, looked up instead of multiplied by zeros."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return keras.losses.sparse_categorical_crossentropy(keras.ops.argmax(y_true, -1), y_pred)


class _Error(keras.losses.Loss):  # type: ignore[misc]
    """The mean of errors, in standard deviations of the target, raised to a power."""

    def __init__(self, std: float, *, power: int) -> None:
        super().__init__()
        self._std, self._power = std, power

    def call(self, y_true: Any, y_pred: Any) -> Any:
        errors = keras.ops.absolute(y_true - y_pred) / self._std
        return keras.ops.mean(errors**self._power, axis=-1)
