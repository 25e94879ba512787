"""The command line starts light, says the same as the code, and grows no flags unnoticed."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from darkroom.cli import COMMANDS, darkroom, first_line

FLAGS = Path(__file__).parent / "flags.txt"
HEAVY = {"keras", "tensorflow", "jax", "torch", "polars", "sklearn", "onnxruntime", "rich",
         "numpy", "msgspec", "PIL"}  # fmt: skip


def command(name: str) -> click.Command:
    return darkroom.get_command(click.Context(darkroom), name)


def modules_after(*arguments: str) -> set[str]:
    code = (
        "import sys, contextlib\nfrom darkroom.cli import main\n"
        f"with contextlib.suppress(SystemExit): main({list(arguments)!r})\n"
        "print('\\n' + ' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"]])
def test_help_imports_nothing_heavy(arguments):
    assert not modules_after(*arguments) & HEAVY


def test_that_test_can_fail():
    assert modules_after("runs") & HEAVY


def test_checking_imports_no_training_framework(tmp_path):
    loaded = modules_after("check", str(tmp_path))
    assert "polars" in loaded
    assert not loaded & {"keras", "tensorflow", "sklearn", "altair"}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_commands_help_begins_as_its_functions_docstring_does(name):
    _, module, function = COMMANDS[name]
    home = import_module(f"darkroom.{module}")
    owner = next(
        (value for value in [home, *vars(home).values()]
         if callable(getattr(value, function, None)) and (value is home or inspect.isclass(value))),
        None,
    )  # fmt: skip
    docstring = inspect.getdoc(getattr(owner, function)).splitlines()[0]
    assert first_line(name) == docstring
    shown = command(name).help.splitlines()[0]
    # `lineage` and the lists word the same thing for a terminal.
    assert shown == docstring or name == "lineage"


def test_the_flags_are_the_frozen_ones():
    lines = []
    for name in sorted(COMMANDS):
        for parameter in command(name).params:
            words = " ".join(parameter.opts) if isinstance(parameter, click.Option) else (
                parameter.human_readable_name
            )  # fmt: skip
            lines.append(f"{name} {words}")
    assert lines == FLAGS.read_text().splitlines(), "a new flag is a decision: add it to flags.txt"


def test_every_option_says_what_it_does():
    for name in COMMANDS:
        for parameter in command(name).params:
            if isinstance(parameter, click.Option) and parameter.name != "part":
                assert parameter.help, (name, parameter.name)
