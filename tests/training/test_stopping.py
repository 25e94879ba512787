"""How a training is asked to stop: a signal in a step, before one, and in one too long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from darkroom.training.stopping import asked_to_stop

_LONG = """
import os, signal, sys, time
from darkroom.training import stopping

stopping._GRACE_S = float(sys.argv[3])
with stopping.asked_to_stop() as asked:
    os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    time.sleep(float(sys.argv[2]))  # goes on after a signal, as a step does
    print("came to its end, asked by", signal.Signals(asked.signal).name)
"""


def long_step(asked_by: str, seconds: float, *, grace: float) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", _LONG, asked_by, str(seconds), str(grace)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout.strip()


def test_sigterm_ends_a_process_whose_step_is_too_long():
    assert long_step("SIGTERM", 3600, grace=0.5) == (143, "")


@pytest.mark.parametrize(
    ("asked_by", "seconds", "grace"), [("SIGTERM", 0, 300), ("SIGINT", 2, 0.1)]
)
def test_a_step_that_ends_in_time_or_was_asked_by_ctrl_c_comes_to_its_end(asked_by, seconds, grace):
    ended = long_step(asked_by, seconds, grace=grace)
    assert ended == (0, f"came to its end, asked by {asked_by}")


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_where_no_step_is_to_be_finished_a_signal_ends_the_block(number, error):
    before = signal.getsignal(number)
    with asked_to_stop() as asked:
        with pytest.raises(error) as ended, asked.at_once():
            os.kill(os.getpid(), number)
        assert asked.signal == number
    assert signal.getsignal(number) is before
    if number == signal.SIGTERM:
        assert ended.value.code == 143
    with asked_to_stop() as asked:  # the control: in a step it is taken note of
        with asked.at_once():
            pass
        os.kill(os.getpid(), number)
    assert asked.signal == number


def test_a_second_ctrl_c_stops_a_step_at_once():
    with asked_to_stop() as asked:
        os.kill(os.getpid(), signal.SIGINT)
        assert asked.signal == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
