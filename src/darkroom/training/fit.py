"""One stage through Keras' own `fit`, from wherever it stands."""

from __future__ import annotations

from collections.abc import Sequence

from darkroom.backend import keras
from darkroom.training.batches import as_input
from darkroom.training.stages import Stage
from darkroom.training.watch import Keeper, Watch


def fit_stage(
    stage: Stage,
    watch: Watch,
    users: Sequence[keras.callbacks.Callback],
    keeper: Keeper,
) -> bool:
    """Run what is left of a stage.

    `fit` cannot begin within an epoch, so the rest of one is a `fit` of its own.

    Args:
        stage: Compiled; when it goes on, with its state restored.
        watch: Called first; knows where the stage stands.
        users: The user's callbacks.
        keeper: Called last.

    Returns:
        Whether all epochs were run; False when a callback stopped it.
    """
    try:
        return _rest(stage, watch, [watch, *users, keeper])
    except (KeyboardInterrupt, SystemExit):
        if watch.is_unjudged:
            keeper.keep()
        raise


def _rest(stage: Stage, watch: Watch, callbacks: Sequence[keras.callbacks.Callback]) -> bool:
    model = stage.model
    model.stop_training = False
    start, judged = watch.position.step, len(watch.position.epochs) - watch.position.before
    epoch, within = divmod(start, stage.batches.steps_per_epoch)
    if epoch > judged:
        _judge_epoch(stage, callbacks, judged)
    elif within:
        _fit(stage, callbacks, start, until=epoch + 1)
        epoch += 1
    if epoch < stage.epochs and not model.stop_training:
        epoch = _fit(stage, callbacks, epoch * stage.batches.steps_per_epoch, until=stage.epochs)
    return epoch == stage.epochs


def _fit(
    stage: Stage, callbacks: Sequence[keras.callbacks.Callback], start: int, until: int
) -> int:
    steps = stage.batches.steps_per_epoch
    history = stage.model.fit(
        as_input(stage.batches, start),
        steps_per_epoch=steps - start % steps,
        initial_epoch=start // steps,
        epochs=until,
        shuffle=False,
        callbacks=list(callbacks),
        verbose=0,
    )
    return start // steps + len(history.epoch)


def _judge_epoch(stage: Stage, callbacks: Sequence[keras.callbacks.Callback], epoch: int) -> None:
    """Finish an epoch whose steps were all made before the training was stopped."""
    steps = stage.batches.steps_per_epoch
    told = keras.callbacks.CallbackList(
        list(callbacks), model=stage.model, epochs=stage.epochs, steps=steps, verbose=0
    )
    told.on_train_begin()
    told.on_epoch_begin(epoch)
    logs = {name: float(value) for name, value in stage.model.get_metrics_result().items()}
    told.on_epoch_end(epoch, logs)
    told.on_train_end()
