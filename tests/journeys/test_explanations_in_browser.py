"""The page of explanations in a real browser: loads nothing, fits every width, all is legible."""

from __future__ import annotations

from pathlib import Path

import pytest

import darkroom
from tests.journeys.test_explore_in_browser import browsed
from tests.journeys.test_report_in_browser import A4_PX, CUT, FAINT, driven

pytestmark = pytest.mark.browser

# What a picture says to those who cannot see it, and whether it is there.
PICTURES = "return [...document.images].map((image) => [image.alt, image.naturalWidth])"
FRAMES = """
const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
return [...document.querySelectorAll(".maps li[class]")].map((map) => {
  pen.drawImage(map.querySelector("img"), 0, 0);
  const [r, g, b] = pen.getImageData(3, 100, 1, 1).data;
  return [map.className, Math.abs(r - 200) < 20 && Math.abs(g - 24) < 20 && Math.abs(b - 24) < 20];
});
"""


@pytest.fixture(scope="module")
def page(run, evaluation, tmp_path_factory) -> Path:
    return darkroom.explain(run, to=tmp_path_factory.mktemp("page") / "out").page


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with driven(tmp_path_factory.mktemp("profile")) as one:
        yield one


def test_the_page_loads_nothing_and_runs_nothing(page, tmp_path):
    _, complaints = browsed(page, tmp_path)
    assert complaints == []


def test_control_a_page_that_would_load_anything_is_complained_of(page, tmp_path):
    changed = tmp_path / "changed.html"
    picture = '<main><img src="http://darkroom.invalid/pixel.png">'
    changed.write_text(page.read_text().replace("<main>", picture))
    _, complaints = browsed(changed, tmp_path / "profile")
    assert complaints


def test_every_picture_is_there_and_says_what_it_is(browser, page):
    browser.open(page)
    browser.run("[...document.images].forEach((image) => { image.loading = 'eager'; })")
    pictures = browser.run(PICTURES)
    assert pictures
    assert all(words and width > 0 for words, width in pictures)


def test_what_is_doubted_has_a_red_frame_and_nothing_else_has(browser, page):
    browser.open(page)
    frames = browser.run(FRAMES)
    assert {"is-fine", "is-doubted"} == {state for state, _ in frames}
    assert all(is_red == (state == "is-doubted") for state, is_red in frames)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_from_its_ground(browser, page, scheme):
    browser.like(scheme=scheme)
    browser.open(page)
    assert browser.run(FAINT) == []


@pytest.mark.parametrize("width", [400, 900, 1400])
def test_nothing_is_cut_at_any_width(browser, page, width):
    browser.like()
    browser.open(page, width=width)
    assert browser.run(CUT) == []
    assert browser.run("return document.scrollingElement.scrollWidth <= innerWidth")


def test_nothing_is_cut_on_paper(browser, page):
    browser.like(media="print")
    browser.open(page, width=A4_PX)
    assert browser.run(CUT) == []
    browser.like()


def test_the_keyboard_reaches_the_images(browser, page):
    browser.open(page)
    browser.press("Tab")
    assert browser.focused() == "Skip to the images"
