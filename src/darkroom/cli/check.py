"""`darkroom check`."""

from __future__ import annotations

import click

from darkroom.cli.options import as_json, settings
from darkroom.cli.printing import print_json, print_path, say, say_findings

_MOST_SHOWN = 5
_READS = ("data.source", "data.sha256", "data.archive")


@click.command()
@click.argument("source", required=False)
@settings
@click.option("--list", "listed", metavar="NAME", help="Print every image of one finding.")
@as_json
@click.pass_context
def check(
    ctx: click.Context,
    source: str | None,
    settings: tuple[str, ...],
    listed: str | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Look for what would spoil a training or its score.

    SOURCE is a folder, an archive, the URL of one, a built-in or a dataset of the workspace;
    without it, data.source of darkroom.toml. Exits with 1 when a finding is an error.
    """
    import darkroom
    from darkroom.errors import DataError, nearest
    from darkroom.findings import has_errors
    from darkroom.narration import tell_dataset
    from darkroom.project import open_project_data, read_project

    workspace = darkroom.Workspace()
    project = read_project(source, settings, tables=_READS)
    dataset = open_project_data(project, workspace)
    findings = darkroom.check_dataset(dataset)
    reasons = dict(dataset.skipped["reason"].str.split(":").list.first().value_counts().iter_rows())
    if listed is not None:
        named = [finding for finding in findings if finding.name == listed]
        if not named:
            known = [finding.name for finding in findings]
            hint = f"did you mean {nearest(listed, known)}?" if known else "there are no findings"
            raise DataError(f"there is no finding `{listed}` here", hint=hint)
        for image in (image for finding in named for image in finding.where):
            click.echo(image)
    elif as_json:
        print_json(
            {
                "dataset": dataset.name,
                "path": dataset.path,
                "record": dataset.record,
                "parts": dataset.counts,
                "skipped": reasons,
                "findings": findings,
            }
        )
    else:
        say(tell_dataset(dataset, findings))
        for reason, count in sorted(reasons.items()):
            say(f"  skipped   {count:,} · {reason}")
        for name, reason in dataset.skipped.head(_MOST_SHOWN).iter_rows():
            say(f"            {name}: {reason}")
        if len(dataset.skipped) > _MOST_SHOWN:
            say(f"            all of them: {dataset.path / 'skipped.parquet'}, or --json")
        say_findings(findings)
        print_path(dataset.path)
    if has_errors(findings):
        ctx.exit(1)
