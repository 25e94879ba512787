"""`darkroom train`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from darkroom.cli.options import as_settings, columns, settings
from darkroom.cli.printing import print_path, say, say_findings

if TYPE_CHECKING:
    from pathlib import Path

    from darkroom.training.record import RunRecord


@click.command()
@click.argument("source", required=False)
@columns
@settings
@click.option("--despite", multiple=True, metavar="NAME", help="Go on despite this error finding.")
def train(
    source: str | None,
    settings: tuple[str, ...],
    despite: tuple[str, ...],
    **named: str | None,
) -> None:
    """Train a network on a dataset and keep its best weights.

    SOURCE is a folder, an archive, the URL of one, a table, shards, a built-in or a dataset of the
    workspace; without it, data.source of darkroom.toml.
    """
    import darkroom
    from darkroom.models.catalog import network_named
    from darkroom.narration import (
        line,
        shown,
        tell_dataset,
        tell_plan,
        tell_run,
        tell_split,
    )
    from darkroom.project import open_project_data, read_project, split_project_data
    from darkroom.wording import counted

    workspace, settings = darkroom.Workspace(), (*settings, *as_settings(**named))
    project = read_project(source, settings, tables=("data", "recipe"))
    network_named(project.recipe.model)  # a misspelt name is told before anything is read
    opened = open_project_data(project, workspace)
    dataset = split_project_data(project, opened, settings=settings)
    findings = darkroom.check_dataset(dataset)
    say(tell_dataset(dataset, findings))
    say_findings(findings)
    say(tell_split(dataset))
    started: list[Path] = []

    def announce(record: RunRecord, path: Path) -> None:
        started.append(path)
        say(tell_plan(record))

    try:
        run = darkroom.train(dataset, project.recipe, despite=despite, announce=announce)
    except KeyboardInterrupt:
        for path in started:
            stopped = darkroom.open_run(path)
            kept = "train" if stopped.record.best_epoch is None else f"evaluate {shown(path)}"
            done = counted(len(stopped.history), "epoch", "epochs")
            say(line("stopped", f"interrupted after {done}; darkroom {kept}"))
        raise
    say(tell_run(run))
    say(line("next", f"darkroom evaluate {shown(run.path)}"))
    print_path(run.path)
