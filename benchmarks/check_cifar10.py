"""`check` of all 60,000 images of CIFAR-10, near duplicates and all, with nothing measured before.

One process a run, pixels cached by opening; beside it the same check once more, all from caches.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import report, spread, test_data

RUNS = 3

CHECK = """
import json, resource, sys, time
import darkroom
archive, folder = sys.argv[1:]
rows = []
for _ in range(2):  # another object each time: one object remembers its findings
    dataset = darkroom.open_dataset(archive, workspace=darkroom.Workspace(folder))
    wall, cpu = time.perf_counter(), time.process_time()
    findings = darkroom.check_dataset(dataset)
    rows.append((time.perf_counter() - wall, time.process_time() - cpu))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps([len(dataset.index), rows, peak, [found.name for found in findings]]))
"""


def checked(archive: Path) -> tuple[list[list[float]], int, list[str]]:
    """Check once in a process and a workspace of its own."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-c", CHECK, str(archive), folder]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
    images, rows, peak, findings = json.loads(done.stdout.splitlines()[-1])
    if images != 60_000:
        raise SystemExit(f"{images} images instead of 60,000")
    return rows, peak, findings


def main() -> None:
    archive = test_data() / "cifar10-jpeg.zip"
    if not archive.exists():
        raise SystemExit(f"{archive} is not there; set DARKROOM_TEST_DATA")
    runs = [checked(archive) for _ in range(RUNS)]
    figures = {
        "check_s": spread([rows[0][0] for rows, _, _ in runs]),
        "check_cpu_s": spread([rows[0][1] for rows, _, _ in runs]),
        "check_again_s": spread([rows[1][0] for rows, _, _ in runs]),
        "peak_memory_bytes": max(peak for _, peak, _ in runs),
        "findings": runs[0][2],
    }
    goals = {"60,000 images in 60 s": figures["check_s"]["median"] <= 60}
    report("check_cifar10", figures, goals)


if __name__ == "__main__":
    main()
