"""The import of Keras leaves the process as it was."""

from __future__ import annotations

import gc
import importlib.util
import os
import subprocess
import sys

import pytest

from darkroom.backend import _collecting_nothing


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_goes_on_as_it_was(enabled):
    was = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with _collecting_nothing():
            assert not gc.isenabled()
        assert gc.isenabled() is enabled
    finally:
        gc.unfreeze()
        (gc.enable if was else gc.disable)()


@pytest.mark.parametrize("backend", ["nonsense", "torch"])
def test_a_backend_that_cannot_be_used_is_an_error_of_the_house(backend):
    if backend == "torch" and importlib.util.find_spec("torch"):
        pytest.skip("it can be used here")
    done = subprocess.run(
        [sys.executable, "-c", "import darkroom.backend"],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"RecipeError: KERAS_BACKEND = {backend} cannot be used" in done.stderr


@pytest.mark.parametrize(("before", "is_there"), [("", False), ("import sklearn, jax; ", True)])
def test_what_keras_can_do_without_is_loaded_where_it_is_used(before, is_there):
    code = before + (
        "import sys, darkroom.backend; from keras.src.wrappers import sklearn_wrapper; "
        "print('sklearn' in sys.modules, 'jax' in sys.modules, bool(sklearn_wrapper.sklearn)); "
        "import sklearn.linear_model, jax; print(jax.numpy.ones(2).sum())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(is_there)] * 3 + ["2.0"]
