"""Guards of a training: a loss that is no number, a network that learns nothing.

They look at numbers and say in words what went wrong, with which images, and what to try next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import msgspec
import numpy as np

from darkroom.errors import DataError, DivergenceError
from darkroom.findings import Finding
from darkroom.intervals import wilson
from darkroom.wording import counted, percent

if TYPE_CHECKING:
    from jaxtyping import Float

    from darkroom.decision import Task
    from darkroom.training.batches import Batch, PlainBatches, TrainingBatches
    from darkroom.training.recipe import LossName
    from darkroom.training.record import Epoch

_NAMED = 5  # images in a message; more are no help
_FAIR_STEPS = 300  # after so many a network knows more than how frequent each class is
FAR = 5.0  # own: beyond this factor a rate is far from what such networks usually learn with
_CLEARLY = 0.98  # a loss or an error counts as lower below this share of the other


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """The learning rates of a stage, and what else in the recipe tames its steps."""

    by_step: np.ndarray  # the learning rate of every step
    setting: str = "optimizer.peak_lr"  # where the recipe keeps the rate
    usual: float | None = None  # the highest rate that such a network usually learns with
    clip_norm: float | None = None  # to what gradients are scaled down; None: they are not


def refuse_nonfinite(
    steps: range,
    batches: TrainingBatches,
    names: Sequence[str],
    rates: Rates,
) -> NoReturn:
    """Say why the loss of some steps is no number: an image that is none either, or the rate.

    Args:
        steps: Those that ran since the loss was last looked at, counted from 0.
        batches: What they were trained on.
        names: Of all training images, in the order of the index.
        rates: The learning rates of the stage.

    Raises:
        DataError: An image, target or weight of these steps is not finite.
        DivergenceError: All are, so the training diverged.
    """
    for step in steps:
        chosen = batches.chosen(step)
        _refuse_values(batches[step], [names[place] for place in chosen])
    shown = [names[place] for step in steps for place in batches.chosen(step)]
    if steps == range(1):
        raise DivergenceError(
            "the loss of the first step is not a number, and no weight had been moved before: "
            f"the network itself overflows on {_listed(shown)}",
            hint="--set precision=float32 --set scaling=standard",
        )
    at = f"step {steps.stop:,}" if len(steps) == 1 else f"steps {steps.start + 1:,}..{steps.stop:,}"
    raise DivergenceError(
        f"the training diverged: the loss of {at} of {len(rates.by_step):,} is not a number, at a "
        f"learning rate of {rates.by_step[steps.stop - 1]:.3g}; trained on were {_listed(shown)}",
        hint=_gentler(rates, steps.stop),
    )


def refuse_nonfinite_validation(
    step: int,
    valid: PlainBatches,
    names: Sequence[str],
    rates: Rates,
) -> NoReturn:
    """Say why the loss of the validation part is no number while that of the training is one.

    Args:
        step: How many are done.
        valid: What was judged on.
        names: Of all validation images, in the order of the index.
        rates: The learning rates of the stage.

    Raises:
        DataError: An image or target of the validation part is not finite.
        DivergenceError: All are, so the training diverged.
    """
    first = 0
    for number in range(valid.num_batches):
        batch = valid[number]
        _refuse_values(batch, names[first : first + len(batch[0])])
        first += len(batch[0])
    raise DivergenceError(
        f"the training diverged: after step {step:,} of {len(rates.by_step):,}, at a "
        f"learning rate of {rates.by_step[step - 1]:.3g}, the loss of the validation part is "
        "not a number",
        hint=_gentler(rates, step),
    )


def _refuse_values(batch: Batch, names: Sequence[str]) -> None:
    """Refuse a batch in which a value is not finite."""
    shown = "pixels" if batch[0].ndim == 4 else "features"
    for what, values in zip((shown, "target", "weight"), batch, strict=False):
        flat = values.reshape(len(values), -1)
        rows, places = np.nonzero(~np.isfinite(flat))
        if not len(rows):
            continue
        odd = [names[row] for row in rows.tolist()]
        value = flat[rows[0], places[0]]
        raise DataError(
            f"no training can use {_listed(odd)}: the {what} of {odd[0]} holds {value}",
            hint=f"take {odd[0]} out, or mend it, and train again",
        )


def _listed(names: Sequence[str]) -> str:
    """Name the first images and count the others."""
    first = list(dict.fromkeys(names))
    more = len(first) - _NAMED
    rest = f" and {more:,} more" if more > 0 else ""
    return ", ".join(first[:_NAMED]) + rest


def _gentler(rates: Rates, steps: int) -> str:
    """Suggest a tenth of the highest rate of the first steps, and clipping where there is none.

    Never more than what is usual: what a hundred times that breaks, ten times may break too.

    Source: own; the loss falls fastest about a factor of ten below the rate where it explodes,
    Smith 2015, arXiv:1506.01186, as fast.ai reads that plot.
    """
    lower = float(rates.by_step[:steps].max()) / 10
    slower = f"--set {rates.setting}={min(lower, rates.usual or lower):.2g}"
    return slower if rates.clip_norm is not None else f"{slower}, or --set optimizer.clip_norm=1"


class Chance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a network scores that has learned only how frequent each answer is."""

    images: int
    accuracy: float | None = None  # 0..1; None: a regression
    error: float | None = None  # regression only: mean absolute, in the target's unit
    loss: float | None = None  # the smallest of any constant answer; None: not known


