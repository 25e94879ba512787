"""`darkroom runs`, `darkroom bundles` and `darkroom lineage`."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

import click

from darkroom.cli.options import as_json
from darkroom.cli.printing import print_json, print_table, say
from darkroom.wording import percent

if TYPE_CHECKING:
    from darkroom.storage import Kind
    from darkroom.training.record import RunSummary


@click.command()
@as_json
def runs(as_json: bool) -> None:  # noqa: FBT001
    """List the runs of the workspace, the newest first."""
    import darkroom
    from darkroom.narration import line

    found = darkroom.list_runs()
    _say_damaged("run", {run.path for run in found})
    if as_json:
        print_json(found)
    elif not found:
        say("no runs yet; try: darkroom train photos/")
    else:
        waiting = [run.name for run in found if run.can_be_resumed]
        print_table(
            ["run", "model", "outcome", "epochs", "valid", "made"],
            [
                [
                    run.name,
                    run.model,
                    f"{run.outcome}, waits" if run.can_be_resumed else run.outcome,
                    str(run.epochs),
                    _valid(run),
                    run.made_at[:16].replace("T", " "),
                ]
                for run in found
            ],
        )
        if waiting:
            say(line("next", f"darkroom resume {quote(waiting[0])}"))


def _valid(run: RunSummary) -> str:
    if run.valid_error is not None:
        return f"error {run.valid_error:.4g}"
    return "-" if run.valid_accuracy is None else percent(run.valid_accuracy)


@click.command()
@as_json
def bundles(as_json: bool) -> None:  # noqa: FBT001
    """List the bundles of the workspace, the newest first."""
    import darkroom

    found = darkroom.list_bundles()
    _say_damaged("bundle", {bundle.path for bundle in found})
    if as_json:
        print_json(found)
    elif not found:
        say("no bundles yet; try: darkroom pack")
    else:
        print_table(
            ["bundle", "model", "score", "95 % interval", "made"],
            [
                [
                    bundle.name,
                    bundle.model,
                    f"{bundle.score.part} {percent(bundle.score.accuracy)}",
                    f"{percent(bundle.score.low)} .. {percent(bundle.score.high)}",
                    bundle.made_at[:16].replace("T", " "),
                ]
                for bundle in found
            ],
        )


@click.command()
@click.argument("artifact")
@as_json
def lineage(artifact: str, as_json: bool) -> None:  # noqa: FBT001
    """Walk the parents of an artifact, each before its own.

    ARTIFACT is a path or a name.
    """
    import darkroom
    from darkroom.cli.newest import meant

    workspace = darkroom.Workspace()
    steps = workspace.lineage(meant(artifact))
    if as_json:
        print_json(steps)
        return
    for step in steps:
        made = step.made_at[:16].replace("T", " ") if step.found else "not in this workspace"
        click.echo(f"{'  ' * step.depth}{step.kind} {step.name}  {made}  {step.id[:12]}")


def _say_damaged(kind: Kind, listed: set[str]) -> None:
    """Name the folders of a kind that the list leaves out; one that begins now is not damaged."""
    from darkroom.disk import STAGING
    from darkroom.storage import MANIFEST
    from darkroom.workspace import Workspace

    workspace = Workspace()
    begun = {str(path) for path, manifest in workspace.artifacts(kind) if manifest.state == "open"}
    whole = listed | begun
    folder = workspace.folder(kind)
    for path in sorted(manifest.parent for manifest in folder.glob(f"**/{MANIFEST}")):
        staging = any(part.startswith(STAGING) for part in path.relative_to(folder).parts)
        # What lies in a run under way is a checkpoint.
        if not staging and whole.isdisjoint(map(str, (path, *path.parents))):
            say(f"damaged: {path}")
