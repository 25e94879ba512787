"""The catalog of methods that explain, and the choice among them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import msgspec

from darkroom.errors import RecipeError, missing_extra, nearest
from darkroom.evaluation.explain.grad_cam import GRAD_CAM
from darkroom.evaluation.explain.gradients import GRADIENTS
from darkroom.evaluation.explain.heat import Asked, Method
from darkroom.evaluation.explain.insides import INSIDES
from darkroom.evaluation.explain.integrated_gradients import INTEGRATED_GRADIENTS
from darkroom.evaluation.explain.lime import LIME
from darkroom.evaluation.explain.occlusion import OCCLUSION
from darkroom.evaluation.explain.shap import SHAP
from darkroom.evaluation.explain.subject import Subject

METHODS: dict[str, Method] = {
    method.name: method
    for method in (GRAD_CAM, GRADIENTS, INTEGRATED_GRADIENTS, OCCLUSION, LIME, SHAP)
}
_QUICK = 100  # answers for each image; what takes more has to be asked for


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be made for a subject."""

    methods: tuple[Method, ...]
    insides: tuple[str, ...]


def choose_methods(
    subject: Subject, names: Sequence[str] | None = None, *, answers: int | None = None
) -> Chosen:
    """Look methods up, or take all that are quick and work for a subject.

    Args:
        subject: To be explained.
        names: In `METHODS` or `INSIDES`; None: the quick ones.
        answers: That each may spend on an image; None: what is usual for it.

    Raises:
        RecipeError: There is no such method, the subject has not what it needs, or so few answers
            tell nothing.
        MissingExtra: The package of one is not installed.
    """
    if names is None:
        quick = [each for each in METHODS.values() if each.answers <= _QUICK and not each.package]
        names = [each.name for each in quick if not _why_not(subject, each.needs)]
        names += [] if _why_not(subject, "maps") else INSIDES
    for name in names:
        _refuse(subject, name)
    methods = tuple(METHODS[name] for name in dict.fromkeys(names) if name in METHODS)
    for method in methods:
        if answers is not None and method.fewest > 1 and answers < method.fewest:
            raise RecipeError(
                f"{method.name} tells nothing with {answers} answers for an image",
                hint=f"--budget {method.answers}, or at least {method.fewest}",
            )
    return Chosen(methods=methods, insides=tuple(name for name in INSIDES if name in names))


def spends(method: Method, answers: int | None, seed: int) -> Asked:
    """Say what a method may spend: its usual, or what was asked where that matters."""
    wanted = method.answers if answers is None or method.answers == 1 else answers
    return Asked(answers=wanted, seed=seed)


def _refuse(subject: Subject, name: str) -> None:
    if name not in METHODS and name not in INSIDES:
        raise RecipeError(
            f"there is no method `{name}`",
            hint=f"did you mean {nearest(name, [*METHODS, *INSIDES])}?",
        )
    why = _why_not(subject, METHODS[name].needs if name in METHODS else "maps")
    if why:
        working = [each.name for each in METHODS.values() if not _why_not(subject, each.needs)]
        hint = f"--method {working[0]}, or one of {', '.join(working[1:])}"
        raise RecipeError(f"{name} {why}", hint=hint)
    package = METHODS[name].package if name in METHODS else None
    if package and find_spec(package) is None:
        gone = ModuleNotFoundError(f"No module named {package!r}", name=package)
        raise missing_extra(gone, f"the method {name}")


def _why_not(subject: Subject, needs: str) -> str:
    """Say why a method cannot explain a subject; empty where it can."""
    if needs == "answers":
        return ""
    if subject.inside is None:
        return f"looks into a network, and the bundle {subject.name} only answers"
    if needs == "maps" and not subject.inside.convolutions:
        return (
            f"looks at convolutions, and {subject.inside.network.name} of {subject.name} has none"
        )
    return ""