def measure_chance(
    targets: Float[np.ndarray, "images outputs"],
    task: Task,
    loss: LossName,
    *,
    label_smoothing: float = 0.0,
    weights: Float[np.ndarray, "images"] | None = None,
) -> Chance:
    """Work out what the best constant answer scores on the images of an epoch.

    Args:
        targets: Ones in a row of zeros, or the number to predict.
        task: What they are.
        loss: What is trained on.
        label_smoothing: Share of the target spread over all classes, 0..1.
        weights: What each image counts in the loss; None: 1.

    Returns:
        For classes the accuracy of the most frequent answer and the entropy of all, for numbers
        the error of their median.

    Source: own; the entropy is the smallest expected log loss, Shannon 1948.
    """
    if task == "regression":
        error = float(np.abs(targets - np.median(targets)).mean())
        return Chance(images=len(targets), error=error)
    shares = targets.mean(axis=0, dtype=np.float64)
    frequent = shares.max() if task == "single-label" else np.maximum(shares, 1 - shares).mean()
    counts = np.ones(len(targets)) if weights is None else weights.astype(np.float64)
    weighted = counts @ targets / counts.sum()
    if loss == "binary-crossentropy":
        soft = weighted * (1 - label_smoothing) + label_smoothing / 2
        least = (_surprise(soft) + _surprise(1 - soft)).mean() * counts.mean()
    else:
        soft = weighted * (1 - label_smoothing) + label_smoothing / len(weighted)
        least = _surprise(soft).sum() * counts.mean()
    return Chance(
        images=len(targets),
        accuracy=float(frequent),
        loss=None if loss == "focal" else float(least),
    )


def _surprise(shares: Float[np.ndarray, "classes"]) -> Float[np.ndarray, "classes"]:
    return np.asarray(-shares * np.log(np.maximum(shares, 1e-12)))


def find_standstill(epoch: Epoch, chance: Chance, rates: Rates, *, steps: int) -> Finding | None:
    """Notice that a training has taught the network nothing after a fair number of steps.

    Args:
        epoch: The last that was finished.
        chance: What a constant answer scores on the same images.
        rates: Of every step of the stage.
        steps: Those that are done.

    Returns:
        A warning, or None: the network does better than any constant answer, or the training is
        too young to say.
    """
    if steps < min(_FAIR_STEPS, len(rates.by_step)):
        return None
    if epoch.error is not None and chance.error is not None:
        if epoch.error < _CLEARLY * chance.error:
            return None
        told = (
            f"the error on the training images is {epoch.error:.4g}, and always answering their "
            f"median gives {chance.error:.4g}"
        )
    elif epoch.accuracy is not None and chance.accuracy is not None:
        rate = wilson(round(epoch.accuracy * chance.images), chance.images)
        is_above = rate.low is not None and rate.low > chance.accuracy
        if is_above or (chance.loss is not None and epoch.loss < _CLEARLY * chance.loss):
            return None
        told = (
            f"the accuracy on the training images is {rate}, and the same answer for all gives "
            f"{percent(chance.accuracy)}"
        )
        if chance.loss is not None:
            told += f"; the loss is {epoch.loss:.3f}, and that of a constant answer "
            told += f"{chance.loss:.3f}"
    else:
        return None
    return Finding(
        name="no-learning",
        severity="warning",
        what=f"after {counted(steps, 'step', 'steps')} nothing is learned: {told}",
        next_step=_next_step(epoch, rates, steps),
    )


def _next_step(epoch: Epoch, rates: Rates, steps: int) -> str:
    highest = float(rates.by_step[:steps].max())
    if rates.usual is not None and highest > FAR * rates.usual:
        lower = f"--set {rates.setting}={rates.usual:g}"
        return f"train with a lower rate: {lower} is usual, {highest:.3g} was reached"
    if steps < _FAIR_STEPS:
        epochs = epochs_of_fair_steps(epoch.number, steps)
        return f"train for longer: --set epochs={epochs}"
    return (
        "look for a better learning rate with `darkroom find-lr`; if there is none, look at the "
        "labels with `darkroom explore`"
    )


def epochs_of_fair_steps(epochs: int, steps: int) -> int:
    """Say in how many epochs a training makes so many steps that it must have learned something.

    Args:
        epochs: That were made.
        steps: In these, 0 or more.
    """
    return -(-_FAIR_STEPS * epochs // max(steps, 1))
