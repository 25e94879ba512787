"""Imports point upstream only, and production does not carry the workshop."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def lint(config: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--config", str(config), "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_contracts_hold():
    done = lint(ROOT / "pyproject.toml")
    assert done.returncode == 0, done.stdout
    assert "2 kept, 0 broken" in done.stdout


def test_the_contracts_would_notice_an_arrow_that_runs_back(tmp_path):
    turned = tmp_path / "importlinter.toml"
    turned.write_text(
        '[tool.importlinter]\nroot_package = "darkroom"\n'
        '[[tool.importlinter.contracts]]\nname = "turned"\ntype = "layers"\n'
        'layers = ["darkroom.data", "darkroom.training"]\n'
    )
    done = lint(turned)
    assert done.returncode != 0
    assert "1 broken" in done.stdout


def test_every_module_has_its_place_in_the_layers():
    import tomllib

    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = contracts["contracts"][0]["layers"]
    placed = {name.strip() for layer in layers for name in layer.split("|")}
    rooms = {
        f"darkroom.{path.stem}"
        for path in (ROOT / "src" / "darkroom").iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").exists()) and path.stem != "__init__"
    }
    assert rooms == placed
