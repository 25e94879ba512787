"""The page of a dataset: it shows what there is, loads nothing, and names are never markup."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import msgspec
import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import darkroom
from darkroom.cli.explore import explore as explore_command
from darkroom.data.embedding import simple_embedding
from darkroom.data.explore import explore
from darkroom.errors import DataError, RecipeError
from tests.making import draw_folder, draw_image, image_bytes

HOSTILE = (
    "<script>alert(1)<",
    "quo\"te's",
    "new\nline",
    "{{ 7 * 7 }}",
    "<i onclick=alert(1)>",
    "\u202etxt.evil",
)


class Tags(HTMLParser):
    """Gathers what a browser would build of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.sources: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.sources += [value for name, value in attrs if name in ("src", "href")]


def opened(root: Path) -> str:
    return explore(darkroom.open_dataset(root)).read_text()


@pytest.fixture(scope="module")
def page(dataset) -> str:
    return explore(dataset).read_text()


def test_the_page_lies_in_the_workspace_or_where_it_is_asked_for(dataset, tmp_path):
    there = tmp_path / "deep" / "page.html"
    assert explore(dataset, to=there) == there
    assert there.read_text().startswith("<!doctype html>")
    assert explore(dataset) == dataset.workspace.root / "explore" / f"{dataset.name}.html"


def test_a_folder_is_no_place_for_the_page_and_that_is_said_at_once(dataset, tmp_path):
    with pytest.raises(DataError) as refused:
        explore(dataset, to=tmp_path)
    assert str(tmp_path) in refused.value.problem
    assert str(tmp_path / "page.html") in refused.value.hint


def test_the_page_names_a_command_that_opens_the_same_dataset(tmp_path, workspace):
    root = draw_folder(tmp_path / "my shapes", per_class=6)
    assert f"darkroom explore &#39;{root}&#39;" in opened(root)
    table = table_of(root, "kind", ["a", "b"] * 9)
    dataset = darkroom.open_dataset(table, columns=darkroom.Columns(label="kind"))
    assert f"darkroom explore {dataset.name}<" in explore(dataset).read_text()


def without_figures(page: str) -> str:
    """Leave out the charts: Altair numbers their parts on through a process."""
    page = re.sub(r"<figure .+?</figure>", "", page)
    return re.sub(r'<script type="application/json".+?</script>', "", page)


def test_the_same_dataset_gives_the_same_page(dataset, page, tmp_path):
    again = explore(dataset, to=tmp_path / "again.html").read_text()
    assert without_figures(again) == without_figures(page)


