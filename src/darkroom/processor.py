"""What this machine's processor is called and which instructions it has, as Linux tells it."""

from __future__ import annotations

import functools
import platform
from pathlib import Path


def processor_name() -> str:
    """Name the processor, or at least its kind."""
    return _facts("model name") or platform.processor() or platform.machine()


def has_instructions(*flags: str) -> bool:
    """Tell whether the processor has one of these sets of instructions.

    Args:
        flags: As Linux names them: `avx2`, `avx512_bf16`.

    Returns:
        False as well where nothing is told, as on a Mac.
    """
    return not set(flags).isdisjoint(_facts("flags").split())


@functools.cache
def _facts(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")
