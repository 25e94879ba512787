"""Pairs become clusters: whatever hangs together by a chain of pairs."""

from __future__ import annotations

from collections.abc import Iterable


def join_pairs(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, ...], ...]:
    """Join names that are linked, also by way of others.

    Args:
        pairs: Links, in any order.

    Returns:
        Every cluster of two names or more, sorted, and the clusters sorted by their first name.
    """
    above: dict[str, str] = {}

    def root(name: str) -> str:
        above.setdefault(name, name)
        while above[name] != name:
            above[name] = above[above[name]]
            name = above[name]
        return name

    for one, other in pairs:
        low, high = sorted((root(one), root(other)))
        above[high] = low
    clusters: dict[str, list[str]] = {}
    for name in sorted(above):
        clusters.setdefault(root(name), []).append(name)
    return tuple(tuple(names) for names in clusters.values() if len(names) > 1)
