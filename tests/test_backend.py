"""The import of Keras leaves the process as it was."""

from __future__ import annotations

import gc

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
