"""What every command prints: prose to standard error, the path that was made or JSON to output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from darkroom.findings import Finding

_COLORS = {"error": "red", "warning": "yellow", "note": "cyan"}


def say(words: str) -> None:
    """Print prose to standard error."""
    click.echo(words, err=True)


def print_path(path: Path) -> None:
    """Print the path of what was made, as the last line of standard output."""
    from darkroom.narration import shown

    click.echo(shown(path))


def print_json(value: Any) -> None:
    """Print records and plain values as one JSON document."""
    import msgspec  # here, because `--help` of every command passes through this module

    encoded = msgspec.json.encode(value, enc_hook=str)
    click.echo(msgspec.json.format(encoded, indent=2).decode())


def say_findings(findings: Sequence[Finding]) -> None:
    """Print findings with what to do about each."""
    for finding in findings:
        say(f"  {click.style(finding.severity, fg=_COLORS[finding.severity])}     {finding.what}")
        say(f"            [{finding.name}] next: {finding.next_step}")


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table to standard output, each column as wide as it needs."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for number, row in enumerate([head, *rows]):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(click.style(cells.rstrip(), bold=number == 0))
