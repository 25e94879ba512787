"""`darkroom quickstart`."""

from __future__ import annotations

import click

from darkroom.cli.printing import print_path, say


@click.command()
def quickstart() -> None:
    """Run the whole chain on a built-in data set, in about a minute."""
    import darkroom

    print_path(darkroom.quickstart(say=say).path)
