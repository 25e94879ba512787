"""`check_dataset`: every check looks at a Dataset and says what it found; nothing is changed.

A check is one file with one function from a Dataset to findings, and one line in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from darkroom.data.checks.class_in_one_part import class_in_one_part
from darkroom.data.checks.duplicates_across_parts import duplicates_across_parts
from darkroom.data.checks.empty_class import empty_class
from darkroom.data.checks.imbalance import imbalance
from darkroom.data.checks.single_class import single_class
from darkroom.data.checks.tiny_class import tiny_class
from darkroom.data.checks.unreadable import unreadable
from darkroom.data.dataset import Dataset
from darkroom.errors import DataError, nearest
from darkroom.findings import Finding

Check = Callable[[Dataset], list[Finding]]

CHECKS: dict[str, Check] = {
    "unreadable": unreadable,
    "empty-class": empty_class,
    "single-class": single_class,
    "tiny-class": tiny_class,
    "class-in-one-part": class_in_one_part,
    "duplicates-across-parts": duplicates_across_parts,
    "imbalance": imbalance,
}

_ORDER = {"error": 0, "warning": 1, "note": 2}


def check_dataset(dataset: Dataset) -> tuple[Finding, ...]:
    """Look for what would spoil a training or its score.

    Args:
        dataset: Split or not; some checks have more to say once there are parts.

    Returns:
        The findings, errors first. `train` refuses a dataset with an error.
    """
    findings = [finding for check in CHECKS.values() for finding in check(dataset)]
    return tuple(sorted(findings, key=lambda finding: _ORDER[finding.severity]))


def refuse_errors(dataset: Dataset, despite: Iterable[str] = ()) -> tuple[Finding, ...]:
    """Check a dataset before a training.

    Args:
        dataset: Split.
        despite: Names of findings to go on with; they are recorded in the run.

    Returns:
        All findings.

    Raises:
        DataError: A finding is an error and was not named, or a name is unknown.
    """
    accepted = set(despite)
    for name in accepted - set(CHECKS):
        raise DataError(
            f"there is no check `{name}`", hint=f"did you mean {nearest(name, CHECKS)}?"
        )
    findings = check_dataset(dataset)
    errors = [found for found in findings if found.severity == "error"]
    refused = [found for found in errors if found.name not in accepted]
    if refused:
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        names = " ".join(f"--despite {name}" for name in sorted({found.name for found in refused}))
        raise DataError(
            f"{refused[0].what}{more}", hint=f"{refused[0].next_step}; or go on with {names}"
        )
    return findings
