"""The Diagnosis: findings in order of what to mend first, and what could not be judged."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import ClassVar

import msgspec

from darkroom.findings import Finding


class Unclear(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An ailment that could not be judged."""

    name: str
    why: str


class Explained(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A finding that another one explains; it goes when the other is mended, or is real then."""

    finding: Finding
    by: str  # the name of the finding that explains it


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ails a run."""

    SCHEMA: ClassVar[int] = 1

    findings: tuple[Finding, ...] = ()  # what to mend first comes first
    explained: tuple[Explained, ...] = ()
    unclear: tuple[Unclear, ...] = ()

    def __iter__(self) -> Iterator[Finding]:
        """Go through the findings."""
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def summary(self) -> str:
        """Say in one line what was found."""
        names = ", ".join(finding.name for finding in self.findings) or "nothing found"
        cannot = ", ".join(unclear.name for unclear in self.unclear)
        return f"{names} · cannot tell: {cannot}" if cannot else names

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(finding.name)}</td><td>{html.escape(finding.what)}</td>"
            f"<td>{html.escape(finding.next_step)}</td></tr>"
            for finding in self.findings
        )
        head = "<tr><th>finding</th><th>evidence</th><th>next</th></tr>"
        table = f"<table>{head}{rows}</table>" if rows else ""
        return f"<p>{html.escape(self.summary())}</p>{table}"
