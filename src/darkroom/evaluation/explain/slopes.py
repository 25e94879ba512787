"""How the score of a class changes with each number that goes in: the shim over the backends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from darkroom.backend import keras
from darkroom.decision import Task

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_NEVER = -1e9  # the logit of a class that is left out

Slopes = Callable[
    ["Float[np.ndarray, 'images ...']", "Int[np.ndarray, 'images']"],
    "Float[np.ndarray, 'images ...']",
]


def slope_function(network: keras.Model, task: Task) -> Slopes:
    """Compile the gradient of a class's log odds with respect to a network's input.

    The weights are read at each call, so that it holds for whatever they are by then.

    Args:
        network: From anything to logits.
        task: Whether the classes exclude each other.

    Returns:
        From inputs and one class for each, to slopes of the inputs' shape.
    """
    compiled = {"tensorflow": _on_tensorflow, "jax": _on_jax, "torch": _on_torch}
    return compiled[keras.backend.backend()](network, task)


def _log_odds(logits: Any, classes: Any, task: Task) -> Any:
    """Give the logit of a class, less that of all others together where they exclude each other."""
    ops = keras.ops
    chosen = ops.one_hot(classes, logits.shape[-1], dtype="float32")
    own = ops.sum(logits * chosen, axis=-1)
    if task == "multi-label":
        return own
    return own - ops.logsumexp(logits + _NEVER * chosen, axis=-1)


def _on_tensorflow(network: keras.Model, task: Task) -> Slopes:
    import tensorflow as tf

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def slopes(inputs: Any, classes: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            score = _log_odds(network(inputs, training=False), classes, task)
        return tape.gradient(score, inputs)

    return lambda inputs, classes: slopes(
        tf.convert_to_tensor(inputs), tf.convert_to_tensor(classes)
    ).numpy()


def _on_jax(network: keras.Model, task: Task) -> Slopes:
    import jax

    def total(inputs: Any, classes: Any, trained: Any, others: Any) -> Any:
        logits, _ = network.stateless_call(trained, others, inputs, training=False)
        return keras.ops.sum(_log_odds(logits, classes, task))

    slopes = jax.jit(jax.grad(total))

    def at(inputs: np.ndarray, classes: np.ndarray) -> np.ndarray:
        trained, others = (
            [weight.value for weight in weights]
            for weights in (network.trainable_variables, network.non_trainable_variables)
        )
        return np.asarray(slopes(inputs, classes, trained, others))

    return at


def _on_torch(network: keras.Model, task: Task) -> Slopes:
    import torch

    def at(inputs: np.ndarray, classes: np.ndarray) -> np.ndarray:
        given = keras.ops.convert_to_tensor(inputs).detach().requires_grad_()
        score = _log_odds(network(given, training=False), classes, task)
        (slopes,) = torch.autograd.grad(score.sum(), given)
        return np.asarray(keras.ops.convert_to_numpy(slopes))

    return at
