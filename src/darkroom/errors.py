"""Every error darkroom raises, drawn as one tree, and the search for the name that was meant.

An error says what is wrong (with the value and the place) and one action that mends it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LIKE = 0.55  # how alike a name is that was probably meant, 0..1
_LISTED = 8  # names in a hint; more are no help


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


class DivergenceError(RecipeError):
    """The loss of a training is no number any more: nothing good comes after it."""


class ArtifactError(DarkroomError):
    """A folder is missing, damaged, from a newer version, or does not match another."""


class GateError(DarkroomError):
    """A promise of the Problem is not met."""


class MissingExtra(DarkroomError):  # noqa: N818 - it names what is missing, as ModuleNotFoundError does
    """An optional dependency is not installed."""


class ServiceError(DarkroomError):
    """A machine, server or engine could not be reached or refused."""


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether Python, TensorFlow, JAX or PyTorch ran out of memory.

    Args:
        error: What was raised.
    """
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"MemoryError", "ResourceExhaustedError", "OutOfMemoryError"}:
        return True
    said = str(error).lower()
    signs = ("resource_exhausted", "out of memory", "can't allocate memory")
    return "RuntimeError" in kinds and any(sign in said for sign in signs)


_SETS = {
    "jax": "gpu",
    "lime": "explain",
    "numba": "explain",
    "openvino": "openvino",
    "optuna": "tune",
    "shap": "explain",
    "skimage": "explain",
    "sqlalchemy": "tune",
    "torch": None,
}


def missing_extra(missing: ModuleNotFoundError, what: str) -> MissingExtra:
    """Say which install set holds a package that is not there.

    Args:
        missing: What Python said.
        what: The command or name that needed it.
    """
    package = (missing.name or "a package").partition(".")[0]
    named = _SETS.get(package, "train")
    return MissingExtra(
        f"{what} needs the package {package}, which is not installed",
        hint=f"pip install 'darkroom-vision[{named}]'" if named else f"pip install {package}",
    )


def nearest(name: str, names: Iterable[str]) -> str:
    """Say which known name was probably meant, as the end of a hint.

    Args:
        name: What the user wrote.
        names: Everything that would have been accepted.

    Returns:
        The nearest name in backticks, or the first eight of all when none is near, and how many
        more there are.
    """
    known = sorted(names)
    close = difflib.get_close_matches(name, known, n=1, cutoff=_LIKE)
    close = close or [each for each in known if name in each.split("_")]  # `lr` of `peak_lr`
    if close:
        return f"`{close[0]}`"
    more = f" and {len(known) - _LISTED:,} more" if len(known) > _LISTED else ""
    return f"one of {', '.join(known[:_LISTED])}{more}"
