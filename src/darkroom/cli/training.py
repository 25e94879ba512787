"""What the commands that train say while they do, and when they are stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from darkroom.cli.printing import print_json, print_path, say, say_below, say_diagnosis
from darkroom.narration import line, shown, tell_plan, tell_run

if TYPE_CHECKING:
    from darkroom.training.loop import Announce
    from darkroom.training.record import RunRecord
    from darkroom.training.run import Run


@contextlib.contextmanager
def told_when_stopped() -> Iterator[Announce]:
    """Say what begins, and how to go on with what was stopped."""
    from darkroom.training.devices import backend_note

    started: list[Path] = []

    def announce(record: RunRecord, path: Path) -> None:
        started.append(path)
        say(tell_plan(record))
        if note := backend_note():
            say_below(note)
        for told in record.resumed[-1:]:
            for damaged in told.damaged:
                say_below(f"an older checkpoint is used: {damaged}")
            if told.differs:
                say_below(f"not to the byte as uninterrupted: {'; '.join(told.differs)}")

    try:
        yield announce
    except (KeyboardInterrupt, SystemExit):
        for path in started:
            if path.is_dir():
                say(line("stopped", f"saved; go on: darkroom resume {quote(shown(path))}"))
            else:
                say(line("stopped", "before there was anything to save"))
        raise


def tell_trained(run: Run, *, as_json: bool = False) -> None:
    """Say what a training came to, what ails it, and what comes next."""
    import darkroom

    say(tell_run(run))
    diagnosis = darkroom.diagnose(run)
    if as_json:
        print_json(
            {
                "path": run.path,
                "record": run.record,
                "history": run.history,
                "diagnosis": diagnosis,
            }
        )
        return
    say_diagnosis(diagnosis)
    if run.record.outcome != "failed":  # else the diagnosis has said what to do
        say(line("next", f"darkroom evaluate {quote(shown(run.path))}"))
    print_path(run.path)
