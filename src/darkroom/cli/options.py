"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
settings = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Override a setting of darkroom.toml that this command reads.",
)
# What of darkroom.toml says where the images are; `read_project` takes it as tables.
SOURCE_SETTINGS = tuple(
    f"data.{name}"
    for name in ("source", "sha256", "archive", "image", "label", "group", "part", "target")
)
_COLUMNS = {
    "image": "The column of a table that holds the paths, or the bytes, of images.",
    "label": "... their classes: text, whole numbers, a list, or a|b.",
    "group": "... what must not be torn apart by the split.",
    "part": "... train, valid or test.",
    "target": "... a number to predict.",
}


def columns(command: Command) -> Command:
    """Add `--image`, `--label`, `--group`, `--part` and `--target` to a command."""
    for role, told in reversed(_COLUMNS.items()):
        command = click.option(f"--{role}", metavar="COLUMN", help=told)(command)
    return command


def as_settings(
    *,
    image: str | None = None,
    label: str | None = None,
    group: str | None = None,
    part: str | None = None,
    target: str | None = None,
) -> tuple[str, ...]:
    """Say the columns that were named as settings of `data`, in the way of `--set`.

    Args:
        image: The column of the images, or None where it was not named.
        label: ... of their classes.
        group: ... of what must not be torn apart.
        part: ... of their parts.
        target: ... of a number to predict.

    Returns:
        `data.image=NAME` and so on, only of what was named.
    """
    named = {"image": image, "label": label, "group": group, "part": part, "target": target}
    return tuple(f"data.{role}={column}" for role, column in named.items() if column is not None)
