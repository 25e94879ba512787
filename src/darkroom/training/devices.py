"""Which processors train, in which precision, and how they share a batch: chosen, and named."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from darkroom.backend import keras
from darkroom.errors import RecipeError
from darkroom.processor import has_instructions, processor_name
from darkroom.training.record import Device

Kind = Literal["cpu", "gpu", "tpu"]
_ACCELERATORS: dict[Kind, tuple[str, ...]] = {"tpu": ("tpu",), "gpu": ("gpu", "cuda", "rocm")}


def choose_device(precision: Literal["auto", "float32", "bfloat16"] = "auto") -> Device:
    """Choose the devices the backend would use, and a precision they compute fast.

    Args:
        precision: `auto` takes bfloat16 where the processor has instructions for it.

    Returns:
        The device; having no GPU is never an error. Several share a batch under JAX only.
    """
    kind, count = _processors()
    backend = keras.backend.backend()
    has_it = (
        has_instructions("avx512_bf16", "amx_bf16")
        if kind == "cpu"
        else _accelerator_has_bfloat16(kind)
    )
    wanted = precision == "bfloat16" or (precision == "auto" and has_it)
    name = f"{processor_name()}, {_cores()} cores" if kind == "cpu" else f"{count} x {kind.upper()}"
    return Device(
        kind=kind,
        name=name,
        backend=backend,
        precision="bfloat16" if wanted else "float32",
        devices=count if backend == "jax" else 1,
        threads=_threads(),
    )


def backend_note() -> str | None:
    """Say that Keras' own settings name another backend than the one in use.

    Returns:
        One sentence, or None when they agree or say nothing.
    """
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        written = json.loads((home / "keras.json").read_bytes())
    except (OSError, ValueError):
        return None
    named = written.get("backend") if isinstance(written, dict) else None
    used = keras.backend.backend()
    # Keras itself writes `tensorflow` there when it is first imported: nobody has chosen it.
    if named in (None, "tensorflow", used):
        return None
    return f"keras.json names {named}, but KERAS_BACKEND decides, and {used} is used"


@contextlib.contextmanager
def distribute(devices: int) -> Iterator[None]:
    """Let several devices share every batch of the models that are built and trained inside.

    Every device holds all weights and computes its part of a batch; gradients are averaged over
    all of it, so a batch means the same on any number of devices.

    Args:
        devices: As `choose_device` counts them; nothing is done for one.

    Source: own, on Keras' `DataParallel`.
    """
    if devices == 1:
        yield
        return
    before = keras.distribution.distribution()
    names = keras.distribution.list_devices()[:devices]
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=names))
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)


@contextlib.contextmanager
def undistributed() -> Iterator[None]:
    """Let batches of any size through inside `distribute`; every device computes all of them.

    A part that is judged once has a last batch that the devices need not divide.
    """
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)


def refuse_batch_size(batch_size: int, devices: int) -> None:
    """Refuse a batch that the devices cannot share evenly.

    Args:
        batch_size: Images per step, over all devices.
        devices: As `choose_device` counts them.

    Raises:
        RecipeError: The number of devices does not divide it.
    """
    if batch_size % devices:
        raise RecipeError(
            f"batch_size = {batch_size} cannot be shared evenly by {devices} devices",
            hint=f"--set batch_size={shared_batch_size(batch_size, devices)}",
        )


def shared_batch_size(batch_size: int, devices: int) -> int:
    """Give the largest batch size up to this that devices share evenly, or one image for each."""
    return max(batch_size // devices, 1) * devices


def _processors() -> tuple[Kind, int]:
    """Say what the backend computes on, and how many of them there are."""
    if keras.backend.backend() == "torch":
        import torch

        return ("gpu", torch.cuda.device_count()) if torch.cuda.is_available() else ("cpu", 1)
    listed = [name.partition(":")[0].lower() for name in keras.distribution.list_devices()]
    for kind, names in _ACCELERATORS.items():
        if found := [name for name in listed if name in names]:
            return kind, len(found)
    return "cpu", max(len(listed), 1)


def _threads() -> int:
    """Say on how many threads one operation runs, by which sums may differ in their last bits."""
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        return int(torch.get_num_threads())
    if backend == "tensorflow":
        import tensorflow as tf

        asked = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
        chosen = tf.config.threading.get_intra_op_parallelism_threads()
        return chosen or (int(asked) if asked.isdecimal() else 0) or _cores()
    return _cores()


def _cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _accelerator_has_bfloat16(kind: Kind) -> bool:
    """Ask the backend: every TPU has bfloat16, of NVIDIA's GPUs those from compute 8.0 on."""
    if kind == "tpu":
        return True
    if keras.backend.backend() == "torch":
        import torch

        return bool(torch.cuda.is_bf16_supported())
    if keras.backend.backend() == "jax":
        import jax

        capability = getattr(jax.devices()[0], "compute_capability", "0")
        return float(capability) >= 8.0
    import tensorflow as tf

    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    return tuple(details.get("compute_capability", (0, 0))) >= (8, 0)
