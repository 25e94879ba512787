"""`darkroom resume`."""

from __future__ import annotations

import click


@click.command()
@click.argument("run", required=False)
@click.option("--close", is_flag=True, help="Close it with the epochs it has.")
def resume(run: str | None, close: bool) -> None:  # noqa: FBT001
    """Go on with a run that was interrupted, from its last checkpoint.

    RUN is a path or a name; without it, the newest one that was
    interrupted.
    """
    import darkroom
    from darkroom.cli.newest import newest
    from darkroom.cli.training import tell_trained, told_when_stopped

    path = newest("run", run, state="open")
    with told_when_stopped() as announce:
        done = darkroom.resume(path, close=close, announce=announce)
    tell_trained(done)
