"""What `import darkroom` promises: its names, lazily, the same to people and to type checkers."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import darkroom
from darkroom.errors import MissingExtra

STUB = Path(darkroom.__file__).with_suffix(".pyi")


def test_the_stub_names_what_the_module_resolves():
    tree = ast.parse(STUB.read_text())
    names = {
        alias.asname: f"{node.module}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    names.pop("__version__")
    homes = {name: f"darkroom.{home}" for name, home in darkroom._HOMES.items()}
    assert names == homes


@pytest.mark.parametrize("name", darkroom.__all__)
def test_a_public_name_resolves_and_is_documented(name):
    value = getattr(darkroom, name)
    if callable(value):
        assert inspect.getdoc(value)
    assert name in dir(darkroom)


@pytest.mark.parametrize(
    "name", [name for name in darkroom.__all__ if inspect.isfunction(getattr(darkroom, name))]
)
def test_a_public_function_documents_its_arguments_and_errors(name):
    function = getattr(darkroom, name)
    words = inspect.getdoc(function)
    assert len(words.splitlines()[0]) <= 88
    for parameter in inspect.signature(function).parameters:
        if parameter != "workspace" or name in ("open_dataset", "train", "evaluate", "pack"):
            assert f"{parameter}:" in words or len(inspect.signature(function).parameters) <= 2


def test_importing_darkroom_imports_nothing_heavy():
    code = "import sys, darkroom; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"numpy", "keras", "polars", "msgspec", "click"}


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError):
        _ = darkroom.no_such_name


def test_a_missing_package_is_named_with_its_install_set():
    code = (
        "import sys; sys.modules['polars'] = None\n"
        "import darkroom\n"
        "try: darkroom.open_dataset\n"
        "except darkroom.MissingExtra as missing: print(missing.hint)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "darkroom-vision[train]" in done.stdout
    assert issubclass(MissingExtra, darkroom.DarkroomError)
