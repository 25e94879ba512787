"""`darkroom pack`."""

from __future__ import annotations

from shlex import quote

import click

from darkroom.cli.printing import print_path, say


@click.command()
@click.argument("run", required=False)
@click.option(
    "--evaluation", help="Whose score to quote; default is the run's latest on the test part."
)
@click.option("--name", help="Of the bundle; default is that of the data.")
@click.option("--version", help="Default is the next free one: 0.1.0, 0.2.0, ...")
def pack(run: str | None, evaluation: str | None, name: str | None, version: str | None) -> None:
    """Pack a run into a bundle, proven to answer as the run did.

    RUN is a path or a name; without it, the newest run.
    """
    import darkroom
    from darkroom.cli.newest import newest
    from darkroom.narration import line, shown, tell_bundle

    path = newest("run", run)  # before `pack` is loaded, which takes seconds
    bundle = darkroom.pack(path, evaluation, name=name, version=version)
    say(tell_bundle(bundle))
    say(line("next", f"darkroom predict {quote(shown(bundle.path))} IMAGE"))
    print_path(bundle.path)
