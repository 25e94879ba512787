"""What happens around Keras' `fit`: every epoch is judged and kept, and a stop loses nothing.

Two callbacks: `Watch` comes before the user's own and turns what Keras reports into Epochs;
`Keeper` comes after them, so that a checkpoint holds what they did too.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from darkroom.backend import keras
from darkroom.errors import RecipeError
from darkroom.training.batches import as_input
from darkroom.training.checkpoint import (
    Position,
    gather_metrics,
    gather_state,
    restore_metrics,
)
from darkroom.training.devices import undistributed
from darkroom.training.guards import (
    find_standstill,
    refuse_nonfinite,
    refuse_nonfinite_validation,
)
from darkroom.training.optimizers import average_weights
from darkroom.training.record import Epoch, Pace
from darkroom.training.rewind import Rewind
from darkroom.training.run import weights_dumper

if TYPE_CHECKING:
    from darkroom.findings import Finding
    from darkroom.training.checkpoint import Tensors
    from darkroom.training.recipe import Recipe
    from darkroom.training.show import Show
    from darkroom.training.stages import Stage
    from darkroom.training.stopping import Asked

_INTERVAL_S = 60.0  # within a long epoch, so often the training is saved
_SHARE = 0.01  # of the time may go into saving

# Takes where the training stands, its numbers and its best weights, and keeps them.
Save = Callable[[Position, "Tensors", bytes | None], None]


class Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Judges every epoch of a stage on the validation part, and stops when none gets better.

    Args:
        stage: What is trained.
        recipe: Which epoch is better, and when it is enough.
        position: Where the training stands.
        best: The best weights so far.
        asked: Whether somebody asked to stop.
        show: The progress on the terminal.
    """

    def __init__(
        self,
        stage: Stage,
        recipe: Recipe,
        position: Position,
        best: bytes | None,
        *,
        asked: Asked,
        show: Show,
    ) -> None:
        super().__init__()
        self.stage, self.position, self.best_weights = stage, position, best
        self._recipe, self._asked, self._show = recipe, asked, show
        self._valid = as_input(stage.valid)
        self._dump = weights_dumper(stage.network, stage.model)
        self._rewind = Rewind(stage.model, stage.batches)
        self.is_unjudged = False  # the last epoch is trained, and was stopped while it was judged
        self.trouble: Finding | None = None  # with the training, after the last epoch
        self._half_done: Tensors = {}
        self._epoch = self._offset = 0
        self._began = self._trained = 0.0

    def go_on(self, metrics: Tensors) -> None:
        """Take the metrics of an epoch that is half done; Keras resets them when it begins."""
        judged = len(self.position.epochs) - self.position.before
        if self.position.step > judged * self.stage.batches.steps_per_epoch:
            self._half_done = metrics
            with undistributed():
                self.stage.model.test_on_batch(*self.stage.valid[0])  # metrics exist from here on
        if judged:
            self.trouble = self._find_standstill(self.position.epochs[-1])

    @property
    def best(self) -> Epoch | None:
        """The epoch whose weights are the best so far."""
        number = self.position.best
        return None if number is None else self.position.epochs[number - 1]

    @property
    def had_enough(self) -> bool:
        """Whether no epoch was better for as long as the recipe has patience."""
        patience, best = self._recipe.patience, self.position.best
        return (
            patience is not None
            and best is not None
            and len(self.position.epochs) - best >= patience
        )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Start the clock."""
        self._began = self._trained = time.perf_counter()
        self._epoch = epoch
        self._offset = self.position.step - epoch * self.stage.batches.steps_per_epoch
        if self._half_done:
            restore_metrics(self.model, self._half_done)
            self._half_done = {}

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Remember where the training stands, should the steps of this call break it."""
        self._rewind.remember(self.position.step)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Take note of the step, and refuse a loss that is no number any more."""
        self._trained = time.perf_counter()
        told, steps = logs or {}, self.stage.batches.steps_per_epoch
        done = self._offset + batch + 1
        step = self._epoch * steps + done
        if not math.isfinite(float(told["loss"])):
            stage = self.stage
            broken = self._rewind.first_broken(range(self.position.step, step))
            refuse_nonfinite(broken, stage.batches, stage.names, stage.rates)
        self.position = msgspec.structs.replace(self.position, step=step)
        self._show.step(len(self.position.epochs), done / steps, told)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Judge the epoch, and keep its weights when they are the best so far."""
        told = logs if logs is not None else {}
        with average_weights(self.model, self.model.optimizer):
            judged = self._judge()
            told |= {f"val_{name}": value for name, value in judged.items()}
            done = self._as_epoch(told)
            is_best = self.best is None or self._goodness(done) > self._goodness(self.best)
            if is_best:
                self.best_weights = self._dump()
        pace = Pace(
            number=done.number,
            seconds=time.perf_counter() - self._began,
            images_per_s=self.stage.batches.images / max(self._trained - self._began, 1e-9),
        )
        self.position = msgspec.structs.replace(
            self.position,
            epochs=(*self.position.epochs, done),
            paces=(*self.position.paces, pace),
            best=done.number if is_best else self.position.best,
        )
        self._show.epoch(done, pace, is_best)
        before, self.trouble = self.trouble, self._find_standstill(done)
        if self.trouble is not None and before is None:
            self._show.warn(self.trouble)
        if self.had_enough:
            self.model.stop_training = True

    def _find_standstill(self, done: Epoch) -> Finding | None:
        stage = self.stage
        return find_standstill(done, stage.chance, stage.rates, steps=self.position.step)

    def _judge(self) -> dict[str, float]:
        metrics = gather_metrics(self.model)
        try:
            with undistributed():
                told: dict[str, float] = self.model.evaluate(
                    self._valid, return_dict=True, verbose=0, callbacks=[_StopJudging(self._asked)]
                )
        except (KeyboardInterrupt, SystemExit):
            restore_metrics(self.model, metrics)
            self.is_unjudged = True
            raise
        return told

    def _as_epoch(self, told: dict[str, Any]) -> Epoch:
        done = Epoch(
            number=len(self.position.epochs) + 1,
            stage=self.stage.name,
            learning_rate=float(self.stage.rates.by_step[self.position.step - 1]),
            **{name: float(told[name]) for name in ("loss", "accuracy", "error") if name in told},
            **{
                f"valid_{name}": float(told[f"val_{name}"])
                for name in ("loss", "accuracy", "error")
                if f"val_{name}" in told
            },
        )
        if not math.isfinite(done.valid_loss):
            stage = self.stage
            refuse_nonfinite_validation(
                self.position.step, stage.valid, stage.valid_names, stage.rates
            )
        return done

    def _goodness(self, epoch: Epoch) -> tuple[float, float]:
        """Rank epochs: by what the recipe monitors, and by the other where they tie."""
        second = -epoch.valid_loss
        first = -epoch.valid_error if epoch.valid_error is not None else epoch.valid_accuracy
        if first is None or self._recipe.monitor == "loss":
            return second, first or 0.0
        return first, second


