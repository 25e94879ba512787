"""Still pictures drawn by another process, so that this one goes on meanwhile.

In this one Vega's engine would hold up all of Python, half a second when it begins and again with
every picture.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

from darkroom.pages import data_uri
from darkroom.plots.figure import Figure

Draw = Callable[[Figure], str]

_CHILD = """
import json, sys, vl_convert
vl_convert.vegalite_to_svg({"mark": "point", "data": {"values": [{}]}})  # the engine is started
for line in sys.stdin:
    print(json.dumps(vl_convert.vegalite_to_svg(json.loads(line))), flush=True)
"""


@contextlib.contextmanager
def drawing_beside() -> Iterator[Draw]:
    """Start a process that draws, and end it with the block.

    Yields:
        A function from a figure to a data URI of its still picture. Threads may share it; where
        the process cannot be started or fails, the picture is drawn in this one.
    """
    with contextlib.ExitStack() as stack:
        child, one_at_a_time = None, threading.Lock()
        with contextlib.suppress(OSError):
            child = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-P", "-c", _CHILD],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    encoding="utf-8",
                )
            )
            stack.callback(_let_go, child)

        def draw(figure: Figure) -> str:
            with one_at_a_time, contextlib.suppress(OSError, ValueError):
                if child is not None and child.stdin and child.stdout:
                    child.stdin.write(json.dumps(figure.spec) + "\n")
                    child.stdin.flush()
                    return data_uri(json.loads(child.stdout.readline()).encode(), "svg+xml")
            return figure.svg_uri()

        yield draw


def _let_go(child: subprocess.Popen[str]) -> None:
    child.kill()  # it keeps nothing
    if child.stdin:
        with contextlib.suppress(OSError):  # one that died left in it what it never read
            child.stdin.close()
