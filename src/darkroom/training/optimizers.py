"""Keras' optimizers with the house's rules: a table of rates, decay of kernels alone, averages."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from darkroom.backend import keras, to_numpy
from darkroom.training.recipe import Optimizer, OptimizerName

if TYPE_CHECKING:
    from jaxtyping import Float

USUAL_OPTIMIZER: OptimizerName = "adamw"

_KINDS: dict[OptimizerName, type[keras.optimizers.Optimizer]] = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.Adam,  # with the decay that every optimizer has here
    "rmsprop": keras.optimizers.RMSprop,
    "adadelta": keras.optimizers.Adadelta,
}
_USUAL: dict[OptimizerName, tuple[float, float]] = {  # peak rate, weight decay
    "sgd": (0.05, 5e-3),
    "adam": (1e-3, 0.0),
    "adamw": (1e-3, 0.01),
    "rmsprop": (1e-3, 0.0),
    "adadelta": (1.0, 0.0),
}


def usual_peak_lr(name: OptimizerName) -> float:
    """Give the highest learning rate that an optimizer usually takes.

    Source: adam, Kingma and Ba 2014, arXiv:1412.6980; adadelta, Zeiler 2012, arXiv:1212.5701, and
    the course; sgd, own: safe also without batch norm.
    """
    return _USUAL[name][0]


def usual_weight_decay(name: OptimizerName) -> float:
    """Give the share of a kernel that a step at rate 1 usually takes away.

    Source: sgd, Zagoruyko and Komodakis 2016, arXiv:1605.07146: their 5e-4 stands in the gradient,
    which a momentum of 0.9 makes ten times as much; adamw, as most libraries have it.
    """
    return _USUAL[name][1]


def make_optimizer(
    model: keras.Model,
    settings: Optimizer,
    rates: Float[np.ndarray, "steps"],
    *,
    rate_of: Callable[[keras.Variable], float] | None = None,
) -> keras.optimizers.Optimizer:
    """Make the optimizer of one training, built for what the model trains now.

    Weight decay is decoupled from the gradient whatever the optimizer, and works on kernels alone:
    biases, norms and the slopes of PReLU keep their size.

    Args:
        model: Its trainable variables are moved; when others thaw, another optimizer is needed.
        settings: What is None there is taken as usual for the optimizer.
        rates: The learning rate of every step; the last one holds on.
        rate_of: The share of the rate that a variable learns at, 0..1; without it all learn at
            the rate. Its weight decay shrinks with it.

    Source: decoupled decay, Loshchilov and Hutter 2017, arXiv:1711.05101; rates by layer, Howard
    and Ruder 2018, arXiv:1801.06146; clipping by the global norm, Pascanu et al. 2012,
    arXiv:1211.5063.
    """
    name = settings.name or USUAL_OPTIMIZER
    decay = settings.weight_decay
    sgd = {"momentum": settings.momentum, "nesterov": settings.nesterov}
    optimizer = _steered(
        _KINDS[name],
        rate_of=rate_of or _whole,
        decay=usual_weight_decay(name) if decay is None else decay,
    )(
        _Table(rates),
        global_clipnorm=settings.clip_norm,
        use_ema=settings.ema is not None,
        ema_momentum=settings.ema or 0.0,
        name=name,
        **(sgd if name == "sgd" else {}),
    )
    optimizer.build(model.trainable_variables)
    return optimizer


@contextlib.contextmanager
def average_weights(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Put the moving average of the weights in place while the block runs, then the weights again.

    Nothing happens when no average is kept, or before the first step. What is not trained, as the
    statistics of batch norm, stays as it is.

    Args:
        model: Its trainable variables are those the optimizer was made for; with JAX between
            two epochs, when Keras has given them their values back.
        optimizer: From `make_optimizer`.

    Source: Polyak and Juditsky 1992; the average that forgets, as Keras has it.
    """
    if not optimizer.use_ema or not int(optimizer.iterations):
        yield
        return
    weights = [to_numpy(weight.value) for weight in model.trainable_variables]
    try:
        optimizer.put_averages(model.trainable_variables)
        yield
    finally:
        for variable, weight in zip(model.trainable_variables, weights, strict=True):
            variable.assign(weight)


class _Table(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A schedule that has been worked out for every step."""

    def __init__(self, rates: Float[np.ndarray, "steps"]) -> None:
        self._rates = rates

    def __call__(self, step: Any) -> Any:
        rates = keras.ops.convert_to_tensor(self._rates)
        last = len(self._rates) - 1
        return keras.ops.take(rates, keras.ops.minimum(keras.ops.cast(step, "int32"), last))


def _whole(variable: keras.Variable) -> float:  # noqa: ARG001 - as every `rate_of`
    return 1.0


def _steered(
    kind: type[keras.optimizers.Optimizer],
    *,
    rate_of: Callable[[keras.Variable], float],
    decay: float,
) -> type[keras.optimizers.Optimizer]:
    """Derive an optimizer that gives each variable its own rate and its own decay.

    To scale the gradients instead would do nothing in Adam and its kin, which divide by their size.
    """

    class Steered(kind):  # type: ignore[misc]
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            # TensorFlow hands over its own variable here, which knows no more than its numbers.
            known = self._trainable_variables[self._get_variable_index(variable)]
            share = rate_of(known)
            rate = learning_rate if share == 1 else learning_rate * share
            if decay and known.name.endswith("kernel"):
                self.assign_sub(variable, variable * decay * rate)
            super().update_step(gradient, variable, rate)

        def finalize_variable_values(self, var_list: list[keras.Variable]) -> None:
            """Keep Keras from leaving the averages in the model when `fit` ends."""

        def put_averages(self, variables: list[keras.Variable]) -> None:
            super().finalize_variable_values(variables)

    return Steered
