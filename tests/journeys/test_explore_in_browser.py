"""The page in a real browser: no request, no error, live figures; and pictures without scripts."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from darkroom.data.explore import explore

pytestmark = pytest.mark.browser

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr",
    "--window-size=1400,9000", "--virtual-time-budget=8000", "--dump-dom",
)  # fmt: skip


def browsed(page: Path, profile: Path) -> tuple[str, list[str]]:
    """Load a page, and give what the browser made of it and what it complained about."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs Chromium")
    done = subprocess.run(
        [browser, *FLAGS, f"--user-data-dir={profile}", page.as_uri()],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture(scope="module")
def page(dataset, tmp_path_factory) -> Path:
    return explore(dataset, to=tmp_path_factory.mktemp("page") / "page.html")


def test_the_page_loads_nothing_and_its_figures_come_alive(page, tmp_path):
    built, complaints = browsed(page, tmp_path)
    assert complaints == []
    figures = re.findall(r"<figure data-figure.+?</figure>", built, re.DOTALL)
    assert len(figures) >= 4
    assert all("<svg" in figure and 'hidden=""' in figure for figure in figures)


@pytest.mark.parametrize(
    "broken",
    [
        '<img src="http://darkroom.invalid/pixel.png">',
        "<script>alert(1)</script>",
        '<img src="x" onerror="alert(1)">',
    ],
)
def test_the_browser_complains_of_a_page_that_would_load_or_run_anything_else(
    page, tmp_path, broken
):
    changed = tmp_path / "changed.html"
    changed.write_text(page.read_text().replace("<main>", f"<main>{broken}"))
    _, complaints = browsed(changed, tmp_path / "profile")
    assert complaints


def test_without_scripts_every_figure_is_its_picture(page, tmp_path):
    still = tmp_path / "still.html"
    still.write_text(re.sub(r"<script.+?</script>", "", page.read_text(), flags=re.DOTALL))
    built, complaints = browsed(still, tmp_path / "profile")
    assert complaints == []
    assert built.count("<figure data-figure") == built.count('<img src="data:image/svg+xml')
