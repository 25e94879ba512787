"""The course notebooks run from top to bottom, and every figure stays when nothing runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import darkroom
from tests.making import real_data

jupytext = pytest.importorskip("jupytext", reason="needs the set [notebooks]")
nbclient = pytest.importorskip("nbclient", reason="needs the set [notebooks]")
nbformat = pytest.importorskip("nbformat", reason="needs the set [notebooks]")

pytestmark = [
    pytest.mark.slow,
    # jupyter_client speaks TCP on loopback here and says so; zmq's event loop is its own affair.
    pytest.mark.filterwarnings("ignore::RuntimeWarning:zmq"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client"),
]

TUTORIALS = Path(__file__).parent.parent.parent / "docs" / "tutorials"
NOTEBOOKS = sorted(TUTORIALS.glob("*.py"))
MADE = {  # of the workspace
    "building_and_training_models": {"datasets", "runs", "evaluations"},
    "getting_started_and_data_prep": {"datasets"},
    "evaluating_models": {"datasets", "runs", "evaluations"},
    "dogs_and_cats": {"datasets", "runs", "evaluations", "bundles"},
}
LIVE = "application/vnd.vegalite"
STATIC = ("image/svg+xml", "image/png")
TIMEOUT_S = 900

BARE_HTML = """
import altair as alt
chart = alt.Chart(alt.InlineData(values=[{"x": 1}])).mark_bar().encode(x="x:Q")
chart
"""
BARE_MIME = BARE_HTML.replace(
    "\nchart\n",
    '\ndisplay({"application/vnd.vegalite.v6+json": chart.to_dict()}, raw=True)\n',
)
DRESSED = """
import altair as alt
from darkroom.plots import Figure
Figure(alt.Chart(alt.InlineData(values=[{"x": 1}])).mark_bar().encode(x="x:Q"), "one bar")
"""
SHEET = """
import numpy as np
from darkroom.plots import Picture, picture_sheet
picture_sheet({"": [Picture(pixels=np.zeros((2, 2, 3), np.uint8), name="dark")]})
"""


def execute(notebook, folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Run a notebook in a folder and a workspace of its own, and give it back with its outputs."""
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(folder / "workspace"))
    monkeypatch.setenv("DARKROOM_TEST_DATA", image_folder())
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    nbclient.NotebookClient(
        notebook,
        timeout=TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    return notebook


def image_folder() -> str:
    """Give the folder with CIFAR-10, or none: the notebook then takes the built-in digits."""
    try:
        return str(real_data("cifar10-jpeg.zip").parent.resolve())
    except pytest.skip.Exception:
        return ""


def is_live(data) -> bool:
    """Tell whether an output needs JavaScript to be seen as a chart."""
    page = "".join(data.get("text/html", ""))
    return any(mime.startswith(LIVE) for mime in data) or "vegaEmbed" in page


def charts(notebook) -> list[dict]:
    """Collect the outputs that hold a live chart."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output["data"] for output in outputs if is_live(output.get("data", {}))]


def without_picture(notebook) -> list[dict]:
    """Collect the charts that go dark in a saved notebook."""
    return [data for data in charts(notebook) if not any(map(data.get, STATIC))]


def cells_of(source: str):
    """Make a notebook of one cell."""
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])


@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_every_chart_carries_a_picture(source, tmp_path, monkeypatch):
    notebook = execute(jupytext.read(source), tmp_path, monkeypatch)
    if wanted := os.environ.get("DARKROOM_NOTEBOOKS"):
        Path(wanted).mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, Path(wanted) / f"{source.stem}.ipynb")
    assert len(charts(notebook)) >= 5
    assert without_picture(notebook) == []
    made = {path.name for path in (tmp_path / "workspace").iterdir()}
    assert MADE[source.stem] <= made
    if source.stem == "dogs_and_cats" and (Path(image_folder()) / "dogscats").is_dir():
        runs = darkroom.list_runs(darkroom.Workspace(tmp_path / "workspace"))
        stages = [
            list(dict.fromkeys(epoch.stage for epoch in darkroom.open_run(run.path).history))
            for run in runs
        ]
        assert ["head"] in stages  # the trunk rests
        assert ["head", "fine-tune"] in stages  # and thaws


def test_every_notebook_says_what_it_makes():
    assert {path.stem for path in NOTEBOOKS} == MADE.keys()


@pytest.mark.parametrize("source", [BARE_MIME, BARE_HTML], ids=["mime", "html"])
def test_control_a_bare_chart_is_caught(source, tmp_path, monkeypatch):
    assert len(without_picture(execute(cells_of(source), tmp_path, monkeypatch))) == 1


@pytest.mark.parametrize("source", [DRESSED, SHEET], ids=["svg", "png"])
def test_a_figure_is_seen_as_a_chart_with_a_picture(source, tmp_path, monkeypatch):
    notebook = execute(cells_of(source), tmp_path, monkeypatch)
    assert len(charts(notebook)) == 1
    assert without_picture(notebook) == []


def test_control_a_notebook_that_fails_is_not_passed_over(tmp_path, monkeypatch):
    with pytest.raises(nbclient.exceptions.CellExecutionError):
        execute(cells_of("1 / 0"), tmp_path, monkeypatch)
