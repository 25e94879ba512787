"""How long the commands take that must feel instant: `--help`, and `predict` on one image."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import darkroom
from benchmarks.measure import command, report, spread

RUNS = 15
HEAVY = ("keras", "tensorflow", "jax", "torch", "polars", "sklearn", "onnxruntime", "rich")


def imported_by(*arguments: str) -> list[str]:
    """List the heavy packages that a command imports."""
    code = (
        "import sys, contextlib\n"
        "from darkroom.cli import main\n"
        f"with contextlib.suppress(SystemExit): main({list(arguments)!r})\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return [name for name in HEAVY if f"'{name}'" in done.stderr.splitlines()[-1]]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = darkroom.Workspace(Path(folder) / "workspace")
        data = darkroom.split_dataset(darkroom.open_dataset("builtin:digits", workspace=workspace))
        run = darkroom.train(data, darkroom.Recipe(epochs=1))
        bundle = darkroom.pack(run, darkroom.evaluate(run))
        image = str(next((bundle.path / "golden").glob("*.png")))
        predict = ("predict", str(bundle.path), image)
        command("darkroom", "--help")
        command("darkroom", *predict)
        helps = spread([command("darkroom", "--help") for _ in range(RUNS)])
        predicts = spread([command("darkroom", *predict) for _ in range(RUNS)])
        python = spread([command("python", "-c", "pass") for _ in range(RUNS)])
        loaded_by_predict = imported_by(*predict)
    loaded_by_help = imported_by("--help")
    report(
        "start_up",
        {
            "help_s": helps,
            "predict_one_image_s": predicts,
            "python_itself_s": python,
            "help_imports": loaded_by_help,
            "predict_imports": loaded_by_predict,
        },
        {
            "--help in 120 ms": helps["median"] <= 0.120,
            "--help imports nothing heavy": not loaded_by_help,
            "predict in 0.5 s": predicts["median"] <= 0.5,
            "predict imports no training framework": not {"keras", "tensorflow", "jax", "torch"}
            & set(loaded_by_predict),
        },
    )


if __name__ == "__main__":
    main()
