"""Wrong images as files, table and gallery: complete, unchanged, under safe names, whole or not."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import numpy as np
import polars as pl
import pytest

import darkroom
from darkroom.decision import Decision
from darkroom.errors import ArtifactError, DataError
from darkroom.evaluation.failures import export_failures, list_failures
from tests.evaluation.judged import draw_answers, make_predictions
from tests.making import draw_folder, image_bytes


def evaluated(dataset, predictions: pl.DataFrame, name: str = "drawn-1-test-1"):
    """Give what an export needs of an evaluation."""
    return SimpleNamespace(
        name=name,
        predictions=predictions,
        run=SimpleNamespace(dataset=dataset),
        report="report.html",
    )


@pytest.fixture(scope="module")
def judged(dataset):
    """Give an evaluation that got some images wrong."""
    answers = draw_answers(dataset, "test", skill=1.5)
    rule = Decision(task="single-label")
    return evaluated(dataset, make_predictions(dataset, "test", answers, rule, leaked=3))


@pytest.fixture(scope="module")
def exported(judged, tmp_path_factory) -> Path:
    return export_failures(judged, tmp_path_factory.mktemp("out") / "failures")


def of_names(names: list[tuple[str, str, str]]) -> pl.DataFrame:
    """Make predictions, all wrong: image, label and what it was taken for."""
    return pl.DataFrame(
        {
            "image": [image for image, _, _ in names],
            "labels": [[label] if label else [] for _, label, _ in names],
            "predicted": [[taken] if taken else [] for _, _, taken in names],
            "correct": [False] * len(names),
            "confidence": [0.5] * len(names),
        },
        schema_overrides={"labels": pl.List(pl.String), "predicted": pl.List(pl.String)},
    )


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_every_wrong_image_is_there_and_no_other(judged, exported):
    wrong = judged.predictions.filter(~pl.col("correct"))
    assert 0 < len(wrong) < len(judged.predictions)
    table = pl.read_csv(exported / "failures.csv")
    assert set(table["image"]) == set(wrong["image"])
    assert files(exported) == {*table["file"], "failures.csv", "index.html"}


def test_the_files_are_the_original_ones(dataset, exported):
    hashes = dict(dataset.index.select("image", "sha256").iter_rows())
    for image, file in pl.read_csv(exported / "failures.csv").select("image", "file").iter_rows():
        assert hashlib.sha256((exported / file).read_bytes()).hexdigest() == hashes[image]


def test_a_path_tells_class_answer_and_confidence(judged, exported):
    table = pl.read_csv(exported / "failures.csv")
    assert table.columns == ["image", "labels", "predicted", "confidence", "leaked", "file"]
    for row in table.iter_rows(named=True):
        true, taken, name = row["file"].split("/")
        assert (true, taken) == (row["labels"], f"taken-for-{row['predicted']}")
        assert name == f"{row['confidence']:.2f}-{row['image'].split('/')[-1]}"
    leaked = set(judged.predictions.filter("leaked")["image"])
    assert set(table.filter("leaked")["image"]) == leaked & set(table["image"])


def test_the_surest_of_a_confusion_comes_first(exported):
    table = pl.read_csv(exported / "failures.csv")
    for _, group in table.group_by("labels", "predicted"):
        confidence = group["confidence"].to_list()
        assert confidence == sorted(confidence, reverse=True)


def test_the_gallery_shows_every_file_and_loads_nothing_else(exported):
    page = (exported / "index.html").read_text()
    shown = {unquote(source) for source in re.findall(r'<img[^>]* src="([^"]+)"', page)}
    assert shown == {file for file in files(exported) if file.endswith(".png")}
    assert "://" not in page
    assert "<script" not in page


def test_names_that_hurt_a_file_system_are_made_safe():
    (failure,) = list_failures(of_names([('x/../../a:b?"<i>.png', "../up", "c\\d|e*")]))
    assert failure.file == "_up/taken-for-c_d_e_/0.50-a_b___i_.png"


def test_long_names_fit():
    (failure,) = list_failures(of_names([("é" * 400 + ".png", "ü" * 400, "y" * 400)]))
    assert all(len(piece.encode()) <= 200 for piece in failure.file.split("/"))


def test_images_of_one_name_and_classes_that_look_alike_keep_apart():
    named = [("a/1.png", "Cat", "dog"), ("b/1.png", "Cat", "dog"), ("c/1.png", "cat", "dog")]
    paths = [each.file for each in list_failures(of_names(named))]
    assert len({path.casefold() for path in paths}) == 3
    assert len({path.split("/")[0].casefold() for path in paths}) == 2


@pytest.mark.parametrize("name", ["index.html", "Failures.csv"])
def test_a_class_called_like_the_table_or_the_gallery_does_not_take_its_place(name):
    (failure,) = list_failures(of_names([("1.png", name, "dog")]))
    assert failure.file.split("/")[0].casefold() != name.casefold()


def test_a_class_called_nothing_is_not_the_one_for_images_without_a_label():
    named = [("1.png", "nothing", "dog"), ("2.png", "", "dog")]
    first, second = list_failures(of_names(named))
    assert {first.labels, second.labels} == {"nothing", ""}
    assert first.file.split("/")[2] != second.file.split("/")[2]


def test_an_image_without_an_answer_lies_apart():
    silent = of_names([("1.png", "cat", "")]).with_columns(abstained=pl.lit(value=True))
    (failure,) = list_failures(silent)
    assert failure.file == "cat/no-answer/0.50-1.png"
    (control,) = list_failures(silent.drop("abstained"))
    assert control.file == "cat/taken-for-nothing/0.50-1.png"


def test_several_labels_are_all_named():
    rows = of_names([("1.png", "cat", "dog")]).with_columns(
        labels=pl.lit(["cat", "owl"], dtype=pl.List(pl.String))
    )
    (failure,) = list_failures(rows)
    assert (failure.file, failure.labels) == ("cat + owl/taken-for-dog/0.50-1.png", "cat | owl")


def test_an_evaluation_from_before_leaks_were_looked_for_leaves_them_open():
    assert list_failures(of_names([("1.png", "cat", "dog")]))[0].leaked is None


def test_hostile_names_are_text_in_the_gallery(workspace, tmp_path):
    root = draw_folder(tmp_path / "own", classes=("<i>ball", "box"), per_class=12)
    (root / "box" / "<img src=x onerror=alert(1)>.png").write_bytes(image_bytes("box", 99))
    dataset = darkroom.split_dataset(darkroom.open_dataset(root))
    rows = of_names([(image, "<i>ball", "box") for image in dataset.index["image"]])
    page = (export_failures(evaluated(dataset, rows), tmp_path / "out") / "index.html").read_text()
    assert "<i>" not in page
    assert "<img src=x" not in page
    assert "&lt;i&gt;ball" in page


def test_what_no_browser_shows_is_drawn_into_the_gallery(workspace, tmp_path):
    root = draw_folder(tmp_path / "own", classes=("ball", "box"), per_class=12)
    (root / "box" / "scan.tif").write_bytes(image_bytes("box", 99, kind="TIFF"))
    dataset = darkroom.split_dataset(darkroom.open_dataset(root))
    rows = of_names([("box/scan.tif", "box", "ball"), ("box/001.png", "box", "ball")])
    page = (export_failures(evaluated(dataset, rows), tmp_path / "out") / "index.html").read_text()
    assert page.count('src="data:image/png') == 1
    assert 'href="box/taken-for-ball/0.50-scan.tif"' in page


def test_where_nothing_is_wrong_the_folder_says_so(judged, tmp_path):
    right = judged.predictions.with_columns(correct=pl.lit(value=True))
    out = export_failures(evaluated(judged.run.dataset, right), tmp_path / "out")
    assert files(out) == {"failures.csv", "index.html"}
    assert "Every image was right" in (out / "index.html").read_text()


def test_a_folder_that_exists_is_refused_and_left_alone(judged, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(ArtifactError) as refused:
        export_failures(judged, tmp_path / "out")
    assert str(tmp_path / "out") in refused.value.problem
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_among_the_images_is_refused(judged):
    source = Path(judged.run.dataset.record.location)
    with pytest.raises(DataError) as refused:
        export_failures(judged, source / "failures")
    assert "twice" in refused.value.problem
    assert not (source / "failures").exists()


def test_an_image_that_changed_leaves_no_folder(workspace, tmp_path):
    root = draw_folder(tmp_path / "own", classes=("ball", "box"), per_class=12)
    dataset = darkroom.split_dataset(darkroom.open_dataset(root))
    rows = of_names([("box/001.png", "box", "ball")])
    path = root / "box" / "001.png"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(DataError) as refused:
        export_failures(evaluated(dataset, rows), tmp_path / "out" / "failures")
    assert "001.png" in refused.value.problem
    assert not (tmp_path / "out").exists()


def test_predicted_numbers_are_neither_right_nor_wrong(dataset, tmp_path):
    numbers = pl.DataFrame({"image": ["a.png"], "error": np.ones(1)})
    with pytest.raises(DataError) as refused:
        export_failures(evaluated(dataset, numbers), tmp_path / "out")
    assert "numbers" in refused.value.problem
