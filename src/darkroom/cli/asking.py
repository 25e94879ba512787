"""Ask before what would take long, and say that nothing is lost when it is stopped."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

import click

from darkroom.cli.printing import say

_LONG_S = 30 * 60.0


def asking(what: str, *, is_sure: bool) -> Callable[[float], None]:
    """Make a question that is asked when something would take more than half an hour.

    Args:
        what: Is to be done, for example `the other trainings`.
        is_sure: The answer is yes already.

    Returns:
        A function of the seconds it would take about, which raises when it is not to be done.
    """

    def ask(seconds: float) -> None:
        if is_sure or seconds < _LONG_S:
            return
        told = f"{what} would take about {duration(seconds)}"
        if not sys.stdin.isatty():
            from darkroom.errors import RecipeError  # most commands ask nothing

            raise RecipeError(
                f"{told}, and nobody is there to be asked",
                hint="type it again with --yes; what was trained is taken, not trained again",
            )
        click.confirm(f"  {told}; go on?", abort=True, err=True)

    return ask


@contextlib.contextmanager
def kept_when_stopped() -> Iterator[None]:
    """Say how to go on with what was stopped."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, click.Abort):
        from darkroom.narration import line  # most commands are not stopped

        say(line("stopped", "what was trained is kept; type the command again to go on"))
        raise


def duration(seconds: float) -> str:
    """Write a long time as a person says it: `2 h 10 min`."""
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min"
