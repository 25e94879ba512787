"""How this room words what it counted and what it could not use."""

from __future__ import annotations

UNREADABLE = "unreadable: "  # how the reason begins of a file that should have been an image


def counted(count: int, one: str, many: str) -> str:
    """Put a number before words that agree with it: `1 class holds`, `3 classes hold`."""
    return f"{count:,} {one if count == 1 else many}"


def percent(share: float) -> str:
    """Write a share in 0..1 as a person reads it: `98.3 %`."""
    return f"{100 * share:.1f} %"


def first_skipped(name: str, reason: str, *, of: int) -> str:
    """Say in a sentence what is wrong with the first file of several, or with the only one.

    Args:
        name: The file.
        reason: Why it is skipped, as it stands in the table of skipped files.
        of: How many such files there are.
    """
    subject = name if of == 1 else f"the first, {name},"
    if reason.startswith(UNREADABLE):
        return f"{subject} {reason.removeprefix(UNREADABLE)}"
    return f"{subject} was passed over: {reason}"
