"""The stages of a training: what is fitted, to what, for how long and how fast."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.backend import keras
from darkroom.data.dataset import Dataset
from darkroom.data.pixels import load_images
from darkroom.errors import ArtifactError
from darkroom.models.features import trunk_features
from darkroom.models.head import standardise
from darkroom.models.transfer import rate_share, split_network, thaw_trunk
from darkroom.models.weights import FoundWeights, find_weights
from darkroom.training.batches import (
    PlainBatches,
    Take,
    TrainingBatches,
    take_pixels,
    take_rows,
    take_varied_pixels,
)
from darkroom.training.course import stage_epochs, stage_optimizer
from darkroom.training.guards import Chance, Rates, measure_chance
from darkroom.training.losses import image_weights, make_loss, make_metric, usual_loss
from darkroom.training.optimizers import make_optimizer
from darkroom.training.order import make_order
from darkroom.training.recipe import Optimizer
from darkroom.training.record import RunRecord
from darkroom.training.resident import (
    belong_on_device,
    put_on_device,
    take_draws,
    take_places,
)
from darkroom.training.schedules import rate_table
from darkroom.training.settle import usual_rate

if TYPE_CHECKING:
    from jaxtyping import Float

    Ranks = Float[np.ndarray, "images"]

# On images this small a step is short, and several per call spare Keras' work between steps:
# on 2 cores at 8 px 1.09 to 1.25 times the images/s, by network and precision (medians of 9), at
# 32 px about 1.05.
_SMALL_INPUT = 32 * 32 * 3  # numbers
_MOST_STEPS = 16


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One `fit`: everything it needs, and what is said when it goes wrong."""

    name: str  # train, head or fine-tune
    network: keras.Model  # the whole
    model: keras.Model  # what is fitted of it, compiled
    batches: TrainingBatches
    valid: PlainBatches
    epochs: int
    rates: Rates
    names: Sequence[str]  # of the training images, in the order of the part
    valid_names: Sequence[str]
    chance: Chance  # what a network scores that has learned nothing


class _Fitted(msgspec.Struct, frozen=True, kw_only=True):
    """What a stage fits, and to what."""

    name: str
    model: keras.Model
    train: Take
    valid: Take
    settings: Optimizer
    setting: str = "optimizer.peak_lr"
    rate_of: Callable[[keras.Variable], float] | None = None


def find_pretrained(record: RunRecord) -> FoundWeights:
    """Find the weights of a trunk again that a plan was made with.

    Raises:
        ArtifactError: They are others by now.
    """
    architecture, transfer = record.architecture, record.recipe.transfer
    found = find_weights(
        architecture.name, transfer.weights or "imagenet", width=architecture.width_factor
    )
    if found.pretrained != record.pretrained:
        raise ArtifactError(
            f"the weights of {architecture.name} are not those that the run began with: "
            f"{found.path}",
            hint="begin anew: darkroom train",
        )
    return found


def make_stage(
    dataset: Dataset,
    record: RunRecord,
    network: keras.Model,
    number: int,
    *,
    ranks: Ranks | None = None,
) -> Stage:
    """Make a stage of a training, ready for its first step.

    Args:
        dataset: Split.
        record: The plan.
        network: The whole network; a stage may fit a part of it.
        number: Of the stage, from 0.
        ranks: How difficult each training image is, 0 to below 1; None: their order is random.
            Stages after the first have no curriculum.

    Raises:
        DataError: An image changed since the dataset was opened.
        ArtifactError: Pretrained weights are gone, or the disk is full.
    """
    epochs = stage_epochs(record)
    if number == 0 and record.pretrained is not None:
        fitted = _head(dataset, record, network)
    else:
        fitted = _pixels(dataset, record, network, number, of=len(epochs) - 1)
    recipe = msgspec.structs.replace(
        record.recipe,
        epochs=epochs[number],
        curriculum=record.recipe.curriculum if number == 0 else None,
    )
    record = msgspec.structs.replace(record, recipe=recipe)
    return _compiled(dataset, record, network, fitted, ranks if number == 0 else None)


