"""The report: what it says first, that it opens offline, that all can read it, what it weighs."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import msgspec
import polars as pl
import pytest

import darkroom
from darkroom.decision import Decision
from darkroom.errors import DataError
from darkroom.evaluation.diagnosis.diagnosis import Diagnosis, Unclear
from darkroom.evaluation.report import work_beside, write_report
from darkroom.evaluation.report.album import make_album
from darkroom.evaluation.report.confusions import find_confusions, shown_cells
from darkroom.evaluation.report.figures import as_drawn, make_figures
from darkroom.evaluation.report.page import Page, render
from darkroom.findings import Finding
from darkroom.models.weights import Pretrained
from darkroom.problem import Problem
from tests.evaluation.judged import count, make_judged, make_record, make_run
from tests.making import draw_folder, draw_image, real_data

SINGLE = Decision(task="single-label", temperature=1.4)
ORDER = [
    "verdict", "confusions", "pictures", "classes", "sureness", "curves", "slices", "baselines",
    "learning", "origin", "repeat",
]  # fmt: skip


class Outline(HTMLParser):
    """What a screen reader goes by."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(re.sub(r"<script.+?</script>", "", page, flags=re.DOTALL))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def of(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in tags]


def made(dataset, path: Path, *, part: str = "test", **how) -> str:
    """Write the report of a drawn evaluation and read it."""
    problem = how.pop("problem", Problem())
    decision = how.pop("decision", Decision(task=dataset.task, temperature=1.4))
    change = how.pop("change", lambda judged: judged)
    run = make_run(dataset)
    run.record = msgspec.structs.replace(run.record, pretrained=how.pop("pretrained", None))
    judged = change(make_judged(dataset, part=part, decision=decision, **how))
    record = make_record(run, judged, part=part, problem=problem, decision=decision)
    with work_beside(run.workspace.cache) as beside:
        write_report(path, f"{run.name}-{part}-1", run, record, judged, beside)
    return path.read_text()


def album_of(page: str) -> dict:
    return json.loads(re.search(r'id="album">(.*?)</script>', page, re.DOTALL)[1])


def words_of(page: str) -> str:
    """Give what stands on the page, without its markup."""
    bare = re.sub(r"<(script|style).+?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", bare)).replace("\u00a0", " ")


@pytest.fixture(scope="module")
def page(dataset, tmp_path_factory) -> str:
    """Give the report of a run of three classes that confuses some of them."""
    goal = Problem(purpose="Sort shapes for a toy shop", goal=0.5)
    path = tmp_path_factory.mktemp("page") / "report.html"
    return made(dataset, path, problem=goal, decision=SINGLE, skill=2.0)


@pytest.fixture
def numbers(workspace, tmp_path):
    """Give a dataset of images with a number each."""
    lines = ["image,target"]
    for number in range(60):
        draw_image("ball", number).save(tmp_path / f"{number:02d}.png")
        lines.append(f"{number:02d}.png,{number / 7:.3f}")
    (tmp_path / "targets.csv").write_text("\n".join(lines))
    columns = darkroom.Columns(target="target")
    return darkroom.split_dataset(darkroom.open_dataset(tmp_path / "targets.csv", columns=columns))


