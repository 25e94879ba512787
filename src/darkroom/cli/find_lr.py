"""`darkroom find-lr`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from darkroom.cli.options import as_json, as_settings, columns, settings
from darkroom.cli.printing import print_json, print_path, say

if TYPE_CHECKING:
    from darkroom.training.rate_search import RateSearch
    from darkroom.workspace import Workspace


@click.command()
@click.argument("source", required=False)
@click.option("--run", "run_name", metavar="RUN", help="Begin from the weights of a run.")
@click.option("--to", type=click.Path(path_type=Path), metavar="FILE", help="Where to draw it.")
@columns
@settings
@as_json
def find_lr(
    source: str | None,
    run_name: str | None,
    to: Path | None,
    settings: tuple[str, ...],
    as_json: bool,  # noqa: FBT001
    **named: str | None,
) -> None:
    """Find the learning rate at which a network learns fastest on a dataset.

    SOURCE is what `darkroom train` takes; without it, data.source of darkroom.toml. --run takes
    the run's dataset and recipe instead, and begins from a copy of its weights. Nothing is
    trained that is kept; the figure is an SVG that a browser opens.
    """
    import darkroom
    from darkroom.disk import write_file
    from darkroom.narration import line

    workspace, settings = darkroom.Workspace(), (*settings, *as_settings(**named))
    if run_name is None:
        search = _from_scratch(source, settings, workspace)
    else:
        _refuse_both(run_name, source, settings)
        from darkroom.training.find_rate import find_learning_rate  # takes seconds

        search = find_learning_rate(darkroom.open_run(run_name, workspace=workspace))
    path = to or workspace.root / "find-lr" / f"{search.dataset}.svg"
    write_file(path, search.figure.svg().encode())
    if as_json:
        print_json({"suggestion": search.suggestion, "figure": path, "search": search})
        return
    say(line("rate", *search.summary().split("; ")))
    if search.suggestion is not None and run_name is None:
        rate = f"optimizer.peak_lr={search.suggestion:g}"
        typed = [word for setting in (*settings, rate) for word in ("--set", setting)]
        say(line("next", shlex.join(["darkroom", "train", *([source] if source else []), *typed])))
    print_path(path)


def _from_scratch(
    source: str | None, settings: tuple[str, ...], workspace: Workspace
) -> RateSearch:
    from darkroom.project import open_project_data, read_project, split_project_data

    project = read_project(source, settings, tables=("data", "recipe"))
    from darkroom.training.find_rate import find_learning_rate  # takes seconds, after what is typed

    opened = open_project_data(project, workspace)
    dataset = split_project_data(project, opened, settings=settings)
    return find_learning_rate(dataset, project.recipe)


def _refuse_both(run_name: str, source: str | None, settings: tuple[str, ...]) -> None:
    from darkroom.errors import RecipeError

    if source or settings:
        raise RecipeError(
            f"--run {run_name} brings its own dataset and recipe, {source or settings[0]} was "
            "named as well",
            hint=f"darkroom find-lr --run {run_name}",
        )