def test_the_page_refers_to_nothing_outside(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "http" not in policy
    assert "unsafe-eval" not in policy
    sources = Tags(page).sources
    assert len(sources) > 100
    assert all(source.startswith(("data:image/", "#")) for source in sources)


def test_the_page_shows_every_class_with_its_pictures_and_mean(dataset, page):
    for name in dataset.classes:
        assert f'alt="the mean image of {name}"' in page
        shown = set(re.findall(rf'alt="{name}: ({name}/\d+\.png)"', page))
        assert len(shown) >= 24


def test_every_figure_is_a_picture_before_any_script_runs(page):
    figures = re.findall(r'<figure data-figure="\d+"><img src="data:image/svg\+xml;base64,', page)
    assert len(figures) == page.count("<figure ") >= 4


@pytest.fixture
def hostile(tmp_path, workspace) -> Path:
    root = tmp_path / "photos"
    for number, name in enumerate(HOSTILE):
        folder = root / name.replace("/", "_")
        folder.mkdir(parents=True)
        for seed in range(5):
            path = folder / f'{seed}<img src=x onerror="alert(1)">\n.png'
            draw_image("box", 10 * number + seed).save(path)
    return root


def suspicious(page: str) -> set[str]:
    """Name what hostile names would have smuggled in."""
    found = Tags(page)
    return {"i", "onclick", "onerror"} & {*found.tags, *found.attributes}


def test_hostile_names_are_text(hostile):
    page = opened(hostile)
    assert not suspicious(page)
    assert Tags(page).tags.count("script") == 2
    assert "&lt;script&gt;alert(1)&lt;" in page
    assert "new\\nline" in page
    assert "\u202e" not in page
    assert "{{ 7 * 7 }}" in page


def test_that_test_would_notice_names_that_are_markup(hostile, monkeypatch):
    real = jinja2.Environment
    monkeypatch.setattr(
        jinja2, "Environment", lambda **options: real(**options | {"autoescape": False})
    )
    assert {"i", "onclick"} <= suspicious(opened(hostile))


def test_findings_come_with_their_pictures_copies_side_by_side(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=12)
    (root / "box" / "same.png").write_bytes((root / "ball" / "003.png").read_bytes())
    page = opened(root)
    findings = page[page.index('id="findings"') : page.index('id="classes"')]
    card = findings[findings.index("conflicting-labels") :]
    pair = re.search(r'<ul class="alikes"><li><ul class="pictures">(.+?)</ul></li>', card)[1]
    assert re.findall(r'alt="\w+: ([^"]+)"', pair) == ["ball/003.png", "box/same.png"]


def test_the_accounting_names_every_skipped_file(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=12)
    (root / "ball" / "broken.png").write_bytes(image_bytes()[:40])
    (root / "box" / "notes.txt").write_text("no image")
    page = opened(root)
    assert "38 = 36 used + 2 skipped" in page
    assert "ball/broken.png" in page
    assert "box/notes.txt" in page


def test_very_many_classes_stay_a_small_page_that_says_what_it_leaves_out(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", [f"ball{n:03d}" for n in range(120)], per_class=2)
    path = explore(darkroom.open_dataset(root))
    assert path.stat().st_size < 5e6
    assert "of 120 classes the 45 largest and the 45 smallest" in path.read_text()


def test_one_image_has_a_page(tmp_path, workspace):
    page = opened(draw_folder(tmp_path / "shapes", ["ball"], per_class=1))
    assert "1 image<" in page
    assert "too few images to call one of them odd" in page


def test_images_that_are_all_alike_have_a_page(tmp_path, workspace):
    for name in ("a", "b"):
        (tmp_path / "grey" / name).mkdir(parents=True)
        for number in range(12):
            pixels = np.full((20, 20), 128, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "grey" / name / f"{number}.png")
    assert "all grey" in opened(tmp_path / "grey")


def table_of(root: Path, column: str, values: list[str | float]) -> Path:
    images = sorted(str(path.relative_to(root)) for path in root.glob("*/*.png"))
    pl.DataFrame({"image": images, column: values}).write_csv(root / "table.csv")
    return root / "table.csv"


def test_a_multi_label_dataset_has_a_page(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=10)
    labels = ["ball|red"] * 10 + ["box"] * 10 + ["stripe|red"] * 10
    page = opened(table_of(root, "label", labels))
    assert 'alt="the mean image of red"' in page
    assert "Labels are not judged" in page


def test_a_regression_has_a_page_of_its_targets(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=10)
    page = opened(table_of(root, "target", [row + 0.5 for row in range(30)]))
    assert "0.5 to 5.5" in page
    assert "Labels are not judged" in page


def test_probabilities_that_are_handed_in_judge_the_labels(dataset, tmp_path):
    given = {
        name: [0.98 if name.startswith(each) else 0.01 for each in dataset.classes]
        for name in dataset.index["image"]
    }
    given["ball/007.png"] = [0.01, 0.98, 0.01]
    page = explore(dataset, to=tmp_path / "page.html", probabilities=given).read_text()
    assert "1 label is suspect of 120" in page


def test_another_embedding_is_named(dataset, tmp_path):
    embedding = msgspec.structs.replace(simple_embedding(dataset), made_by="my own features")
    page = explore(dataset, to=tmp_path / "page.html", embedding=embedding).read_text()
    assert "Likeness is judged by my own features" in page


def command(*arguments: str) -> Result:
    return CliRunner().invoke(explore_command, arguments, catch_exceptions=False)


def test_the_command_prints_the_path_last_and_says_what_likeness_is_judged_by(
    tmp_path, workspace, monkeypatch
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))  # no weights there
    root = draw_folder(tmp_path / "shapes", per_class=6)
    done = command(str(root), "--to", str(tmp_path / "page.html"))
    assert Path(done.stdout.splitlines()[-1]).resolve() == tmp_path / "page.html"
    assert "colours and gradients" in done.stderr
    assert (tmp_path / "page.html").exists()


def test_the_command_prints_json(tmp_path, workspace, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    root = draw_folder(tmp_path / "shapes", per_class=6)
    told = json.loads(command(str(root), "--json").stdout)
    assert Path(told["path"]).is_file()
    assert told["likeness"] == "colours and gradients"


def test_a_run_judges_the_labels_of_its_validation_part_and_no_look_is_counted(
    run, shared, tmp_path, monkeypatch
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(shared.root))
    looks = shared.events("look", subject=run.dataset.fingerprint("test"))
    command("--run", run.name, "--to", str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text()
    assert re.search(r"probabilities handed in give the label for [^(]+\(", page)
    assert shared.events("look", subject=run.dataset.fingerprint("test")) == looks


def test_a_run_and_other_images_are_refused(run, shared, monkeypatch):
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(shared.root))
    with pytest.raises(RecipeError) as refused:
        command("photos/", "--run", run.name)
    assert run.name in refused.value.problem
    assert run.name in refused.value.hint
