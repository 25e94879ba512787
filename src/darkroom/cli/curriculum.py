"""`darkroom curriculum`."""

from __future__ import annotations

from pathlib import Path

import click

from darkroom.cli.options import as_json, as_settings, columns, settings
from darkroom.cli.printing import print_json, print_path, say


@click.command()
@click.argument("source", required=False)
@click.option("--seeds", type=int, default=3, show_default=True, help="Pairs of trainings.")
@click.option("--to", type=click.Path(path_type=Path), metavar="FILE", help="Where to draw it.")
@click.option("--despite", multiple=True, metavar="NAME", help="Go on despite this error finding.")
@columns
@settings
@as_json
def curriculum(
    source: str | None,
    seeds: int,
    to: Path | None,
    despite: tuple[str, ...],
    settings: tuple[str, ...],
    as_json: bool,  # noqa: FBT001
    **named: str | None,
) -> None:
    """Train with a curriculum and in random order, and say which is better.

    SOURCE is what `darkroom train` takes; without it, data.source of darkroom.toml. The recipe
    names the curriculum: `--set curriculum.difficulty=edges`. The figure is an SVG.
    """
    import darkroom
    from darkroom.cli.asking import kept_when_stopped
    from darkroom.disk import write_file
    from darkroom.narration import line
    from darkroom.project import open_project_data, read_project, split_project_data

    workspace, settings = darkroom.Workspace(), (*settings, *as_settings(**named))
    project = read_project(source, settings, tables=("data", "recipe"))
    from darkroom.training.trial import try_curriculum  # takes seconds, after what is typed

    opened = open_project_data(project, workspace)
    dataset = split_project_data(project, opened, settings=settings)
    with kept_when_stopped():
        trial = try_curriculum(dataset, project.recipe, seeds=seeds, despite=despite)
    path = to or workspace.root / "curriculum" / f"{trial.dataset}.svg"
    write_file(path, trial.figure.svg().encode())
    say(line("orders", *trial.summary().split("; ")))
    say(line("runs", *(f"{eased}, {control}" for eased, control in (p.runs for p in trial.pairs))))
    if as_json:
        print_json({"winner": trial.winner, "figure": path, "trial": trial})
    else:
        print_path(path)
