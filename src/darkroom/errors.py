"""Every error darkroom raises, drawn as one tree, and the search for the name that was meant.

An error says what is wrong (with the value and the place) and one action that mends it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DarkroomError(Exception):
    """Something the user can mend.

    Args:
        problem: What is wrong, with the value that was got and where.
        hint: One runnable action.
    """

    def __init__(self, problem: str, *, hint: str) -> None:
        super().__init__(problem, hint)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.problem}\n  try: {self.hint}"


class DataError(DarkroomError):
    """The images, labels or split are wrong."""


class RecipeError(DarkroomError):
    """The settings are wrong, or clash with each other."""


class ArtifactError(DarkroomError):
    """A folder is missing, damaged, from a newer version, or does not match another."""


class GateError(DarkroomError):
    """A promise of the Problem is not met."""


class MissingExtra(DarkroomError):  # noqa: N818 - it names what is missing, as ModuleNotFoundError does
    """An optional dependency is not installed."""


class ServiceError(DarkroomError):
    """A machine, server or engine could not be reached or refused."""


def nearest(name: str, names: Iterable[str]) -> str:
    """Say which known name was probably meant, as the end of a hint.

    Args:
        name: What the user wrote.
        names: Everything that would have been accepted.

    Returns:
        The nearest name in backticks, or the list of all of them when none is near.
    """
    known = sorted(names)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"`{close[0]}`" if close else "one of " + ", ".join(known)
