"""Learning rates as pure functions of progress."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from darkroom.training.recipe import Optimizer, ScheduleName

if TYPE_CHECKING:
    from jaxtyping import Float

_START = 1 / 25  # one-cycle begins at this share of the peak
_END = 1e-4  # and ends at this one


def rate_at(progress: float, optimizer: Optimizer) -> float:
    """Give the learning rate at a point of the training.

    Args:
        progress: 0 at the first step, 1 after the last.
        optimizer: Names the schedule and its peak.

    Returns:
        A rate in 0..peak_lr, continuous in progress.

    Source: cosine, Loshchilov and Hutter 2016, arXiv:1608.03983; one-cycle, Smith and Topin
    2017, arXiv:1708.07120, with cosine slopes as fast.ai has it.
    """
    return optimizer.peak_lr * _SHAPES[optimizer.schedule](progress, optimizer.warmup)


def rate_table(steps: int, optimizer: Optimizer) -> Float[np.ndarray, "steps"]:
    """Give the learning rate of every step of a training, float32."""
    return np.array([rate_at(step / steps, optimizer) for step in range(steps)], np.float32)


def _constant(progress: float, warmup: float) -> float:  # noqa: ARG001 - one signature for all
    return 1.0


def _cosine(progress: float, warmup: float) -> float:  # noqa: ARG001 - one signature for all
    return 0.5 + 0.5 * math.cos(math.pi * progress)


def _one_cycle(progress: float, warmup: float) -> float:
    if progress < warmup:
        return 1.0 + (_START - 1.0) * _cosine(progress / warmup, 0)
    return _END + (1.0 - _END) * _cosine((progress - warmup) / (1.0 - warmup), 0)


_SHAPES: dict[ScheduleName, Callable[[float, float], float]] = {
    "constant": _constant,
    "cosine": _cosine,
    "one-cycle": _one_cycle,
}