class Keeper(keras.callbacks.Callback):  # type: ignore[misc]
    """Saves a training after an epoch, once a minute within a long one, and when it is asked.

    Where epochs are so short that saving each would take more than 1 % of the time, some are passed
    over: the first one is saved, the last of a stage, and one whenever it is due.

    Args:
        watch: Knows where the training stands.
        users: The user's callbacks; one that has `get_state` is asked for it.
        save: Keeps it.
        asked: Whether somebody asked to stop.
    """

    def __init__(
        self, watch: Watch, users: Sequence[keras.callbacks.Callback], save: Save, asked: Asked
    ) -> None:
        super().__init__()
        self._watch, self._users, self._save, self._asked = watch, users, save, asked
        self._saved, self._pause_s = time.monotonic(), 0.0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Save when it is time or somebody asked; then stop if they did."""
        if self._asked.signal is not None or self._is_due(max(_INTERVAL_S, self._pause_s)):
            self.keep()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Save when it is time, nothing comes after it in this stage, or somebody asked."""
        is_last = self._watch.position.step == self._watch.stage.batches.num_batches
        stops = is_last or self.model.stop_training or self._asked.signal is not None
        if stops or self._is_due(self._pause_s):
            self.keep()

    def _is_due(self, pause_s: float) -> bool:
        return time.monotonic() - self._saved >= pause_s

    def keep(self) -> None:
        """Save; and stop when somebody asked to."""
        began = time.monotonic()
        states = {
            name: _state_of(name, user)
            for name, user in _named(self._users)
            if hasattr(user, "get_state")
        }
        position = msgspec.structs.replace(
            self._watch.position, callbacks=states, stopped=bool(self.model.stop_training)
        )
        self._save(position, gather_state(self.model), self._watch.best_weights)
        self._saved = time.monotonic()
        self._pause_s = (self._saved - began) / _SHARE
        if self._asked.signal is not None:
            raise self._asked.error()


def _state_of(name: str, user: Any) -> Any:
    """Ask a user's callback for its state, and refuse what a checkpoint could not give back."""
    state = user.get_state()
    try:
        msgspec.json.encode(state)
    except (TypeError, ValueError, OverflowError, RecursionError) as refused:
        raise RecipeError(
            f"the state of the callback {name} cannot be saved: {refused}",
            hint="let its get_state give numbers, text, lists and dicts with text as keys",
        ) from refused
    return state


def give_states_back(users: Sequence[keras.callbacks.Callback], states: Mapping[str, Any]) -> None:
    """Give each of the user's callbacks the state that it had when the training was saved.

    Raises:
        RecipeError: One has a state that no checkpoint can hold; better now than after an epoch.
    """
    for name, user in _named(users):
        if hasattr(user, "get_state"):
            _state_of(name, user)
        if name in states and hasattr(user, "set_state"):
            user.set_state(states[name])


def _named(
    users: Sequence[keras.callbacks.Callback],
) -> list[tuple[str, keras.callbacks.Callback]]:
    """Name callbacks by place and class: two of one class have each a state of their own."""
    return [(f"{place}.{type(user).__name__}", user) for place, user in enumerate(users)]


class _StopJudging(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends a validation when somebody asked to stop: the epoch is trained, and judged later."""

    def __init__(self, asked: Asked) -> None:
        super().__init__()
        self._asked = asked

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        if self._asked.signal is not None:
            raise self._asked.error()
