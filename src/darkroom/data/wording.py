"""How this room words what it could not use, and what to type next."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from darkroom.data.sources import Columns

if TYPE_CHECKING:
    from darkroom.data.dataset import Dataset

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


def check_command(where: str | Path, *options: str) -> str:
    """Give the command that checks a source, fit to be typed as it stands.

    Args:
        where: What opens it.
        options: Names and values, each for itself.
    """
    return shlex.join(["darkroom", "check", str(where), *options])


def begin_anew(where: str | Path) -> str:
    """Say what to do when an image is no longer what it was when its dataset was opened.

    Args:
        where: What opens the images.
    """
    train = shlex.join(["darkroom", "train", str(where)])
    return f"put it back as it was, or begin anew with what is there: {train}"


def for_want_of_images(dataset: Dataset, otherwise: str) -> str:
    """Say what to do where a class has too few images: keep more of those there are, or else."""
    kept = dataset.record.sample
    return otherwise if kept == 1 else f"keep more of the images: --set data.sample=1, not {kept:g}"


def what_opens(dataset: Dataset) -> str:
    """Give what has to be named to open the same dataset again.

    The source's location does, unless columns were named for it or it was split: then only the
    workspace's name for it does.
    """
    record = dataset.record
    is_as_opened = record.columns == Columns() and not record.split
    return record.location if is_as_opened else dataset.name
