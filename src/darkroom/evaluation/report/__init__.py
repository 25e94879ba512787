"""The report: one HTML page that opens offline and says whether a run is good enough."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from darkroom.disk import write_file
from darkroom.evaluation.regression import RegressionMetrics
from darkroom.evaluation.report.album import make_album
from darkroom.evaluation.report.confusions import find_confusions, shown_cells
from darkroom.evaluation.report.figures import as_drawn, make_figures
from darkroom.evaluation.report.page import Page, render
from darkroom.plots.drawing import Draw, drawing_beside
from darkroom.plots.live import live_script

if TYPE_CHECKING:
    from darkroom.evaluation.details import Judged
    from darkroom.evaluation.evaluation import EvaluationRecord
    from darkroom.training.run import Run


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """What other processes do for a report while answers are computed."""

    script: Future[tuple[str, str]]  # of the page, and the digest by which its policy lets it run
    draw: Draw
    pool: Executor


@contextlib.contextmanager
def work_beside(cache: Path) -> Iterator[Beside]:
    """Start what a report needs and what does not depend on its answers.

    Args:
        cache: Of the workspace. The script is kept there; to bundle it takes two seconds.
    """
    with drawing_beside() as draw, ThreadPoolExecutor(2) as pool:  # which ends before the drawing
        script = pool.submit(live_script, "figures.js", "report/report.js", kept_in=cache)
        yield Beside(script=script, draw=draw, pool=pool)


def write_report(
    path: Path, name: str, run: Run, record: EvaluationRecord, judged: Judged, beside: Beside
) -> None:
    """Write the page of an evaluation.

    Args:
        path: Where to write it.
        name: Of the evaluation.
        run: That was evaluated.
        record: What was evaluated and how.
        judged: What came out.
        beside: From `work_beside`.

    Raises:
        DataError: An image to show changed since the dataset was opened.
        ArtifactError: The disk is full.
    """
    metrics = judged.metrics
    confusions = None if isinstance(metrics, RegressionMetrics) else find_confusions(metrics)
    cells = shown_cells(confusions) if confusions else ()
    figures = make_figures(run, record.decision, judged)
    stills = beside.pool.map(beside.draw, figures.values())  # while the album is made
    album = make_album(
        run.dataset, judged.predictions, {(cell.true, cell.taken): cell.key for cell in cells}
    )
    page = Page(
        name=name,
        run=run,
        record=record,
        judged=judged,
        confusions=confusions,
        album=album,
        figures=as_drawn(figures, stills),
    )
    write_file(path, render(page, beside.script.result()).encode())
