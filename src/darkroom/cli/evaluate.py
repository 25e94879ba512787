"""`darkroom evaluate`."""

from __future__ import annotations

import click

from darkroom.cli.options import as_json, settings
from darkroom.cli.printing import print_json, print_path, say


@click.command()
@click.argument("run", required=False)
@click.option(
    "--part", type=click.Choice(["train", "valid", "test"]), default="test", show_default=True
)
@settings
@as_json
def evaluate(
    run: str | None,
    part: str,
    settings: tuple[str, ...],
    as_json: bool,  # noqa: FBT001
) -> None:
    """Measure a run on a part of its dataset, with error bars.

    RUN is a path or a name; without it, the newest run. The test part is sealed: every look at it
    is counted. [problem] of darkroom.toml says which numbers are to be reached.
    """
    import darkroom
    from darkroom.cli.newest import newest
    from darkroom.narration import line, shown, tell_evaluation
    from darkroom.project import read_project

    problem = read_project(None, settings, tables=("problem",)).problem
    path = newest("run", run)
    evaluation = darkroom.evaluate(path, part=part, problem=problem)
    if as_json:
        print_json(
            {
                "path": evaluation.path,
                "record": evaluation.record,
                "metrics": evaluation.metrics,
                "report": evaluation.report,
            }
        )
        return
    for words in tell_evaluation(evaluation):
        say(words)
    verb = "pack" if part == "test" else "evaluate"  # pack quotes the test part's score
    say(line("next", f"darkroom {verb} {shown(path)}"))
    print_path(evaluation.path)
