"""How findings name many things in one sentence, and the command that lists them all."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from darkroom.data.dataset import Dataset
from darkroom.data.sources import Columns

_MOST = 5  # names in a sentence, own: more are counted


def first_few(names: Sequence[str]) -> str:
    """Name the first five, and say how many more there are."""
    more = [f"and {len(names) - _MOST:,} more"] if len(names) > _MOST else []
    return ", ".join([*names[:_MOST], *more])


def listing_command(dataset: Dataset, name: str) -> str:
    """Give the command that lists every image of a finding, fit to be typed as it stands.

    The source's location opens the same dataset again, unless columns were named for it or it was
    split: then the workspace's name for it does.
    """
    record = dataset.record
    is_as_opened = record.columns == Columns() and not record.split
    source = record.location if is_as_opened else dataset.name
    return f"darkroom check {shlex.quote(source)} --list {name}"
