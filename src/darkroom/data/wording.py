"""How this room words what it could not use."""

from __future__ import annotations

UNREADABLE = "unreadable: "  # how the reason begins of a file that should have been an image


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
