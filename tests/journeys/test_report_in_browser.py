"""The report in a real browser: nothing is loaded, keys work, all is legible, nothing is cut."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from darkroom.problem import Problem
from tests.evaluation.test_report import SINGLE, made
from tests.journeys.test_explore_in_browser import browsed

pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
KEYS = {
    "Tab": "\ue004",
    "Escape": "\ue00c",
    "Enter": "\ue007",
    "ArrowRight": "\ue014",
    "ArrowDown": "\ue015",
}
A4_PX = 696  # the width between the margins
# Text whose colour stands out too little from what lies behind it. Source: WCAG 2.2, 1.4.3.
FAINT = """
const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const rgba = (colour) => {
  pen.clearRect(0, 0, 1, 1);
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
};
const behind = (element) => {
  const layers = [];
  for (let at = element; at; at = at.parentElement)
    layers.push(rgba(getComputedStyle(at).backgroundColor));
  let ground = [255, 255, 255];
  for (const [r, g, b, a] of layers.reverse())
    ground = [r, g, b].map((channel, place) => ground[place] + (channel - ground[place]) * a);
  return ground;
};
const linear = (c) => c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const faint = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  const words = walker.currentNode.textContent.trim().slice(0, 40);
  if (!words || element.closest("script, style, figure svg")) continue;
  if (!element.checkVisibility() || !element.getClientRects().length) continue;
  const [one, other] = [light(rgba(getComputedStyle(element).color)), light(behind(element))];
  const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  if (ratio < 4.5) faint.push([ratio.toFixed(2), words]);
}
return faint;
"""
# What a reader cannot scroll to, on the page or on paper.
CUT = """
const isCut = (box) =>
  box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "auto"
  || box.getBoundingClientRect().right > innerWidth + 1 && !box.closest(".scroll");
return [...document.querySelectorAll(".scroll, pre, table, figure, main")].filter(isCut)
  .map((box) => `${box.tagName} ${box.className}: ${box.textContent.trim().slice(0, 40)}`);
"""
FOCUSED = """
const at = document.activeElement;
return at.getAttribute("aria-label") || at.textContent.trim();
"""
# Of what has the focus: what it is, its outline, and whether it is drawn.
SEEN = """
const at = document.activeElement;
const drawn = at.matches(".tab") ? at.nextElementSibling : at;
const { outlineStyle } = getComputedStyle(drawn);
return [at.outerHTML.slice(0, 80), outlineStyle, drawn.getBoundingClientRect().width > 0];
"""
LOOKS = """
return [...document.querySelectorAll(".look")].filter((look) => look.offsetHeight)
  .map((look) => look.dataset.look);
"""
CHOOSE = """
const choice = document.getElementById("of-class");
choice.value = "VALUE";
choice.dispatchEvent(new Event("change"));
return [...document.querySelectorAll(".look-3 .told")].map((told) => told.textContent);
"""
WIDTHS = "return [...document.querySelectorAll('#cell img')].map((image) => image.naturalWidth)"
OPEN = "return document.getElementById('cell').open"


class Browser:
    """A browser that is driven as a user would, over WebDriver."""

    def __init__(self, port: int, profile: Path) -> None:
        self._at = f"http://127.0.0.1:{port}"
        options = {
            "args": [*ARGUMENTS, f"--user-data-dir={profile}"],
            "binary": shutil.which("chromium") or shutil.which("google-chrome"),
        }
        wanted = {"goog:chromeOptions": options}
        session = self._call("/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        self._at += f"/session/{session}"

    def _call(self, path: str, body: dict[str, Any] | None = None, method: str | None = None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._at + path, data, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["value"]

    def close(self) -> None:
        self._call("", method="DELETE")

    def open(self, page: Path, *, width: int = 1200) -> None:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", **size)
        self._call("/url", {"url": page.as_uri()})

    def run(self, script: str) -> Any:
        return self._call("/execute/sync", {"script": script, "args": []})

    def press(self, *keys: str) -> None:
        actions = [
            {"type": kind, "value": KEYS[key]} for key in keys for kind in ("keyDown", "keyUp")
        ]
        self._call("/actions", {"actions": [{"type": "key", "id": "k", "actions": actions}]})

    def devtools(self, command: str, **parameters: Any) -> Any:
        return self._call("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def like(self, *, media: str = "screen", scheme: str = "light") -> None:
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.devtools("Emulation.setEmulatedMedia", media=media, features=[feature])

    def focused(self) -> str:
        return self.run(FOCUSED)


@contextlib.contextmanager
def driven(profile: Path) -> Iterator[Browser]:
    """Start a browser and its driver, and end both."""
    driver = shutil.which("chromedriver")
    if driver is None:
        pytest.skip("needs chromedriver")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(urllib.error.URLError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=5).close()
                break
            time.sleep(0.1)
        browser = Browser(port, profile)
        yield browser
        browser.close()
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def page(dataset, tmp_path_factory) -> Path:
    """Give the report of a run that confuses some images."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    made(dataset, path, problem=Problem(goal=0.8), decision=SINGLE, skill=2.0, leaked=2)
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    with driven(tmp_path_factory.mktemp("profile")) as one:
        yield one


