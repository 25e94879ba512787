"""`darkroom init`."""

from __future__ import annotations

import click

from darkroom.cli.printing import print_path, say


@click.command()
@click.argument("folder", default=".", type=click.Path())
def init(folder: str) -> None:
    """Write a commented darkroom.toml to fill in."""
    import darkroom

    path = darkroom.init(folder)
    enter = "" if folder == "." else f"cd {folder} && "
    say(f"fill in [problem] and data.source, then: {enter}darkroom train")
    print_path(path)
