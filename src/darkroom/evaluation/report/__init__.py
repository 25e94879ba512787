"""The report: one HTML page that opens offline and says whether a run is good enough."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from darkroom.disk import write_file
from darkroom.evaluation.regression import RegressionMetrics
from darkroom.evaluation.report.album import make_album
from darkroom.evaluation.report.confusions import find_confusions, shown_cells
from darkroom.evaluation.report.figures import draw_figures
from darkroom.evaluation.report.page import Page, render
from darkroom.plots.live import live_script

if TYPE_CHECKING:
    from darkroom.evaluation.details import Judged
    from darkroom.evaluation.evaluation import EvaluationRecord
    from darkroom.training.run import Run


def report_script(kept_in: Path) -> tuple[str, str]:
    """Give the script of every report, and the digest by which its policy lets it run.

    The first one of a workspace takes two seconds, which can pass while answers are computed.
    """
    return live_script("figures.js", "report/report.js", kept_in=kept_in)


def write_report(path: Path, name: str, run: Run, record: EvaluationRecord, judged: Judged) -> None:
    """Write the page of an evaluation.

    Args:
        path: Where to write it.
        name: Of the evaluation.
        run: That was evaluated.
        record: What was evaluated and how.
        judged: What came out.

    Raises:
        DataError: An image to show changed since the dataset was opened.
        ArtifactError: The disk is full.
    """
    metrics = judged.metrics
    confusions = None if isinstance(metrics, RegressionMetrics) else find_confusions(metrics)
    cells = shown_cells(confusions) if confusions else ()
    # Vega is bundled and figures are drawn beside the pictures: none of them holds Python up.
    with ThreadPoolExecutor(2) as pool:
        script = pool.submit(report_script, run.workspace.cache)
        figures = draw_figures(run, record.decision, judged, pool)
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
            figures=figures,
        )
        write_file(path, render(page, script.result()).encode())
