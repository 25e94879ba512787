"""Which artifact is meant: the one that was named, or else the newest."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Literal

from darkroom.errors import ArtifactError
from darkroom.storage import Kind
from darkroom.workspace import Workspace


def meant(named: str, *kinds: Kind) -> Path:
    """Find an artifact by what was typed, and say which when only its beginning was.

    Raises:
        ArtifactError: Nothing or more than one thing is meant.
    """
    from darkroom.cli.printing import say
    from darkroom.narration import line, shown

    path = Workspace().find(named, *kinds)
    typed = Path(named)
    if path.parts[-len(typed.parts) :] != typed.parts:
        say(line("meant", f"{shown(path)}, the only one that begins with {named}"))
    return path


def newest_evaluation(named: str | None) -> Path:
    """Find an evaluation by its name, the latest one of a run that was named, or the newest.

    Raises:
        ArtifactError: There is none.
    """
    if named is None:
        return newest("evaluation", None)
    try:
        return meant(named, "evaluation")
    except ArtifactError as unknown:
        try:
            path = Workspace().find(named, "run")
        except ArtifactError:
            raise unknown from None
    for evaluation in Workspace(path.parent.parent).children(path, "evaluation"):
        return evaluation
    raise ArtifactError(
        f"{path.name} has not been evaluated", hint=shlex.join(["darkroom", "evaluate", named])
    )


def newest(kind: Kind, named: str | None, *, state: Literal["open", "closed"] = "closed") -> Path:
    """Find an artifact by what was typed, or take the newest one of its kind.

    Raises:
        ArtifactError: There is none.
    """
    workspace = Workspace()
    if named is not None:
        return meant(named, kind)
    for path, manifest in workspace.artifacts(kind):
        if manifest.state == state:
            return path
    if state == "open":
        raise ArtifactError(f"no {kind} in {workspace.root} was interrupted", hint="darkroom runs")
    raise ArtifactError(f"there is no {kind} in {workspace.root}", hint="darkroom train photos/")
