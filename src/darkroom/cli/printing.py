"""What every command prints: prose to standard error, the path that was made or JSON to output."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from darkroom.wording import visible

if TYPE_CHECKING:
    from darkroom.evaluation.diagnosis.diagnosis import Diagnosis
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


def say_below(words: str) -> None:
    """Print prose below the words of the line before."""
    say(f"{'':12}{visible(words)}")


def say_findings(findings: Sequence[Finding]) -> None:
    """Print findings with what to do about each."""
    for finding in findings:
        name = click.style(f"{finding.severity:<9}", fg=_COLORS[finding.severity])
        say(f"  {name} {visible(finding.what)}")
        say_below(f"[{finding.name}] next: {finding.next_step}")


def say_diagnosis(diagnosis: Diagnosis) -> None:
    """Print what ails a run, what to do about it, and what could not be judged."""
    from darkroom.narration import line

    say_findings(diagnosis.findings)
    told = [] if diagnosis.findings else ["nothing found"]
    if len(diagnosis.unclear) == 1:
        told.append(f"cannot tell {diagnosis.unclear[0].name}: {diagnosis.unclear[0].why}")
    elif diagnosis.unclear:
        told.append(f"cannot tell: {', '.join(unclear.name for unclear in diagnosis.unclear)}")
    if told:
        say(line("diagnosis", *told))


def print_names(names: Iterable[str]) -> None:
    """Print names to standard output, one per line: on a terminal fit to be read, else as is."""
    for name in names:
        # A tab parts a skipped file from its reason.
        readable = "\t".join(map(visible, name.split("\t")))
        click.echo(readable if sys.stdout.isatty() else name, color=True)


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table to standard output, each column as wide as it needs."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for number, row in enumerate([head, *rows]):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(click.style(cells.rstrip(), bold=number == 0))
