"""The code base stays small: modules, functions, parameters."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
NAMELESS = {"utils", "util", "helpers", "helper", "common", "manager", "base", "core", "misc"}


def long_functions(source: str, most: int = 80) -> list[str]:
    return [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno + 1 > most
    ]


def many_parameters(source: str, most: int = 6) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            names = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)]
            names += [arg.arg for arg in node.args.kwonlyargs]
            # A constructor's `self` and a command's `ctx` are not the caller's to give.
            if len([name for name in names if name not in ("self", "ctx")]) > most:
                found.append(node.name)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_module_is_at_most_500_lines(path):
    assert len(path.read_text().splitlines()) <= 500


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_a_test_module_is_at_most_800_lines(path):
    assert len(path.read_text().splitlines()) <= 800


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_function_is_at_most_80_lines(path):
    assert long_functions(path.read_text()) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_function_takes_at_most_six_parameters(path):
    allowed = {"__init__"} if path.stem == "batches" else set()  # a Keras subclass's settings
    assert set(many_parameters(path.read_text())) <= allowed


def test_no_room_is_without_a_name():
    names = {part for path in SOURCES for part in path.relative_to(ROOT / "src").parts}
    assert not {name.removesuffix(".py") for name in names} & NAMELESS


def test_the_measures_can_fail():
    long = "def long():\n" + "    pass\n" * 90
    assert long_functions(long) == ["long: 91 lines"]
    assert many_parameters("def many(a, b, c, d, *, e, f, g): ...") == ["many"]
    assert many_parameters("def few(self, a, b, c, *, d, e, f): ...") == []
