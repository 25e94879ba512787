"""`darkroom resume`."""

from __future__ import annotations

import click

from darkroom.cli.options import as_json
from darkroom.cli.printing import say


@click.command()
@click.argument("run", required=False)
@click.option("--close", is_flag=True, help="Close it with the epochs it has.")
@as_json
def resume(run: str | None, close: bool, as_json: bool) -> None:  # noqa: FBT001
    """Go on with a run that was interrupted, from its last checkpoint.

    RUN is a path or a name; without it, the newest one that was
    interrupted.
    """
    import darkroom
    from darkroom.cli.newest import newest
    from darkroom.cli.training import tell_trained, told_when_stopped
    from darkroom.narration import line, shown
    from darkroom.storage import read_manifest

    path = newest("run", run, state="open")
    if read_manifest(path).state == "closed":
        say(line("resume", f"{shown(path)} came to its end before: there is nothing to go on with"))
    with told_when_stopped() as announce:
        done = darkroom.resume(path, close=close, announce=announce)
    tell_trained(done, as_json=as_json)
