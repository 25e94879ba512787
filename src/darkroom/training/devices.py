"""Which processor trains and in which precision: chosen, and named aloud."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Literal

import msgspec

from darkroom.backend import keras


class Device(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run was trained on."""

    kind: Literal["cpu", "gpu", "tpu"]
    name: str  # for example `AMD EPYC, 2 cores`
    backend: str  # tensorflow, jax or torch
    precision: Literal["float32", "bfloat16"]

    def __str__(self) -> str:
        return f"{self.precision} on {self.kind.upper()} ({self.name}) · {self.backend}"


def choose_device(precision: Literal["auto", "float32", "bfloat16"] = "auto") -> Device:
    """Choose the device the backend would use, and a precision it computes fast.

    Args:
        precision: `auto` takes bfloat16 where the processor has instructions for it.

    Returns:
        The device; having no GPU is never an error.
    """
    listed = keras.distribution.list_devices() if keras.backend.backend() != "torch" else ["cpu:0"]
    kinds = {name.partition(":")[0].lower() for name in listed}
    kind: Literal["cpu", "gpu", "tpu"] = "cpu"
    if "gpu" in kinds or "cuda" in kinds:
        kind = "gpu"
    elif "tpu" in kinds:
        kind = "tpu"
    chosen: Literal["float32", "bfloat16"] = "float32"
    if precision == "bfloat16" or (precision == "auto" and (kind != "cpu" or _has_bfloat16())):
        chosen = "bfloat16"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    name = f"{_processor()}, {cores} cores" if kind == "cpu" else f"{len(listed)} x {kind.upper()}"
    return Device(kind=kind, name=name, backend=keras.backend.backend(), precision=chosen)


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
