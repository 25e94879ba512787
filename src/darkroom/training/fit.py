"""One training through Keras' own `fit`: compile, feed, watch, keep the best weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from darkroom.backend import keras
from darkroom.data.pixels import Images
from darkroom.decision import Task
from darkroom.errors import RecipeError
from darkroom.training.batches import PlainBatches, TrainingBatches, as_input
from darkroom.training.recipe import Optimizer, Recipe
from darkroom.training.record import Epoch, RunRecord
from darkroom.training.schedules import rate_table

if TYPE_CHECKING:
    from darkroom.training.show import Show

# On images this small a step is short, and several per call spare Keras' work between steps:
# on 2 cores at 8 px 1.09 to 1.25 times the images/s, by network and precision (medians of 9).
_SMALL_IMAGE_BYTES = 1024
_MOST_STEPS = 16


def compile_model(model: keras.Model, record: RunRecord, steps: int, steps_per_call: int) -> None:
    """Give a model its loss, its optimizer with the whole schedule, and its metric.

    Args:
        model: From the catalog.
        record: The recipe and the task.
        steps: In the whole training.
        steps_per_call: Steps that Keras runs between two looks from Python.
    """
    smoothing = record.recipe.label_smoothing
    if record.task == "multi-label":
        loss = keras.losses.BinaryCrossentropy(label_smoothing=smoothing)
    else:
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
    model.compile(
        optimizer=_optimizer(model, record.recipe.optimizer, steps),
        loss=loss,
        metrics=[accuracy_metric(record.task)],
        steps_per_execution=steps_per_call,
    )


def accuracy_metric(task: Task) -> keras.metrics.Metric:
    """Make the metric called accuracy: of labels when there are several, else of images."""
    if task == "multi-label":
        return keras.metrics.BinaryAccuracy(name="accuracy")
    return keras.metrics.CategoricalAccuracy(name="accuracy")


def steps_per_call(batches: TrainingBatches, images: Images) -> int:
    """Choose how many steps run per call: a divisor of the epoch, so that epochs stay exact."""
    if math.prod(images.pixels.shape[1:]) > _SMALL_IMAGE_BYTES:
        return 1
    steps = batches.steps_per_epoch
    return max(count for count in range(1, _MOST_STEPS + 1) if steps % count == 0)


def fit_model(
    model: keras.Model,
    batches: TrainingBatches,
    valid: Images,
    record: RunRecord,
    watch: Watch,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Run all epochs; `watch` keeps what each of them came to.

    Args:
        model: Compiled.
        batches: The whole training.
        valid: The validation part.
        record: The recipe.
        watch: Called after every step and epoch.
        callbacks: The user's own.
    """
    model.fit(
        as_input(batches),
        steps_per_epoch=batches.steps_per_epoch,
        epochs=record.recipe.epochs,
        shuffle=False,
        validation_data=as_input(PlainBatches(valid, record.preprocess)),
        callbacks=[watch, *callbacks],
        verbose=0,
    )


class Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Turns what Keras reports into Epochs, and stops when nothing gets better.

    Args:
        record: The recipe.
        images: Training images per epoch.
        rates: The learning rate of every step.
        keep: Called after each epoch with all epochs and whether this one is the best.
        show: The progress on the terminal.
    """

    def __init__(
        self,
        record: RunRecord,
        images: int,
        rates: np.ndarray,
        keep: Callable[[tuple[Epoch, ...], bool], None],
        show: Show,
    ) -> None:
        super().__init__()
        self._recipe, self._images, self._rates = record.recipe, images, rates
        self._keep, self._show = keep, show
        self.epochs: tuple[Epoch, ...] = ()
        self.best: Epoch | None = None
        self._began = self._trained = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Start the clock."""
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Show the step."""
        self._trained = time.perf_counter()
        share = min((batch + 1) * self._recipe.batch_size, self._images) / self._images
        self._show.step(len(self.epochs), share, logs or {})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep the epoch, and its weights when they are the best so far."""
        told = logs or {}
        steps = len(self._rates) // self._recipe.epochs
        done = Epoch(
            number=epoch + 1,
            loss=float(told["loss"]),
            accuracy=float(told["accuracy"]),
            valid_loss=float(told["val_loss"]),
            valid_accuracy=float(told["val_accuracy"]),
            learning_rate=float(self._rates[(epoch + 1) * steps - 1]),
            seconds=time.perf_counter() - self._began,
            images_per_s=self._images / max(self._trained - self._began, 1e-9),
        )
        _refuse_divergence(done, self._recipe)
        is_best = self.best is None or self._goodness(done) > self._goodness(self.best)
        epochs = (*self.epochs, done)
        self._keep(epochs, is_best)
        self.best, self.epochs = (done if is_best else self.best), epochs
        self._show.epoch(done, is_best)
        patience, best = self._recipe.patience, self.best
        if patience is not None and best is not None and done.number - best.number >= patience:
            self.model.stop_training = True

    def _goodness(self, epoch: Epoch) -> tuple[float, float]:
        """Rank epochs: by what the recipe monitors, and by the other where they tie."""
        if self._recipe.monitor == "loss":
            return -epoch.valid_loss, epoch.valid_accuracy
        return epoch.valid_accuracy, -epoch.valid_loss


def _refuse_divergence(epoch: Epoch, recipe: Recipe) -> None:
    if not math.isfinite(epoch.loss + epoch.valid_loss):
        raise RecipeError(
            f"the training diverged in epoch {epoch.number}: its loss is not a number",
            hint=f"--set optimizer.peak_lr={recipe.optimizer.peak_lr / 10:g}",
        )


class _Table(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A schedule that has been worked out for every step."""

    def __init__(self, rates: np.ndarray) -> None:
        self._rates = rates

    def __call__(self, step: Any) -> Any:
        rates = keras.ops.convert_to_tensor(self._rates)
        last = len(self._rates) - 1
        return keras.ops.take(rates, keras.ops.minimum(keras.ops.cast(step, "int32"), last))

    def get_config(self) -> dict[str, Any]:
        return {"rates": self._rates.tolist()}


def _optimizer(model: keras.Model, settings: Optimizer, steps: int) -> keras.optimizers.Optimizer:
    rate = _Table(rate_table(steps, settings))
    decay = settings.weight_decay or None
    if settings.name == "adamw":
        optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay)
    elif settings.name == "sgd":
        optimizer = keras.optimizers.SGD(
            rate, momentum=settings.momentum, nesterov=settings.momentum > 0, weight_decay=decay
        )
    else:
        plain = {
            "adam": keras.optimizers.Adam,
            "rmsprop": keras.optimizers.RMSprop,
            "adadelta": keras.optimizers.Adadelta,
        }
        optimizer = plain[settings.name](rate)
    if decay and settings.name in ("adamw", "sgd"):
        vectors = [weight for weight in model.trainable_weights if len(weight.shape) == 1]
        optimizer.exclude_from_weight_decay(var_list=vectors)
    return optimizer
