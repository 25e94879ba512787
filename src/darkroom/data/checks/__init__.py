"""`check_dataset`: every check looks at a Dataset and says what it found; nothing is changed.

A check is one file with one function from a Dataset to findings, and one line in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from darkroom.data.checks.blurry import blurry
from darkroom.data.checks.bright import bright
from darkroom.data.checks.channel_order import channel_order
from darkroom.data.checks.class_in_one_part import class_in_one_part
from darkroom.data.checks.conflicting_labels import conflicting_labels
from darkroom.data.checks.dark import dark
from darkroom.data.checks.drift_over_time import drift_over_time
from darkroom.data.checks.duplicates import duplicates
from darkroom.data.checks.duplicates_across_parts import duplicates_across_parts
from darkroom.data.checks.empty_class import empty_class
from darkroom.data.checks.groups_across_parts import groups_across_parts
from darkroom.data.checks.imbalance import imbalance
from darkroom.data.checks.low_information import low_information
from darkroom.data.checks.metadata_leak import metadata_leak
from darkroom.data.checks.name_twins import name_twins
from darkroom.data.checks.near_duplicates import near_duplicates
from darkroom.data.checks.near_duplicates_across_parts import near_duplicates_across_parts
from darkroom.data.checks.odd_size import odd_size
from darkroom.data.checks.shift_between_parts import shift_between_parts
from darkroom.data.checks.single_class import single_class
from darkroom.data.checks.tiny_class import tiny_class
from darkroom.data.checks.unreadable import unreadable
from darkroom.data.dataset import Dataset
from darkroom.data.remembered import once_per_dataset
from darkroom.errors import DataError, nearest
from darkroom.findings import Finding

Check = Callable[[Dataset], list[Finding]]

CHECKS: dict[str, Check] = {
    "unreadable": unreadable,
    "empty-class": empty_class,
    "single-class": single_class,
    "name-twins": name_twins,
    "tiny-class": tiny_class,
    "class-in-one-part": class_in_one_part,
    "conflicting-labels": conflicting_labels,
    "duplicates-across-parts": duplicates_across_parts,
    "groups-across-parts": groups_across_parts,
    "near-duplicates-across-parts": near_duplicates_across_parts,
    "shift-between-parts": shift_between_parts,
    "metadata-leak": metadata_leak,
    "channel-order": channel_order,
    "drift-over-time": drift_over_time,
    "imbalance": imbalance,
    "duplicates": duplicates,
    "near-duplicates": near_duplicates,
    "odd-size": odd_size,
    "dark": dark,
    "bright": bright,
    "blurry": blurry,
    "low-information": low_information,
}

_ORDER = {"error": 0, "warning": 1, "note": 2}


@once_per_dataset  # `darkroom train` asks twice: of 60,000 images that was seconds
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
