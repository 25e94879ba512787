"""Which processor trains and in which precision: chosen, and named aloud."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Literal

from darkroom.backend import keras
from darkroom.training.record import Device

Kind = Literal["cpu", "gpu", "tpu"]
_ACCELERATORS: dict[Kind, tuple[str, ...]] = {"tpu": ("tpu",), "gpu": ("gpu", "cuda", "rocm")}


def choose_device(precision: Literal["auto", "float32", "bfloat16"] = "auto") -> Device:
    """Choose the device the backend would use, and a precision it computes fast.

    Args:
        precision: `auto` takes bfloat16 where the processor has instructions for it.

    Returns:
        The device; having no GPU is never an error.
    """
    kind, count = _processors()
    has_it = _has_bfloat16() if kind == "cpu" else _accelerator_has_bfloat16(kind)
    wanted = precision == "bfloat16" or (precision == "auto" and has_it)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Device(
        kind=kind,
        name=f"{_processor()}, {cores} cores" if kind == "cpu" else f"{count} x {kind.upper()}",
        backend=keras.backend.backend(),
        precision="bfloat16" if wanted else "float32",
    )


def _processors() -> tuple[Kind, int]:
    """Say what the backend computes on, and how many of them there are."""
    if keras.backend.backend() == "torch":
        import torch

        return ("gpu", torch.cuda.device_count()) if torch.cuda.is_available() else ("cpu", 1)
    listed = [name.partition(":")[0].lower() for name in keras.distribution.list_devices()]
    for kind, names in _ACCELERATORS.items():
        if found := [name for name in listed if name in names]:
            return kind, len(found)
    return "cpu", 1


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


def _cpu_facts(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def _processor() -> str:
    return _cpu_facts("model name") or platform.processor() or platform.machine()


def _has_bfloat16() -> bool:
    flags = set(_cpu_facts("flags").split())
    return bool(flags & {"avx512_bf16", "amx_bf16"})
