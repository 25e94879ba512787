"""`darkroom tune`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from darkroom.cli.options import as_json, as_settings, columns, settings
from darkroom.cli.printing import print_json, print_path, say, say_below
from darkroom.wording import counted

if TYPE_CHECKING:
    from darkroom.training.tuning import Tuning

PRUNINGS = ("percentile", "median", "hyperband", "none")


@click.command()
@click.argument("source", required=False)
@click.option(
    "--space",
    "spaces",
    multiple=True,
    metavar="NAME=VALUES",
    help="What may vary: 1e-4..1e-1:log, 0..0.5, 16,32,64, or none.",
)
@click.option("--trials", type=int, default=20, show_default=True, help="In all, earlier ones too.")
@click.option("--workers", type=int, default=1, show_default=True, help="That train at once.")
@click.option(
    "--pruning",
    type=click.Choice(PRUNINGS),
    default="percentile",
    show_default=True,
    help="How trials that fall behind are cut short.",
)
@click.option("--seeds", type=int, default=4, show_default=True, help="Fresh ones for the winner.")
@click.option("--yes", is_flag=True, help="Do not ask before more than half an hour.")
@click.option("--to", type=click.Path(path_type=Path), metavar="FILE", help="Where to draw it.")
@click.option("--despite", multiple=True, metavar="NAME", help="Go on despite this error finding.")
@columns
@settings
@as_json
def tune(
    source: str | None,
    to: Path | None,
    settings: tuple[str, ...],
    as_json: bool,  # noqa: FBT001
    **typed: Any,
) -> None:
    """Search for better settings of a recipe, on the validation part alone.

    SOURCE is what `darkroom train` takes; without it, data.source of darkroom.toml. What may vary
    stands in its table [tune] or is typed; else it is a few settings that the recipe leaves open.
    Typed again, a search goes on where it was stopped; typed in another terminal at the same time,
    both work on it. The winner is trained with fresh seeds beside the starting recipe before it is
    believed. The figure is an SVG.
    """
    import darkroom
    from darkroom.cli.asking import asking, kept_when_stopped
    from darkroom.disk import write_file
    from darkroom.narration import line, shown
    from darkroom.project import open_project_data, read_project, split_project_data
    from darkroom.training.space import read_space

    trials, spaces, yes, despite = (typed.pop(n) for n in ("trials", "spaces", "yes", "despite"))
    how = {name: typed.pop(name) for name in ("workers", "pruning", "seeds")}
    workspace, settings = darkroom.Workspace(), (*settings, *as_settings(**typed))
    project = read_project(source, settings, tables=("data", "recipe"))
    space = read_space(project.tune, spaces)
    from darkroom.training.tune import plan_search, run_search  # takes seconds, after what is typed
    from darkroom.training.tuning import Search

    search = Search(**how)
    opened = open_project_data(project, workspace)
    dataset = split_project_data(project, opened, settings=settings)
    planned = plan_search(
        dataset, project.recipe, space, trials=trials, search=search, despite=despite
    )
    say(
        line(
            "search",
            f"{counted(trials, 'trial', 'trials')} of {planned.model}",
            shown(planned.storage),
        )
    )
    for name, values in planned.job.plan.space.items():
        say_below(f"{name}: {values if not isinstance(values, tuple) else list(values)}")
    with kept_when_stopped():
        found = run_search(planned, ask=asking("the other trainings", is_sure=yes))
    path = to or planned.storage.with_suffix(".svg")
    write_file(path, found.figure.svg().encode())
    if as_json:
        print_json({"believed": found.is_believed, "figure": shown(path), "tuning": found})
        return
    say(line("search", *found.summary().split("; ")))
    _say_more(found, source, settings)
    print_path(path)


def _say_more(found: Tuning, source: str | None, settings: tuple[str, ...]) -> None:
    """Say which setting mattered, what is to be noted, and what to type next."""
    from darkroom.narration import line

    if found.importance:
        shares = (f"{name} {100 * share:.0f} %" for name, share in found.importance.items())
        say(line("matters", *shares))
    for note in found.notes:
        say(line("note", note))
    if found.is_believed:
        typed = [word for one in (*settings, *found.typed) for word in ("--set", one)]
        say(line("next", shlex.join(["darkroom", "train", *([source] if source else []), *typed])))
