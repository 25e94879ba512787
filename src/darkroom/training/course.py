"""The course of a training as its record plans it: how many stages, how long and how fast each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from darkroom.training.recipe import Optimizer
from darkroom.training.record import RunRecord
from darkroom.training.schedules import rate_table

if TYPE_CHECKING:
    from jaxtyping import Float


def stage_epochs(record: RunRecord) -> list[int]:
    """Say how many epochs each stage of a training has.

    A pretrained trunk rests while its head is trained; then its layers thaw, group by group.
    """
    first = record.recipe.epochs or 1
    if record.pretrained is None:
        return [first]
    transfer = record.recipe.transfer
    stages, epochs = min(transfer.groups, transfer.fine_tune_epochs), transfer.fine_tune_epochs
    return [
        first,
        *(epochs * (stage + 1) // stages - epochs * stage // stages for stage in range(stages)),
    ]


def stage_optimizer(record: RunRecord, number: int) -> Optimizer:
    """Give the optimizer of a stage: the recipe's, or while a trunk thaws a gentle one."""
    asked = record.recipe.optimizer
    if number == 0:
        return asked
    return Optimizer(
        name="adamw",
        peak_lr=record.recipe.transfer.fine_tune_lr,
        clip_norm=asked.clip_norm,
        ema=asked.ema,
    )


def planned_rates(record: RunRecord) -> Float[np.ndarray, "steps"]:
    """Give the learning rate of every step of all stages."""
    steps = math.ceil(record.images / (record.recipe.batch_size or 1))
    return np.concatenate(
        [
            rate_table(epochs * steps, stage_optimizer(record, number))
            for number, epochs in enumerate(stage_epochs(record))
        ]
    )
