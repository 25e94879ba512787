"""Which of several steps broke: where they run in one call, Keras tells no loss of each.

A training is remembered as it stood a moment ago, and the steps since then are made once more, one
by one, when one of them went wrong.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from darkroom.backend import keras
from darkroom.progress import track
from darkroom.training.checkpoint import gather_state, restore_state

if TYPE_CHECKING:
    from darkroom.training.batches import TrainingBatches
    from darkroom.training.checkpoint import Tensors

_SHARE = 0.002  # of the time may go into remembering


class Rewind:
    """Remembers a training under way, and finds the step at which its loss was no number any more.

    Args:
        model: Compiled. With one step per call nothing is remembered: there is nothing to find.
        batches: What it is trained on.
    """

    def __init__(self, model: keras.Model, batches: TrainingBatches) -> None:
        self._model, self._batches = model, batches
        self._step = 0
        self._state: Tensors | None = None
        self._due = -math.inf

    def remember(self, step: int) -> None:
        """Take note of where the training stands, as often as it may take time.

        Args:
            step: How many are done.
        """
        began = time.monotonic()
        if self._model.steps_per_execution == 1 or began < self._due:
            return
        self._step, self._state = step, gather_state(self._model)
        done = time.monotonic()
        self._due = done + (done - began) / _SHARE

    def first_broken(self, steps: range) -> range:
        """Find the first step whose loss is no number; the model is left as that step left it.

        Args:
            steps: That ran in one call, one of which broke.

        Returns:
            That step alone; all of them when they ran one by one, or go well the second time.
        """
        if self._state is None or len(steps) == 1:
            return steps
        if hasattr(self._model, "jax_state_sync"):  # within `fit` its variables hold nothing
            self._model.jax_state_sync()
        restore_state(self._model, self._state)
        again = range(self._step, steps.stop)
        for step in track(again, "looking for the step that broke", len(again)):
            self._model.reset_metrics()
            told = self._model.train_on_batch(*self._batches[step], return_dict=True)
            if not math.isfinite(float(told["loss"])):
                return range(step, step + 1)
        return steps
