"""How findings name many things in one sentence, and the command that lists them all."""

from __future__ import annotations

from collections.abc import Sequence

from darkroom.data.dataset import Dataset
from darkroom.data.wording import check_command, what_opens

_MOST = 5  # names in a sentence, own: more are counted


def first_few(names: Sequence[str]) -> str:
    """Name the first five, and say how many more there are."""
    more = [f"and {len(names) - _MOST:,} more"] if len(names) > _MOST else []
    return ", ".join([*names[:_MOST], *more])


def listing_command(dataset: Dataset, name: str) -> str:
    """Give the command that lists every image of a finding, fit to be typed as it stands."""
    return check_command(what_opens(dataset), "--list", name)
