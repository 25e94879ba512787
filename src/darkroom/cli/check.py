"""`darkroom check`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from darkroom.cli.options import SOURCE_SETTINGS, as_json, as_settings, columns, settings
from darkroom.cli.printing import (
    print_json,
    print_names,
    print_path,
    say,
    say_below,
    say_findings,
)

if TYPE_CHECKING:
    from darkroom.data.dataset import Dataset
    from darkroom.findings import Finding

_MOST_SHOWN = 3  # skipped files of each reason
_SKIPPED = "skipped"  # what `--list` takes beside the name of a finding


@click.command()
@click.argument("source", required=False)
@columns
@settings
@click.option(
    "--list",
    "listed",
    metavar="NAME",
    help="Print every image of one finding, or all `skipped` files.",
)
@as_json
@click.pass_context
def check(
    ctx: click.Context,
    /,
    source: str | None,
    settings: tuple[str, ...],
    listed: str | None,
    as_json: bool,  # noqa: FBT001
    **named: str | None,
) -> None:
    """Look for what would spoil a training or its score.

    SOURCE is a folder, an archive, the URL of one, a table, shards, a built-in or a dataset of the
    workspace; without it, data.source of darkroom.toml. Exits with 1 when a finding is an error.
    """
    import darkroom
    from darkroom.data.wording import what_opens
    from darkroom.findings import has_errors
    from darkroom.narration import line
    from darkroom.project import open_project_data, read_project

    workspace = darkroom.Workspace()
    project = read_project(source, (*settings, *as_settings(**named)), tables=SOURCE_SETTINGS)
    dataset = open_project_data(project, workspace)
    findings = darkroom.check_dataset(dataset)
    if listed is not None:
        _print_listed(dataset, findings, listed)
    elif as_json:
        _print_document(dataset, findings)
    else:
        _tell(dataset, findings)
        if not has_errors(findings):
            say(line("next", shlex.join(["darkroom", "train", what_opens(dataset)])))
        print_path(dataset.path)
    if has_errors(findings):
        ctx.exit(1)


def _print_listed(dataset: Dataset, findings: Sequence[Finding], listed: str) -> None:
    from darkroom.data.checks import CHECKS
    from darkroom.errors import DataError, nearest

    if listed == _SKIPPED:
        print_names(f"{name}\t{reason}" for name, reason in dataset.skipped.iter_rows())
        return
    matching = [finding for finding in findings if finding.name == listed]
    if not matching and listed in CHECKS:
        say(f"nothing to list: `{listed}` found nothing here")
    elif not matching:
        known = [finding.name for finding in findings] or [*CHECKS, _SKIPPED]
        raise DataError(
            f"there is no finding `{listed}` here", hint=f"did you mean {nearest(listed, known)}?"
        )
    print_names(name for finding in matching for name in finding.where)


def _print_document(dataset: Dataset, findings: Sequence[Finding]) -> None:
    from darkroom.data.near_duplicates import near_duplicates

    near = near_duplicates(dataset)
    print_json(
        {
            "dataset": dataset.name,
            "path": dataset.path,
            "record": dataset.record,
            "parts": dataset.counts,
            "skipped": {reason: len(names) for reason, names in _by_reason(dataset).items()},
            "skipped_files": dataset.skipped.to_dicts(),
            "not_compared": {"too_small": near.too_small, "too_plain": near.too_plain},
            "findings": findings,
        }
    )


def _tell(dataset: Dataset, findings: Sequence[Finding]) -> None:
    from darkroom.data.checks.naming import listing_command
    from darkroom.data.near_duplicates import near_duplicates
    from darkroom.narration import line, tell_dataset, tell_found, tell_not_compared, tell_parts

    say(tell_dataset(dataset, findings))
    say(tell_found(dataset.record))
    skipped = _by_reason(dataset)
    for reason, files in skipped.items():
        say(line(_SKIPPED, f"{len(files):,}", reason))
        for file in files[:_MOST_SHOWN]:
            say_below(file)
    if any(len(files) > _MOST_SHOWN for files in skipped.values()):
        say_below(f"all of them: {listing_command(dataset, _SKIPPED)}")
    for words in (*tell_parts(dataset), *tell_not_compared(near_duplicates(dataset))):
        say(words)
    say_findings(findings)


def _by_reason(dataset: Dataset) -> dict[str, list[str]]:
    """Give the skipped files of each kind of reason, the most frequent first.

    What a reason says of a single file stands behind the file's name.
    """
    files: dict[str, list[str]] = {}
    for name, reason in dataset.skipped.iter_rows():
        kind, _, detail = reason.partition(":")
        files.setdefault(kind, []).append(f"{name}:{detail}" if detail else name)
    return dict(sorted(files.items(), key=lambda one: (-len(one[1]), one[0])))
