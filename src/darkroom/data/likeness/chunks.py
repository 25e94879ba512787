"""Work over many rows with every core, chunk by chunk, with progress."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from darkroom.progress import track_sized

R = TypeVar("R")


def over_chunks(work: Callable[[slice], R], count: int, *, chunk: int, what: str) -> list[R]:
    """Call a function for every chunk of rows and give the results in order.

    Args:
        work: Does one chunk; what it gives must not depend on the others.
        count: Rows in all.
        chunk: Rows at once.
        what: A few words for the progress bar.
    """
    spans = [slice(start, min(start + chunk, count)) for start in range(0, count, chunk)]
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        sizes = (span.stop - span.start for span in spans)
        done = zip(pool.map(work, spans), sizes, strict=True)
        return [result for result, _ in track_sized(done, what, count)]
    finally:  # an interrupt must not wait for all the rest
        pool.shutdown(cancel_futures=True)
