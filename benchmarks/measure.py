"""How figures are taken: alternating pairs, medians with an interval, an A/A row, the machine."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from darkroom.processor import has_instructions

INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")  # they decide the precision
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("darkroom-vision", "keras", "tensorflow-cpu", "tensorflow", "numpy", "polars",
            "onnxruntime", "click", "pillow", "simplejpeg", "scikit-learn")  # fmt: skip


def test_data() -> Path:
    """Give the folder of real images."""
    root = Path(os.environ.get("DARKROOM_TEST_DATA", "../shared/data"))
    return root if root.is_absolute() else (Path(__file__).parent.parent / root).resolve()


def machine() -> dict[str, object]:
    """Describe what the figures were taken on."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": model or platform.processor(),
        "instructions": [name for name in INSTRUCTIONS if has_instructions(name)],
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": versions,
    }


def spread(values: Sequence[float]) -> dict[str, float | int]:
    """Give the median of some values with its 95 % interval by bootstrap."""
    drawn = np.random.default_rng(0).choice(np.asarray(values), (4000, len(values)))
    low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
    middle = float(np.median(values))
    return {"median": middle, "low": float(low), "high": float(high), "of": len(values)}


def paired(
    ours: Callable[[], float], theirs: Callable[[], float], pairs: int
) -> dict[str, dict[str, float | int]]:
    """Compare two measurements by alternating pairs, beside theirs against itself.

    Args:
        ours: Gives a quantity of which more is better, for example images/s.
        theirs: The same of what a user would pick instead.
        pairs: How many; the order within a pair changes every time.

    Returns:
        `ratio` (ours over theirs), `a_a` (theirs over theirs), and both quantities.
    """
    rows = []
    for number in range(pairs):
        order = [(0, ours), (1, theirs), (2, theirs)]
        order = order[number % 3 :] + order[: number % 3]
        rows.append([value for _, value in sorted((place, work()) for place, work in order)])
    table = np.array(rows)
    return {
        "ratio": spread(table[:, 0] / table[:, 1]),
        "a_a": spread(table[:, 2] / table[:, 1]),
        "ours": spread(table[:, 0]),
        "theirs": spread(table[:, 1]),
    }


def command(*words: str, env: dict[str, str] | None = None) -> float:
    """Time one whole process, in seconds; it must succeed."""
    tool = Path(sys.executable).parent / words[0]
    started = time.perf_counter()
    subprocess.run(
        [tool, *words[1:]], check=True, capture_output=True, env={**os.environ, **(env or {})}
    )
    return time.perf_counter() - started


def report(name: str, figures: dict[str, object], goals: dict[str, bool]) -> None:
    """Print a result and keep it."""
    result = {
        "name": name,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "figures": figures,
        "goals": {goal: bool(met) for goal, met in goals.items()},
        "machine": machine(),
    }
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=2) + "\n"
    (RESULTS / f"{name}.json").write_text(text)
    print(text, end="")
