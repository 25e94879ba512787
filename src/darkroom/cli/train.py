"""`darkroom train`."""

from __future__ import annotations

from shlex import quote

import click

from darkroom.cli.options import as_json, as_settings, columns, settings
from darkroom.cli.printing import say, say_findings


@click.command()
@click.argument("source", required=False)
@columns
@settings
@click.option("--despite", multiple=True, metavar="NAME", help="Go on despite this error finding.")
@as_json
def train(
    source: str | None,
    settings: tuple[str, ...],
    despite: tuple[str, ...],
    as_json: bool,  # noqa: FBT001
    **named: str | None,
) -> None:
    """Train a network on a dataset and keep its best weights.

    SOURCE is a folder, an archive, the URL of one, a table, shards, a built-in or a dataset of the
    workspace; without it, data.source of darkroom.toml.
    """
    import darkroom
    from darkroom.cli.training import tell_trained, told_when_stopped
    from darkroom.narration import line, shown, tell_dataset, tell_split
    from darkroom.project import open_project_data, read_project, split_project_data

    workspace, settings = darkroom.Workspace(), (*settings, *as_settings(**named))
    project = read_project(source, settings, tables=("data", "recipe"))
    from darkroom.models.catalog import (
        network_named,  # takes seconds: a wrong setting is told first
    )
    from darkroom.training.resume import find_left_behind

    if project.recipe.model:
        network_named(project.recipe.model)  # a misspelt name is told before anything is read
    opened = open_project_data(project, workspace)
    dataset = split_project_data(project, opened, settings=settings)
    findings = darkroom.check_dataset(dataset)
    say(tell_dataset(dataset, findings))
    say_findings(findings)
    say(tell_split(dataset))
    for path in find_left_behind(dataset):
        say(
            line(
                "note",
                f"{path.name} was interrupted on other images or parts of {dataset.record.name} "
                f"and is left as it is: darkroom resume {quote(shown(path))}",
            )
        )
    with told_when_stopped() as announce:
        run = darkroom.train(dataset, project.recipe, despite=despite, announce=announce)
    tell_trained(run, as_json=as_json)
