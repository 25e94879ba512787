"""A Finding: what was found, where, how bad it is, and what to do next.

Data checks make them today; doctor and alerts will share them.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Severity = Literal["error", "warning", "note"]


class Finding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One problem found, in words a stranger can act on."""

    name: str  # the check's name, also what --despite takes
    severity: Severity  # an error stops `train`, a warning does not, a note is for the record
    what: str  # one sentence with the figures
    where: tuple[str, ...] = ()  # images, classes or parts concerned; the worst first
    next_step: str  # one action


def has_errors(findings: tuple[Finding, ...]) -> bool:
    """Tell whether any finding would stop a training."""
    return any(finding.severity == "error" for finding in findings)
