"""The command a newcomer types first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import darkroom


def test_quickstart_tells_what_each_step_proved_and_ends_with_the_bundle(tmp_path):
    done = subprocess.run(
        [Path(sys.executable).parent / "darkroom", "quickstart"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
        env={name: value for name, value in os.environ.items() if name != "DARKROOM_WORKSPACE"},
    )  # fmt: skip
    stages = [line.split()[0] for line in done.stderr.splitlines() if line.startswith("  ")]
    order = ["data", "split", "train", "trained", "evaluate", "report", "pack", "predict", "next"]
    assert [stage for stage in stages if stage in order] == order
    assert done.stdout == "workspace/bundles/digits/0.1.0\n"
    bundle = darkroom.open_bundle(tmp_path / "workspace/bundles/digits/0.1.0")
    assert bundle.record.score.accuracy >= 0.97
    assert bundle.record.proof.same_answers == 272
