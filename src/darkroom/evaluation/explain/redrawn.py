"""A network that knows nothing: the same one, with weights drawn anew."""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Iterator

import msgspec
import numpy as np

from darkroom.backend import to_numpy
from darkroom.evaluation.explain.inside import Inside
from darkroom.evaluation.explain.subject import Subject
from darkroom.models.catalog import build_model


class Redrawn:
    """The network of a subject with random weights, as often as wanted.

    What a fresh network draws is drawn again, by shuffling: what stands in it is as likely in any
    other order. What every fresh network has in common stays. A kernel that begins at 0 is drawn as
    Glorot does, because it would hide all that lies before it.

    Args:
        subject: With a network.
        seed: The same seed, the same networks.

    Source: model randomization, Adebayo et al. 2018, arXiv:1810.03292.
    """

    def __init__(self, subject: Subject, *, seed: int = 0) -> None:
        inside = subject.looked_into()
        with _seeded(seed):
            one, other = (build_model(inside.architecture) for _ in range(2))
        self._subject, self._seed = subject, seed
        self._inside = Inside(one, inside.architecture, inside.preprocess)
        self._fresh = [to_numpy(weight.value) for weight in one.weights]
        self._is_drawn = [
            not np.array_equal(fresh, to_numpy(weight.value))
            for fresh, weight in zip(self._fresh, other.weights, strict=True)
        ]

    def subject(self, number: int) -> Subject:
        """Give the subject with the weights of a draw; the one given before changes with it."""
        rng = np.random.default_rng((self._seed, number))
        variables = self._inside.network.weights
        for variable, fresh, is_drawn in zip(variables, self._fresh, self._is_drawn, strict=True):
            if is_drawn:
                variable.assign(rng.permutation(fresh.ravel()).reshape(fresh.shape))
            elif fresh.ndim > 1 and not fresh.any():
                deviation = math.sqrt(2 / (fresh.size / fresh.shape[-1] + fresh.shape[-1]))
                variable.assign(rng.normal(0, deviation, fresh.shape).astype(fresh.dtype))
        return msgspec.structs.replace(
            self._subject, inside=self._inside, answer=self._inside.answer
        )


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Let Keras draw from a seed, and leave the state of Python's generator as it was."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
