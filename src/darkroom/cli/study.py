"""`darkroom study`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from darkroom.cli.options import as_json, as_settings, columns, settings
from darkroom.cli.printing import print_json, print_path, say, say_below
from darkroom.wording import counted

if TYPE_CHECKING:
    from darkroom.training.studies import StudyName
    from darkroom.training.study import Grid

WHATS = ("batch-size", "data-size", "seeds")


@click.command()
@click.argument("what", type=click.Choice(WHATS))
@click.argument("source", required=False)
@click.option("--values", metavar="A,B,C", help="Batch sizes, or shares of the training part.")
@click.option("--seeds", type=int, help="Repeats of each value; left out: 3, of `seeds` 5.")
@click.option("--yes", is_flag=True, help="Do not ask before more than half an hour.")
@click.option("--to", type=click.Path(path_type=Path), metavar="FILE", help="Where to draw it.")
@click.option("--despite", multiple=True, metavar="NAME", help="Go on despite this error finding.")
@columns
@settings
@as_json
def study(
    what: str,
    source: str | None,
    to: Path | None,
    settings: tuple[str, ...],
    as_json: bool,  # noqa: FBT001
    **typed: Any,
) -> None:
    """Train a small grid that varies one thing, and say what it does.

    WHAT is the batch size, the number of training images (would more of them help?) or the seed
    alone. SOURCE is what `darkroom train` takes; without it, data.source of darkroom.toml.
    Runs that are finished already are taken, so a study that was stopped goes on when it is typed
    again. The figure is an SVG.
    """
    import darkroom
    from darkroom.cli.asking import asking, kept_when_stopped
    from darkroom.disk import write_file
    from darkroom.narration import line
    from darkroom.project import open_project_data, read_project, split_project_data

    values, seeds, yes, despite = (typed.pop(n) for n in ("values", "seeds", "yes", "despite"))
    sizes = _numbers(values)
    workspace, settings = darkroom.Workspace(), (*settings, *as_settings(**typed))
    project = read_project(source, settings, tables=("data", "recipe"))
    from darkroom.training.study import plan_study, run_study  # takes seconds, after what is typed

    opened = open_project_data(project, workspace)
    dataset = split_project_data(project, opened, settings=settings)
    grid = plan_study(
        dataset,
        project.recipe,
        cast("StudyName", what),
        values=sizes,
        seeds=seeds,
        despite=despite,
    )
    say(
        line(
            "study",
            what,
            f"{counted(len(grid.cells), 'run', 'runs')} of {grid.model}",
            *_tell_taken(grid),
        )
    )
    with kept_when_stopped():
        found = run_study(grid, ask=asking("the other trainings", is_sure=yes))
    path = to or workspace.root / "studies" / f"{found.dataset}-{what}.svg"
    write_file(path, found.figure.svg().encode())
    if as_json:
        print_json({"summary": found.summary(), "figure": path, "study": found})
        return
    say(line("study", *found.summary().split("; ")))
    for why in found.left_out:
        say_below(f"left out: {why}")
    print_path(path)


def _tell_taken(grid: Grid) -> list[str]:
    taken = len(grid.cells) - grid.waiting()
    return [f"{taken} of them finished already"] if taken else []


def _numbers(values: str | None) -> list[float] | None:
    """Read `16,32,64`."""
    if values is None:
        return None
    try:
        return [float(word) for word in values.split(",")]
    except ValueError as wrong:
        raise click.UsageError(f"--values {values}: {wrong}; write 16,32,64") from wrong
