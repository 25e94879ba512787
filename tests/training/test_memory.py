"""Too little memory: known on every backend, and answered by the batch size that fits."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from darkroom.backend import keras
from darkroom.errors import RecipeError, is_out_of_memory
from darkroom.training.memory import (
    fitting_batch_size,
    memory_errors,
    refuse_out_of_memory,
    trial_step,
)


class Hungry(keras.layers.Layer):
    """Has no memory for more than 12 images: says so, or asks for 64 TiB in earnest."""

    def __init__(self, *, earnest):
        super().__init__()
        self.earnest = earnest

    def call(self, images):
        import tensorflow as tf

        if self.earnest:
            too_many = tf.cast(tf.shape(images)[:1], tf.int64) // 13
            return images + tf.reduce_sum(tf.random.uniform(too_many * 2**44))
        if images.shape[0] is not None and images.shape[0] > 12:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return images


def hungry(*, earnest):
    model = keras.Sequential([keras.Input((2,)), Hungry(earnest=earnest), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False, run_eagerly=not earnest)
    return model


# TensorFlow waits 10 s for memory that somebody may give back.
@pytest.mark.parametrize("earnest", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_model_without_memory_gets_the_batch_size_that_fits(earnest):
    batch = np.ones((50, 2), np.float32), np.ones((50, 1), np.float32)

    def stage(judged=12):
        model, valid = hungry(earnest=earnest), [array[:judged] for array in batch]
        return SimpleNamespace(model=model, batches=[batch], valid=[valid])

    try_step = trial_step(stage)
    with pytest.raises(memory_errors()) as real:
        hungry(earnest=earnest).fit(*batch, batch_size=50, verbose=0)
    assert is_out_of_memory(real.value)
    with pytest.raises(RecipeError) as error:
        refuse_out_of_memory(real.value, try_step, 50)
    assert "50 images" in error.value.problem
    assert error.value.hint == "--set batch_size=12"
    try_step(12)
    with pytest.raises(memory_errors()):
        try_step(13)
    # Where judging takes too much, no batch size of the training helps.
    assert fitting_batch_size(trial_step(lambda: stage(judged=13)), 50) is None


@pytest.mark.parametrize(("devices", "fits"), [(1, 12), (4, 12), (8, 8), (16, None)])
def test_sizes_are_halved_and_stay_multiples_of_the_devices(devices, fits):
    tried = []

    def step(size):
        tried.append(size)
        if size > 12:
            raise MemoryError

    assert fitting_batch_size(step, 96, devices=devices) == fits
    assert all(size % devices == 0 for size in tried)


def test_where_nothing_fits_a_smaller_network_is_suggested():
    def step(size):
        raise MemoryError

    with pytest.raises(RecipeError) as error:
        refuse_out_of_memory(MemoryError(), step, 8)
    assert "batch_size" not in error.value.hint


class OutOfMemoryError(RuntimeError):
    """Named as PyTorch names its own."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 70368744177664 bytes."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_every_backend_s_lack_of_memory_is_known(error):
    assert is_out_of_memory(error)
    assert isinstance(error, memory_errors())


def test_another_error_is_raised_as_it_is():
    other = RuntimeError("the shapes do not fit")

    def step(size):
        raise other

    with pytest.raises(RuntimeError) as same:
        refuse_out_of_memory(other, step, 64)
    assert same.value is other
    with pytest.raises(RuntimeError) as same:
        fitting_batch_size(step, 64)
    assert same.value is other
