"""How numbers and names are put into words, everywhere the same."""

from __future__ import annotations


def counted(count: int, one: str, many: str) -> str:
    """Put a number before words that agree with it: `1 class holds`, `3 classes hold`."""
    return f"{count:,} {one if count == 1 else many}"


def percent(share: float) -> str:
    """Write a share in 0..1 as a person reads it: `98.3 %`."""
    return f"{100 * share:.1f} %"


def visible(text: str) -> str:
    """Write out what cannot be seen: line breaks, control characters, turned writing.

    A file's name may hold them, and break a line or command the terminal.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )
