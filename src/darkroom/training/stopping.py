"""How a training is asked to stop: Ctrl-C and SIGTERM finish the step, save, and end it.

The signal is noticed by a thread of its own, because Python's handlers wait for the main thread,
which may be compiling a network for as long as a minute. Where a step does not end in time, the
process ends without saving: a killed training loses at most what came after its last checkpoint.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator

_GRACE_S = 8.0  # from SIGTERM to the end of a process that does not come to the end of a step
_TERMINATED = 143  # 128 + SIGTERM, as a shell reports it


class Asked:
    """Whether somebody asked to stop, and how."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._is_at_once = False

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """End the block where it stands, also after a first Ctrl-C; there is no step to finish."""
        self._is_at_once = True
        try:
            yield
        finally:
            self._is_at_once = False

    def note(self, number: int) -> None:
        """Take note of a signal.

        Raises:
            BaseException: It is the second Ctrl-C, or nothing is to be finished.
        """
        is_second = self.signal == signal.SIGINT == number
        self.signal = number
        if is_second or self._is_at_once:
            raise self.error()
        if number == signal.SIGINT:
            os.write(2, b"\n  stopping after this step; once more stops at once\n")

    def error(self) -> BaseException:
        """Give what ends the process as the signal would have."""
        if self.signal == signal.SIGTERM:
            return SystemExit(_TERMINATED)
        return KeyboardInterrupt()


@contextlib.contextmanager
def asked_to_stop() -> Iterator[Asked]:
    """Take note of Ctrl-C and SIGTERM while the block runs; a second Ctrl-C stops it at once.

    In a thread that is not the main one nothing is changed: only the main one gets signals.
    """
    asked = Asked()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    reader, writer = socket.socketpair()
    writer.setblocking(False)  # noqa: FBT003 - as the socket module has it
    before = {
        number: signal.signal(number, lambda number, _: asked.note(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=_end_in_time, args=(reader,), daemon=True)
    watcher.start()
    try:
        yield asked
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        writer.close()
        watcher.join()
        reader.close()


def _end_in_time(reader: socket.socket) -> None:
    """Wait for SIGTERM; when the block has not ended some seconds later, end the process."""
    while numbers := reader.recv(16):
        if signal.SIGTERM not in numbers:
            continue
        reader.settimeout(_GRACE_S)
        with contextlib.suppress(TimeoutError):
            while reader.recv(16):
                pass
            return
        os._exit(_TERMINATED)
