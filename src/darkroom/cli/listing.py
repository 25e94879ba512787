"""`darkroom runs`, `darkroom bundles` and `darkroom lineage`."""

from __future__ import annotations

import click

from darkroom.cli.options import as_json
from darkroom.cli.printing import print_json, print_table, say


@click.command()
@as_json
def runs(as_json: bool) -> None:  # noqa: FBT001
    """List the runs of the workspace, the newest first."""
    import darkroom

    found = darkroom.list_runs()
    if as_json:
        print_json(found)
    elif not found:
        say("no runs yet; try: darkroom train photos/")
    else:
        print_table(
            ["run", "model", "outcome", "epochs", "valid", "made"],
            [
                [
                    run.name,
                    run.model,
                    run.outcome,
                    str(run.epochs),
                    "-" if run.valid_accuracy is None else f"{run.valid_accuracy:.1%}",
                    run.made_at[:16].replace("T", " "),
                ]
                for run in found
            ],
        )


@click.command()
@as_json
def bundles(as_json: bool) -> None:  # noqa: FBT001
    """List the bundles of the workspace, the newest first."""
    import darkroom

    found = darkroom.list_bundles()
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
                    f"{bundle.score.part} {bundle.score.accuracy:.1%}",
                    f"{bundle.score.low:.1%} .. {bundle.score.high:.1%}",
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

    workspace = darkroom.Workspace()
    steps = workspace.lineage(workspace.find(artifact))
    if as_json:
        print_json(steps)
        return
    for step in steps:
        made = step.made_at[:16].replace("T", " ") if step.found else "not in this workspace"
        click.echo(f"{'  ' * step.depth}{step.kind} {step.name}  {made}  {step.id[:12]}")
