"""How numbers are put into words, everywhere the same."""

from __future__ import annotations


def counted(count: int, one: str, many: str) -> str:
    """Put a number before words that agree with it: `1 class holds`, `3 classes hold`."""
    return f"{count:,} {one if count == 1 else many}"


def percent(share: float) -> str:
    """Write a share in 0..1 as a person reads it: `98.3 %`."""
    return f"{100 * share:.1f} %"
