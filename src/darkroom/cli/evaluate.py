"""`darkroom evaluate`."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from darkroom.cli.options import as_json, settings
from darkroom.cli.printing import print_json, print_path, say, say_diagnosis

if TYPE_CHECKING:
    from darkroom.evaluation.evaluation import Evaluation


@click.command()
@click.argument("run", required=False)
@click.option(
    "--part", type=click.Choice(["train", "valid", "test"]), default="test", show_default=True
)
@click.option("--gate", is_flag=True, help="Refuse to go without a number to reach.")
@click.option(
    "--slices",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A CSV or Parquet file with a column `image`: slice by its other columns too.",
)
@click.option(
    "--unknown",
    multiple=True,
    metavar="SOURCE",
    help="Images of no known class: measure how many are taken for known.",
)
@click.option("--explain", is_flag=True, help="Show in the report what some answers rest on.")
@settings
@as_json
def evaluate(
    run: str | None,
    part: str,
    gate: bool,  # noqa: FBT001
    settings: tuple[str, ...],
    as_json: bool,  # noqa: FBT001
    **asked: Any,
) -> None:
    """Measure a run on a part of its dataset, with error bars.

    RUN is a path or a name; without it, the newest run. The test part is sealed: every look at it
    is counted. [problem] of darkroom.toml says which numbers are to be reached; exits with 1 when
    the lower end of an interval misses one of them.
    """
    import darkroom
    from darkroom.cli.newest import newest
    from darkroom.evaluation.gates import require_promises
    from darkroom.narration import line, tell_evaluation
    from darkroom.project import read_project

    problem = read_project(None, settings, tables=("problem",)).problem
    if gate and problem.goal is None and not problem.floors:
        require_promises((), part=part)
    path = newest("run", run)
    evaluation = darkroom.evaluate(path, part=part, problem=problem, **asked)
    promises = evaluation.record.promises
    if as_json:
        print_json(_document(evaluation))
    else:
        for words in tell_evaluation(evaluation):
            say(words)
        say_diagnosis(evaluation.diagnosis)
        if evaluation.explanations is not None:
            say(line("explain", evaluation.explanations.summary()))
        comes_next = _next_step(evaluation)
        if comes_next and all(promise.verdict == "met" for promise in promises):
            say(line("next", comes_next))
        print_path(evaluation.path)
    if promises:
        require_promises(promises, part=part)


def _next_step(evaluation: Evaluation) -> str:
    """Give what comes next: no bundle of a network that some simple way to answer may equal."""
    from darkroom.data.wording import what_opens
    from darkroom.evaluation.baselines import MAJORITY
    from darkroom.narration import shown

    run, findings = evaluation.run, evaluation.diagnosis.findings
    if evaluation.record.task == "regression":  # which no bundle answers yet
        return findings[0].next_step if findings else ""
    if any(
        each.is_beaten is False
        or (each.name == MAJORITY and each.accuracy.of and not each.is_beaten)
        for each in evaluation.details.baselines
    ):
        tune = f"darkroom tune {quote(what_opens(run.dataset))}"
        return findings[0].next_step if findings else tune
    verb = "pack" if evaluation.record.part == "test" else "evaluate"  # pack quotes the test part
    return f"darkroom {verb} {quote(shown(run.path))}"


def _document(evaluation: Evaluation) -> dict[str, object]:
    """Give every number of the report."""
    run = evaluation.run
    return {
        "path": evaluation.path,
        "record": evaluation.record,
        "metrics": evaluation.measured,
        "metrics_without_leaks": evaluation.measured_without_leaks,
        "details": evaluation.details,
        "diagnosis": evaluation.diagnosis,
        "explanations": evaluation.explanations and evaluation.explanations.record,
        "run": run.record,
        "history": run.history,
        "learning_rates": run.rates().tolist() if run.record.images else [],
        "lineage": evaluation.workspace.lineage(evaluation.path),
        "report": evaluation.report,
    }