def _head(dataset: Dataset, record: RunRecord, network: keras.Model) -> _Fitted:
    """Fit the head alone, to what the resting trunk sees of each image, which is computed once."""
    thaw_trunk(network, groups=1, thawed=0)
    trunk, head = split_network(network)
    found = find_pretrained(record)
    is_plain = _on_cpu(record) and record.device.precision == "float32"
    train, valid = (
        trunk_features(
            *(dataset, dataset.part(part), record.preprocess, record.architecture, found),
            trunk=trunk if is_plain else None,
        )
        for part in ("train", "valid")
    )
    standardise(head, train)
    return _Fitted(
        name="head",
        model=head,
        train=take_rows(train),
        valid=take_rows(valid),
        settings=record.recipe.optimizer,
    )


def _pixels(
    dataset: Dataset, record: RunRecord, network: keras.Model, number: int, *, of: int
) -> _Fitted:
    """Fit the whole network to pixels; a pretrained trunk as far as it has thawed."""
    preprocess, recipe = record.preprocess, record.recipe
    images, valid = (load_images(dataset, part, preprocess) for part in ("train", "valid"))
    fitted = _Fitted(
        name="train",
        model=network,
        train=take_varied_pixels(images, preprocess, recipe),
        valid=take_pixels(valid, preprocess),
        settings=recipe.optimizer,
    )
    if belong_on_device(record.device, (images, valid)):
        fitted = msgspec.structs.replace(
            fitted,
            model=put_on_device(network, preprocess, (images, valid)),
            train=take_draws(images, preprocess, recipe),
            valid=take_places(len(images)),
        )
    if record.pretrained is None:
        return fitted
    transfer = recipe.transfer
    thaw_trunk(network, groups=transfer.groups, thawed=math.ceil(transfer.groups * number / of))
    return msgspec.structs.replace(
        fitted,
        name="fine-tune",
        settings=stage_optimizer(record, number),
        setting="transfer.fine_tune_lr",
        rate_of=rate_share(network, groups=transfer.groups, decay=transfer.rate_decay),
    )


def _compiled(
    dataset: Dataset,
    record: RunRecord,
    network: keras.Model,
    fitted: _Fitted,
    ranks: Ranks | None,
) -> Stage:
    recipe, targets = record.recipe, dataset.targets("train")
    order = make_order(recipe, targets, ranks=ranks)
    weights = image_weights(recipe, record.classes, targets)
    batches = TrainingBatches(
        fitted.train,
        order,
        targets,
        batch_size=recipe.batch_size or len(targets),
        epochs=recipe.epochs or 1,
        weights=weights,
    )
    rates = rate_table(batches.num_batches, fitted.settings)
    fitted.model.compile(
        optimizer=make_optimizer(fitted.model, fitted.settings, rates, rate_of=fitted.rate_of),
        loss=make_loss(recipe, record.task, record.architecture.target_std),
        metrics=[make_metric(record.task)],
        steps_per_execution=steps_per_call(batches),
        # XLA's convolutions are 3 to 9 times slower on a CPU than oneDNN's (TensorFlow 2.21).
        jit_compile=False if _on_cpu(record) else "auto",
    )
    return Stage(
        name=fitted.name,
        network=network,
        model=fitted.model,
        batches=batches,
        valid=PlainBatches(fitted.valid, dataset.targets("valid")),
        epochs=recipe.epochs or 1,
        rates=_told_rates(record, fitted, rates),
        names=dataset.part("train")["image"].to_list(),
        valid_names=dataset.part("valid")["image"].to_list(),
        chance=measure_chance(
            targets[order(0)],
            record.task,
            recipe.loss or usual_loss(record.task),
            label_smoothing=recipe.label_smoothing or 0.0,
            weights=weights,
        ),
    )


def _told_rates(record: RunRecord, fitted: _Fitted, by_step: Float[np.ndarray, "steps"]) -> Rates:
    usual = usual_rate(record.recipe, record.task, is_pretrained=record.pretrained is not None)
    return Rates(
        by_step=by_step,
        setting=fitted.setting,
        usual=None if fitted.name == "fine-tune" else usual,
        clip_norm=fitted.settings.clip_norm,
    )


def steps_per_call(batches: TrainingBatches) -> int:
    """Choose how many steps run per call: a divisor of the epoch, so that epochs stay exact."""
    is_large = math.prod(batches[0][0].shape[1:]) > _SMALL_INPUT
    if is_large or keras.backend.backend() == "torch":  # where Keras knows no other number
        return 1
    steps = batches.steps_per_epoch
    return max(count for count in range(1, _MOST_STEPS + 1) if steps % count == 0)


def _on_cpu(record: RunRecord) -> bool:
    return record.device.kind == "cpu" and record.device.backend == "tensorflow"
