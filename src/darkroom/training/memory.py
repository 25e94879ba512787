"""Too little memory for a batch: noticed on every backend, and answered by the size that fits."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from darkroom.errors import RecipeError, is_out_of_memory
from darkroom.training.devices import undistributed
from darkroom.wording import counted

if TYPE_CHECKING:
    from darkroom.training.stages import Stage


def memory_errors() -> tuple[type[Exception], ...]:
    """Give the exceptions that may be one of too little memory, for an `except`."""
    tensorflow = sys.modules.get("tensorflow")
    theirs = () if tensorflow is None else (tensorflow.errors.ResourceExhaustedError,)
    return (MemoryError, RuntimeError, *theirs)


def refuse_out_of_memory(
    error: Exception,
    try_step: Callable[[int], None],
    batch_size: int,
    *,
    devices: int = 1,
) -> NoReturn:
    """Say which batch size fits when one did not.

    Args:
        error: What a step raised; any other than of memory is raised again.
        try_step: Trains one step on that many images.
        batch_size: What did not fit.
        devices: That share every batch.

    Raises:
        RecipeError: With the batch size that fits, or that none does.
    """
    if not is_out_of_memory(error):
        raise error
    fits = fitting_batch_size(try_step, batch_size, devices=devices)
    if fits is None:
        raise RecipeError(
            f"there is too little memory for batches of {batch_size:,} images, and for any smaller",
            hint="--set width=0.5, or smaller images: --set image_size=64",
        ) from error
    raise RecipeError(
        f"there is not enough memory for batches of {counted(batch_size, 'image', 'images')}",
        hint=f"--set batch_size={fits}",
    ) from error


def fitting_batch_size(
    try_step: Callable[[int], None], batch_size: int, *, devices: int = 1
) -> int | None:
    """Halve a batch size until one step with it passes.

    Args:
        try_step: Trains one step on that many images.
        batch_size: One that did not fit.
        devices: That share every batch; only their multiples are tried.

    Returns:
        The size that fits; None when none does.
    """
    size = batch_size // 2 // devices * devices
    while size > 0:
        try:
            try_step(size)
        except memory_errors() as error:
            if not is_out_of_memory(error):
                raise
        else:
            return size
        gc.collect()  # of what the step that failed still holds
        size = size // 2 // devices * devices
    return None


def trial_step(make_stage: Callable[[], Stage]) -> Callable[[int], None]:
    """Give a step to try batch sizes with, on a stage of its own.

    It is judged too: validation has batches of its own size, and no smaller one for the steps
    would help it.

    Args:
        make_stage: Makes one that can be fitted; its first image stands for all.
    """

    def try_step(size: int) -> None:
        stage = make_stage()
        batch = (np.repeat(each[:1], size, axis=0) for each in stage.batches[0])
        # JAX tells what went wrong when the numbers are read.
        np.asarray(stage.model.train_on_batch(*batch))
        with undistributed():
            np.asarray(stage.model.test_on_batch(*stage.valid[0]))

    return try_step
