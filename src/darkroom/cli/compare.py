"""`darkroom compare`."""

from __future__ import annotations

from pathlib import Path

import click

from darkroom.cli.options import as_json
from darkroom.cli.printing import print_json, print_path, print_table, say

_CLASSES = 6  # to name on the terminal, those that fell most first


@click.command()
@click.argument("evaluations", nargs=-1, metavar="BEFORE AFTER [MORE]...")
@click.option(
    "--part",
    type=click.Choice(["train", "valid", "test"]),
    default="test",
    show_default=True,
    help="Of which a run's evaluation is meant.",
)
@click.option(
    "--all", "with_all", is_flag=True, help="List all that cover the same images as the newest."
)
@click.option("--to", type=click.Path(path_type=Path), metavar="FILE", help="Where to write it.")
@as_json
def compare(
    evaluations: tuple[str, ...],
    part: str,
    with_all: bool,  # noqa: FBT001
    to: Path | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Say which of two evaluations of the same images is better, and where.

    Each is an evaluation or a run, by path or name; of a run its latest evaluation of --part. More
    than two are listed by recipe, with the spread over their seeds.
    """
    if with_all == bool(evaluations) or len(evaluations) == 1:
        raise click.UsageError("name two evaluations or runs or more, or --all")
    if with_all or len(evaluations) > 2:
        if to is not None:
            raise click.UsageError("--to belongs to two evaluations")
        _list(evaluations, part, as_json=as_json)
        return
    import darkroom
    from darkroom.evaluation.compare import compare, find_evaluation
    from darkroom.evaluation.compare_page import write_comparison
    from darkroom.narration import line, shown

    before, after = (find_evaluation(each, part=part) for each in evaluations)
    comparison = compare(before, after)
    path = to or darkroom.Workspace().root / "compare" / f"{before.name}-{after.name}.html"
    write_comparison(path, before, after, comparison)
    if as_json:
        print_json({"verdict": comparison.verdict, "page": path, "comparison": comparison})
        return
    say(line("compare", *comparison.summary().split("; ")))
    if comparison.leaked and comparison.without_leaks:
        say(line("leaks", f"with them: {comparison.told(comparison.difference)}"))
    called = [each for each in comparison.classes if each.verdict]
    for each in sorted(called, key=lambda each: each.difference.value or 0.0)[:_CLASSES]:
        say(line(each.verdict or "", f"{each.name}: {each.before}, now {each.after}"))
    if len(called) > _CLASSES:
        say(line("classes", f"{len(called) - _CLASSES:,} more have changed; see the page"))
    say(line("page", shown(path)))
    print_path(path)


def _list(evaluations: tuple[str, ...], part: str, *, as_json: bool) -> None:
    from darkroom.evaluation.leaderboard import compare_many
    from darkroom.narration import line

    board = compare_many(evaluations, part=part)
    if as_json:
        print_json(board)
        return
    say(line("compare", board.summary()))
    for words in board.left_out:
        say(line("left out", words))
    print_table(board.head, board.rows())