def test_the_page_loads_nothing_and_its_figures_come_alive(page, tmp_path):
    built, complaints = browsed(page, tmp_path)
    assert complaints == []
    figures = re.findall(r"<figure data-figure.+?</figure>", built, re.DOTALL)
    assert len(figures) >= 9
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


def test_without_scripts_figures_and_looks_are_pictures_and_no_cell_can_be_pressed(page, tmp_path):
    still = tmp_path / "still.html"
    still.write_text(re.sub(r"<script.+?</script>", "", page.read_text(), flags=re.DOTALL))
    built, complaints = browsed(still, tmp_path / "profile")
    assert complaints == []
    assert built.count("<figure data-figure") == built.count('<img src="data:image/svg+xml')
    assert built.count('src="data:image/png') >= 5 * 6
    buttons = re.findall(r"<button[^>]*data-cell[^>]*>", built)
    assert buttons
    assert all("disabled" in button for button in buttons)


def test_keys_alone_open_a_cell_walk_the_matrix_and_close_it_again(browser, page):
    browser.open(page)
    browser.run("document.querySelector('#matrix button').focus()")
    first = browser.focused()
    browser.press("ArrowDown", "ArrowRight")
    moved = browser.focused()
    assert re.match(r"\w+ taken for \w+: \d+ image", moved)
    assert moved != first
    browser.press("Enter")
    assert browser.run(OPEN)
    title = browser.run("return document.querySelector('#cell h2').textContent")
    assert moved.startswith(title.removesuffix(", found"))
    widths = browser.run(WIDTHS)
    assert widths
    assert all(width > 0 for width in widths)
    browser.press("Escape")
    assert not browser.run(OPEN)
    assert browser.focused() == moved


def test_the_matrix_is_one_stop_of_the_tabulator(browser, page):
    browser.open(page)
    stops = "return document.querySelectorAll('#matrix button[tabindex=\"0\"]').length"
    assert browser.run(stops) == 1
    browser.run("document.querySelector('#matrix button').focus()")
    browser.press("ArrowDown")
    assert browser.run(stops) == 1
    browser.press("Tab")
    assert not browser.run("return document.activeElement.closest('#matrix') !== null")


def test_what_has_the_focus_can_be_seen(browser, page):
    browser.open(page)
    browser.press("Tab")
    assert browser.focused() == "Skip to the verdict"
    stops = 0
    while not (seen := browser.run(SEEN))[0].startswith("<body"):
        what, outline, is_drawn = seen
        assert (outline, is_drawn) == ("solid", True), what
        stops += 1
        browser.press("Tab")
    assert stops > 20


def test_that_test_would_notice_a_focus_that_is_not_shown(browser, page, tmp_path):
    hidden = tmp_path / "hidden.html"
    hidden.write_text(page.read_text().replace("outline: 2px solid", "outline: 2px none"))
    browser.open(hidden)
    browser.press("Tab")
    assert browser.run(SEEN)[1] == "none"


def test_a_look_is_chosen_by_arrow_keys_and_narrowed_to_a_class(browser, page):
    browser.open(page)
    browser.run("document.querySelector('.looks .tab:checked').focus()")
    browser.press("ArrowRight")
    assert browser.run(LOOKS) == ["random wrong"]
    assert set(browser.run(CHOOSE.replace("VALUE", "0"))) == {"ball"}
    assert len(set(browser.run(CHOOSE.replace("VALUE", "")))) > 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_from_its_ground(browser, page, scheme):
    browser.like(scheme=scheme)
    browser.open(page)
    assert browser.run(FAINT) == []


def test_that_test_would_notice_faint_text(browser, page, tmp_path):
    faint = tmp_path / "faint.html"
    faint.write_text(page.read_text().replace("--quiet: #57606a", "--quiet: #a7b0ba"))
    browser.like()
    browser.open(faint)
    assert browser.run(FAINT)


@pytest.mark.parametrize("width", [400, 900, 1400])
def test_nothing_is_cut_at_any_width(browser, page, width):
    browser.like()
    browser.open(page, width=width)
    assert browser.run(CUT) == []
    assert browser.run("return document.scrollingElement.scrollWidth <= innerWidth")


def test_nothing_is_cut_on_paper_and_every_look_is_printed(browser, page):
    browser.like(media="print")
    browser.open(page, width=A4_PX)
    assert browser.run(CUT) == []
    assert len(browser.run(LOOKS)) == 5
    printed = browser.devtools("Page.printToPDF", preferCSSPageSize=True)["data"]
    assert base64.b64decode(printed).startswith(b"%PDF")
    browser.like()


def test_that_test_would_notice_what_is_cut(browser, page, tmp_path):
    wide = tmp_path / "wide.html"
    wide.write_text(page.read_text().replace("<main>", '<main><pre style="width:2000px">x</pre>'))
    browser.open(wide, width=A4_PX)
    assert browser.run(CUT)
