"""Keras with its backend settled: the one place in the house that imports it.

`KERAS_BACKEND` is obeyed; without it TensorFlow is taken, whatever `keras.json` says, because
Keras writes that file itself on its first import.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from darkroom.errors import RecipeError


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what is written to standard error, and show it only if the block fails.

    TensorFlow 2.21 prints notes on its build from C++ before its log level is read, so nothing
    but the file descriptor stops them. May go when `TF_CPP_MIN_LOG_LEVEL` stops them again.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextlib.contextmanager
def _collecting_nothing() -> Iterator[None]:
    """Let a large import be: what it loads stays, and to look it through for garbage takes time.

    On two cores the import takes 3.0 instead of 3.8 s, and later looks pass over what it loaded.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


@contextlib.contextmanager
def _without(*packages: str) -> Iterator[None]:
    """Let packages look absent to an import that can do without them; what is loaded stays.

    Keras 3.15 loads scikit-learn for `keras.wrappers` alone, TensorFlow 2.21 jax for a converter:
    together a second of four. Who wants them there imports them before darkroom. May go when both
    are loaded where they are used.
    """
    held = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(held))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for package in held:
            del sys.modules[package]


# These have to stand before the import: both libraries read them while loading.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# It warns of "retracing" when one process predicts with several networks, as it should here.
logging.getLogger("tensorflow").setLevel(logging.ERROR)

_NEEDLESS = ("sklearn",) if os.environ["KERAS_BACKEND"] == "jax" else ("sklearn", "jax")

try:
    with _quiet(), _collecting_nothing(), _without(*_NEEDLESS):
        import keras
except (ImportError, ValueError) as wrong:  # Keras knows no such backend, or it is not installed
    raise RecipeError(
        f"KERAS_BACKEND = {os.environ['KERAS_BACKEND']} cannot be used: {wrong}",
        hint="take tensorflow, jax or torch, and install it: docs/how-to/choose-a-backend.md",
    ) from wrong

__all__ = ["keras", "to_numpy"]


def to_numpy(value: Any) -> np.ndarray:
    """Copy the numbers of a tensor, or of the value of a variable.

    Keras' own function warns of TensorFlow's variables under NumPy 2.
    """
    if keras.backend.backend() == "torch":
        value = value.detach().cpu()
    return np.array(np.asarray(value))
