"""Devices: named aloud, with the backend that is in use, and shared evenly or not at all."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.backend import keras
from darkroom.errors import RecipeError
from darkroom.training.devices import (
    backend_note,
    choose_device,
    distribute,
    refuse_batch_size,
    shared_batch_size,
    undistributed,
)

OTHERS = {"tensorflow", "jax", "torch"} - {keras.backend.backend()}


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path / "keras.json"


def test_a_device_names_its_backend_its_cores_and_how_many_share_a_batch():
    device = choose_device()
    assert device.backend == keras.backend.backend()
    assert f"{len(os.sched_getaffinity(0))} cores" in device.name or device.kind != "cpu"
    assert device.devices == 1
    assert device.threads >= 1


def test_the_precision_that_was_asked_for_is_taken():
    assert choose_device("float32").precision == "float32"
    assert choose_device("bfloat16").precision == "bfloat16"


def test_threads_are_those_the_backend_was_told_to_take(monkeypatch):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "7")
    assert choose_device().threads == 7
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS")
    assert choose_device().threads == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("other", sorted(OTHERS))
def test_keras_settings_that_name_another_backend_are_reported_in_one_sentence(settings, other):
    settings.write_text(json.dumps({"backend": other}))
    note = backend_note()
    assert other in note
    assert keras.backend.backend() in note
    assert "\n" not in note


@pytest.mark.parametrize(
    "text",
    [json.dumps({"backend": keras.backend.backend()}), "{}", "[]", "{", "\xff", None],
    ids=["the same", "nothing", "a list", "torn", "no JSON", "missing"],
)
def test_keras_settings_that_say_nothing_else_are_not_mentioned(settings, text):
    if text is not None:
        settings.write_text(text, encoding="latin-1")
    assert backend_note() is None


def test_one_device_is_left_as_it_is():
    before = keras.distribution.distribution()
    with distribute(1), undistributed():
        assert keras.distribution.distribution() is before
    assert keras.distribution.distribution() is before


def test_a_batch_that_cannot_be_shared_is_refused_with_one_that_can():
    with pytest.raises(RecipeError) as refused:
        refuse_batch_size(130, 4)
    assert "130" in refused.value.problem
    assert "4 devices" in refused.value.problem
    assert refused.value.hint == "--set batch_size=128"
    refuse_batch_size(128, 4)


@given(st.integers(1, 5000), st.integers(1, 64))
def test_a_shared_batch_gives_every_device_as_many_images_and_loses_few(size, devices):
    shared = shared_batch_size(size, devices)
    assert shared % devices == 0
    assert size - devices < shared <= max(size, devices)
    refuse_batch_size(shared, devices)
