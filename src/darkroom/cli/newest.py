"""Which artifact is meant when none is named: the newest."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from darkroom.errors import ArtifactError
from darkroom.storage import Kind
from darkroom.workspace import Workspace


def newest(kind: Kind, named: str | None, *, state: Literal["open", "closed"] = "closed") -> Path:
    """Find an artifact by what was typed, or take the newest one of its kind.

    Raises:
        ArtifactError: There is none.
    """
    workspace = Workspace()
    if named is not None:
        return workspace.find(named, kind)
    for path, manifest in workspace.artifacts(kind):
        if manifest.state == state:
            return path
    if state == "open":
        raise ArtifactError(f"no {kind} in {workspace.root} was interrupted", hint="darkroom runs")
    raise ArtifactError(f"there is no {kind} in {workspace.root}", hint="darkroom train photos/")