@pytest.fixture
def several(workspace, tmp_path):
    """Give a dataset of images with several labels each."""
    lines = ["image,labels"]
    for number in range(90):
        draw_image("box", number).save(tmp_path / f"{number:02d}.png")
        lines.append(f"{number:02d}.png,{('sea|sky', 'sky', 'sand|sea')[number % 3]}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    return darkroom.split_dataset(darkroom.open_dataset(tmp_path / "labels.csv"))


def test_the_verdict_comes_first_and_then_everything_else_in_its_order(page):
    main = page[page.index("<main>") :]
    found = re.findall(r'<(?:section|header) id="([\w-]+)"', main)
    assert found == ORDER
    links = re.findall(r'<li><a href="#([\w-]+)">', page[: page.index("<main>")])
    assert links == ORDER
    told = words_of(main)
    assert told.index("Goal") < told.index("How good is it?") < told.index("What it confuses")


def test_the_three_questions_are_answered_before_any_figure(page):
    top = page[: page.index("<figure")]
    for question in ("How good is it?", "What does it confuse?", "Whom to trust?"):
        assert question in top


def test_the_page_refers_to_nothing_outside(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "http" not in policy
    assert "unsafe-eval" not in policy
    sources = [a.get("src") or a.get("href") for a in Outline(page).of("img", "a", "link")]
    assert len(sources) > 20
    assert all(source.startswith(("data:image/", "#")) for source in sources)


def test_only_the_one_script_may_run(page):
    allowed = re.search(r"script-src 'sha256-([^']+)'", page)[1]
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert digest == allowed
    control = base64.b64encode(hashlib.sha256((scripts[0] + " ").encode()).digest()).decode()
    assert control != allowed


def test_headings_are_in_order(page):
    levels = Outline(page).headings
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(levels))


def test_every_table_says_what_its_rows_and_columns_are(page):
    outline = Outline(page)
    assert len(outline.of("table")) >= 5
    assert all(cell.get("scope") in ("row", "col") for cell in outline.of("th"))
    assert len(outline.of("tr")) > len(outline.of("table"))


def test_everything_that_is_shown_or_pressed_has_a_name(page):
    outline = Outline(page)
    assert all(image.get("alt") for image in outline.of("img"))
    named = {label["for"] for label in outline.of("label") if "for" in label}
    assert all(field["id"] in named for field in outline.of("input"))
    assert all(region.get("aria-label") for _, region in outline.tags if region.get("role"))
    assert outline.of("dialog")[0]["aria-labelledby"] == "cell-title"
    assert {"main", "nav", "header", "footer"} <= {tag for tag, _ in outline.tags}


def test_every_figure_is_a_picture_before_any_script_runs(page):
    figures = re.findall(r"<figure.+?</figure>", page, re.DOTALL)
    specs = json.loads(re.search(r'id="figures">(.*?)</script>', page, re.DOTALL)[1])
    assert len(figures) == len(specs) >= 9
    assert all('<img src="data:image/svg+xml;base64,' in figure for figure in figures)


def test_every_look_has_its_pictures_without_a_script(page):
    for number in range(5):
        panel = page[page.index(f'class="look look-{number}"') :]
        assert "data:image/png" in panel[: panel.index("</div>")]


def test_a_cell_opens_images_of_that_cell(dataset, page):
    album, classes = album_of(page), dataset.classes
    assert album["cells"]
    for key, cell in album["cells"].items():
        true, taken = (classes[int(place)] for place in key.split(","))
        for number in cell["images"]:
            image = album["images"][number]
            if true == taken:
                assert (image["state"], image["caption"]) == ("right", true)
            else:
                assert image["caption"] == f"{true} taken for {taken}"


def test_a_class_has_looks_of_its_own(dataset, page):
    album = album_of(page)
    assert len(album["classes"]) == len(dataset.classes)
    for name, looks in zip(sorted(dataset.classes), album["classes"], strict=True):
        shown = {album["images"][number]["caption"] for n in looks.values() for number in n}
        assert all(caption.startswith(name) for caption in shown)


def test_each_picture_is_kept_once(page):
    uris = [image["uri"] for image in album_of(page)["images"] if "uri" in image]
    in_page = set(re.findall(r'src="(data:image/png[^"]+)"', page))
    assert len(uris) == len(set(uris))
    assert not in_page & set(uris)


def test_pictures_keep_to_their_budget(dataset):
    judged = make_judged(dataset, part="train", decision=SINGLE, skill=2.0)
    cells = shown_cells(find_confusions(judged.metrics))
    keys = {(cell.true, cell.taken): cell.key for cell in cells}
    rich = make_album(dataset, judged.predictions, keys)
    poor = make_album(dataset, judged.predictions, keys, budget_bytes=1)
    size = {name: sum(map(len, of.pictures.values())) for name, of in (("r", rich), ("p", poor))}
    middle = (size["r"] + size["p"]) // 2
    between = make_album(dataset, judged.predictions, keys, budget_bytes=middle)
    assert size["p"] < sum(map(len, between.pictures.values())) <= middle < size["r"]
    assert poor.looks == rich.looks  # they are there whatever they take


def test_the_largest_cells_and_each_class_have_pictures_before_any_has_many(dataset):
    judged = make_judged(dataset, part="train", decision=SINGLE, skill=2.0)
    cells = shown_cells(find_confusions(judged.metrics))
    keys = {(cell.true, cell.taken): cell.key for cell in cells}
    whole = make_album(dataset, judged.predictions, keys)
    few = make_album(
        dataset,
        judged.predictions,
        keys,
        budget_bytes=sum(map(len, whole.pictures.values())) * 2 // 3,
    )
    assert len(few.pictures) < len(whole.pictures)
    assert few.cells.keys() == whole.cells.keys()


HOSTILE = "<i onclick=alert(1)>ball</i>"


@pytest.fixture
def hostile(workspace, tmp_path):
    root = tmp_path / "own"
    for name in (
        HOSTILE.replace("/", "_"),
        "{{ 7 * 7 }}",
        "new\nline",
        "</script>".replace("/", "_"),
    ):
        (root / name).mkdir(parents=True)
        for seed in range(12):
            path = root / name / f'{seed}<img src=x onerror="alert(1)">\u202e.png'
            draw_image("box", seed).save(path)
    return darkroom.split_dataset(darkroom.open_dataset(root))


def suspicious(page: str) -> set[str]:
    """Name what hostile names would have smuggled in."""
    outline = Outline(page)
    found = {tag for tag, _ in outline.tags} | {name for _, of in outline.tags for name in of}
    return {"i", "onclick", "onerror"} & found


def test_names_of_classes_and_files_are_text_never_markup(hostile, tmp_path):
    page = made(hostile, tmp_path / "report.html", skill=0.5)
    assert not suspicious(page)
    assert page.count("<script") == 3
    assert "&lt;i onclick" in page
    assert "{{ 7 * 7 }}" in page
    assert "new\\nline" in page
    assert "\u202e" not in page


def test_that_test_would_notice_names_that_are_markup(hostile, tmp_path, monkeypatch):
    real = jinja2.Environment
    monkeypatch.setattr(
        jinja2, "Environment", lambda **options: real(**options | {"autoescape": False})
    )
    assert {"i", "onclick"} <= suspicious(made(hostile, tmp_path / "report.html", skill=0.5))


def test_leaks_are_told_of_and_the_score_leaves_them_out(dataset, tmp_path):
    page = made(dataset, tmp_path / "report.html", leaked=4, skill=2.0)
    told = words_of(page)
    assert "4 of these images have been seen before : 2 as copies, 2 as near-duplicates" in told
    images = dataset.counts["test"] - 4
    assert f"of {images} test images" in told


def test_control_without_leaks_nothing_is_said_of_them(page):
    assert "seen before" not in page


def test_where_everything_leaked_nothing_is_left_to_measure(dataset, tmp_path):
    page = made(dataset, tmp_path / "report.html", leaked=dataset.counts["test"])
    assert "nothing is left to measure" in page


def test_notes_stand_where_they_belong(dataset, tmp_path):
    def noted(judged):
        details = msgspec.structs.replace(judged.details, notes=("chosen on these very images",))
        return msgspec.structs.replace(judged, details=details)

    page = made(dataset, tmp_path / "report.html", change=noted)
    top, sureness = page.index("chosen on these very images"), page.index('id="sureness"')
    assert page.index('id="verdict"') < top < page.index('id="confusions"')
    assert page.index("too few images for thresholds") > sureness
    assert page.index("camera: nothing is said of it") > page.index('id="slices"')


def test_how_it_learned_is_shown_by_its_losses_accuracies_and_rates(page):
    section = page[page.index('id="learning"') : page.index('id="origin"')]
    figures = re.findall(r"<figcaption><b>([^<]+)</b>[^<]*</figcaption><img src=.data:", section)
    assert figures == ["Loss", "Accuracy", "Learning rate"]
    assert "pretrained" not in words_of(section)


def test_what_a_trunk_has_seen_before_is_told_with_its_biases(dataset, tmp_path):
    pretrained = Pretrained(
        trunk="mobilenet_v2", sha256="0" * 64, source="x", dataset="ImageNet", images=9, classes=3
    )
    told = words_of(made(dataset, tmp_path / "report.html", pretrained=pretrained))
    assert "pretrained on ImageNet, 9 photographs of 3 classes; the biases of that set come" in told


def test_an_evaluation_with_metrics_alone_makes_a_page(dataset, tmp_path):
    def bare(judged):
        nothing = type(judged.details)()
        return msgspec.structs.replace(judged, details=nothing)

    page = made(dataset, tmp_path / "report.html", change=bare)
    assert 'id="slices"' not in page
    assert 'id="curves"' not in page
    assert "Not measured: there are too few images" in page


def test_a_class_without_images_is_said_not_to_be_defined_never_zero(workspace, tmp_path):
    root = draw_folder(tmp_path / "own", per_class=30)
    dataset = darkroom.split_dataset(darkroom.open_dataset(root))

    def absent(judged):
        gone = dataset.classes[0]
        rows = judged.predictions.filter(~pl.col("labels").list.contains(gone))
        return msgspec.structs.replace(judged, metrics=count(dataset, rows), predictions=rows)

    page = made(dataset, tmp_path / "report.html", change=absent)
    table = page[page.index("<h2>Class by class") :]
    row = table[table.index('<th scope="row">ball</th>') :]
    assert "not defined" in row[: row.index("</tr>")]
    assert "the part has no image of ball" in page


def test_of_many_classes_the_thirty_largest_confusions_are_listed(workspace, tmp_path):
    names = [f"kind {number:02d}" for number in range(32)]
    root = draw_folder(tmp_path / "own", classes=names, per_class=12)
    dataset = darkroom.split_dataset(darkroom.open_dataset(root))
    page = made(dataset, tmp_path / "report.html", skill=0.5)
    assert 'id="matrix"' not in page
    section = page[page.index('id="confusions"') : page.index('id="pictures"')]
    assert section.count("<li>") == 30
    assert all(key.startswith(tuple("0123456789")) for key in album_of(page)["cells"])


def test_numbers_have_their_errors_instead_of_a_matrix(numbers, tmp_path):
    goal = Problem(metric="mae", goal=100.0)
    page = made(numbers, tmp_path / "report.html", problem=goal)
    assert re.findall(r'<(?:section|header) id="([\w-]+)"', page) == [
        "verdict", "errors", "pictures", "learning", "origin", "repeat",
    ]  # fmt: skip
    told = words_of(page)
    assert "Goal met" in told
    assert "mean absolute error at most 100 wanted" in told
    assert "The largest error is" in told
    assert "Root mean squared error" in told
    assert page.count("off by ") >= 12


def test_several_labels_have_thresholds_and_no_matrix(several, tmp_path):
    rule = Decision(task="multi-label", thresholds=(0.25, 0.5, 0.75))
    page = made(several, tmp_path / "report.html", decision=rule)
    assert 'id="matrix"' not in page
    assert "What does it miss?" in page
    table = page[page.index("<h2>Class by class") :]
    cells = re.findall(r'<td class="number">([\d.]+)</td></tr>', table[: table.index("</section>")])
    assert cells == ["0.25", "0.5", "0.75"]


def test_findings_of_a_diagnosis_have_a_place_below_the_verdict(dataset):
    healthy, run = make_judged(dataset, decision=SINGLE), make_run(dataset)
    found = Finding(
        name="overfits", severity="warning", what="It learns <b>by heart", next_step="rest"
    )
    unclear = Unclear(name="leak", why="the dataset <i> is gone")
    judged = msgspec.structs.replace(
        healthy, diagnosis=Diagnosis(findings=(found,), unclear=(unclear,))
    )
    record = make_record(run, judged, decision=SINGLE)
    figures = make_figures(run, SINGLE, judged)
    figures = as_drawn(figures, [figure.svg_uri() for figure in figures.values()])
    of_a_page = Page(
        name="drawn-1-test-1",
        run=run,
        record=record,
        judged=judged,
        confusions=find_confusions(judged.metrics),
        album=make_album(dataset, judged.predictions, {}),
        figures=figures,
    )
    page = render(of_a_page, ("", ""))
    place = page.index("It learns &lt;b&gt;by heart")
    assert page.index('id="verdict"') < place < page.index('id="confusions"')
    assert "leak (the dataset &lt;i&gt; is gone)" in page
    control = render(msgspec.structs.replace(of_a_page, judged=healthy), ("", ""))
    assert 'id="findings"' not in control


def test_an_image_that_changed_is_named(workspace, tmp_path):
    root = draw_folder(tmp_path / "own", per_class=12)
    dataset = darkroom.split_dataset(darkroom.open_dataset(root))
    for path in root.rglob("*.png"):
        path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(DataError) as refused:
        made(dataset, tmp_path / "report.html")
    assert ".png" in refused.value.problem
    assert not (tmp_path / "report.html").exists()


@pytest.mark.slow
def test_ten_thousand_predictions_stay_below_four_megabytes(workspace, tmp_path):
    dataset = darkroom.open_dataset(real_data("cifar10-jpeg.zip"))
    dataset = darkroom.split_dataset(dataset)
    page = made(dataset, tmp_path / "report.html", skill=5.0)
    assert dataset.counts["test"] == 10_000
    assert len(page.encode()) < 4_000_000
    assert len(album_of(page)["images"]) > 400
