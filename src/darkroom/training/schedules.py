"""Learning rates as pure functions of progress."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from darkroom.training.optimizers import USUAL_OPTIMIZER, usual_peak_lr
from darkroom.training.recipe import Optimizer, ScheduleName

if TYPE_CHECKING:
    from jaxtyping import Float

USUAL_CLIMB = 0.25  # share of a one-cycle training that climbs
_START = 1 / 25  # one-cycle begins at this share of the peak
_END = 1e-4  # and ends at this one
_FIRST = 0.01  # a warm-up begins at this share of the peak: a step at 0 would be a step lost
_HAIR = 1e-9  # a step that lies on a drop or a restart is not to miss it by rounding


def rate_at(progress: float, optimizer: Optimizer) -> float:
    """Give the learning rate at a point of the training.

    A warm-up is a straight climb; the schedule takes the rest of the training, whole. One-cycle
    has its own climb, and takes the warm-up as its length.

    Args:
        progress: 0 at the first step, 1 after the last.
        optimizer: Names the schedule, its peak and its shape.

    Returns:
        A rate in 0..peak_lr, continuous in progress but for the drops of `step` and the restarts
        of `sgdr`.

    Source: cosine and sgdr, Loshchilov and Hutter 2016, arXiv:1608.03983; one-cycle, Smith and
    Topin 2017, arXiv:1708.07120, with cosine slopes as fast.ai has it; warm-up, Goyal et al. 2017,
    arXiv:1706.02677.
    """
    peak = optimizer.peak_lr or usual_peak_lr(optimizer.name or USUAL_OPTIMIZER)
    if optimizer.schedule == "one-cycle":
        return peak * _one_cycle(progress, optimizer)
    warmup = optimizer.warmup or 0.0
    if progress < warmup:
        return peak * (_FIRST + (1.0 - _FIRST) * progress / warmup)
    return peak * _SHAPES[optimizer.schedule]((progress - warmup) / (1.0 - warmup), optimizer)


def rate_table(steps: int, optimizer: Optimizer) -> Float[np.ndarray, "steps"]:
    """Give the learning rate of every step of a training, float32."""
    return np.array([rate_at(step / steps, optimizer) for step in range(steps)], np.float32)


def _half_cosine(progress: float) -> float:
    """Fall from 1 to 0."""
    return 0.5 + 0.5 * math.cos(math.pi * progress)


def _constant(progress: float, optimizer: Optimizer) -> float:  # noqa: ARG001 - one signature
    return 1.0


def _step(progress: float, optimizer: Optimizer) -> float:
    passed = math.floor(progress * (optimizer.drops + 1) + _HAIR)
    return optimizer.drop_factor ** min(passed, optimizer.drops)


def _cosine(progress: float, optimizer: Optimizer) -> float:  # noqa: ARG001 - one signature
    return _half_cosine(progress)


def _sgdr(progress: float, optimizer: Optimizer) -> float:
    # Counted back from the last, so that many growing cycles fade to nothing and do not overflow.
    lengths = [optimizer.cycle_growth**-back for back in reversed(range(optimizer.cycles))]
    ends = [end / sum(lengths) for end in itertools.accumulate(lengths)]
    cycle = min(bisect.bisect_right(ends, progress + _HAIR), optimizer.cycles - 1)
    start = ends[cycle - 1] if cycle else 0.0
    within = (progress - start) / (ends[cycle] - start)
    return _half_cosine(min(max(within, 0.0), 1.0))


def _one_cycle(progress: float, optimizer: Optimizer) -> float:
    climb = USUAL_CLIMB if optimizer.warmup is None else optimizer.warmup
    if progress < climb:
        return 1.0 + (_START - 1.0) * _half_cosine(progress / climb)
    return _END + (1.0 - _END) * _half_cosine((progress - climb) / (1.0 - climb))


_SHAPES: dict[ScheduleName, Callable[[float, Optimizer], float]] = {
    "constant": _constant,
    "step": _step,
    "cosine": _cosine,
    "sgdr": _sgdr,
}
