"""The contract of every export: opened again, it is the same dataset."""

from __future__ import annotations

import hashlib
from pathlib import Path

import polars as pl
import pytest

import darkroom
from darkroom.data.dataset import Dataset
from darkroom.data.export import FORMATS, export_dataset
from darkroom.errors import ArtifactError, DataError
from tests.failing_disk import TROUBLES, files_below, until_none_fails
from tests.making import draw_folder, draw_image

TABLES = {
    "several labels": ["image,label", "a.png,cat|dog", "b.png,dog", "c.png,cat", "d.png,dog"],
    "a number": ["image,value", "a.png,3", "b.png,-0.5", "c.png,1e-9", "d.png,4"],
    "no number for one": [
        "image,value,part",
        "a.png,3,train",
        "b.png,2,test",
        "c.png,,",
        "d.png,1,",
    ],
    "no labels in parts": [
        "image,label,part",
        *("a.png,cat|dog,train", "b.png,dog,train", "c.png,cat,test", "d.png,,"),
    ],
    "groups": ["image,label,group", "a.png,cat,p1", "b.png,cat,p1", "c.png,dog,p2", "d.png,dog,"],
    "no label for one": ["image,label", "a.png,cat", "b.png,cat", "c.png,dog", "d.png,"],
    "parts and groups": [
        "image,label,part,group",
        *("a.png,cat,train,p1", "b.png,dog,train,p1", "c.png,cat,test,p2", "d.png,dog,valid,"),
    ],
    "numbers as classes": ["image,label", "a.png,1", "b.png,2", "c.png,10", "d.png,10"],
    "several labels in parts": [
        "image,label,part",
        *("a.png,cat|dog,train", "b.png,dog,train", "c.png,cat,test", "d.png,dog,valid"),
    ],
}
TREES = {
    "classes": ["cat/1.png", "cat/2.png", "dog/1.png"],
    "parts": ["train/cat/1.png", "train/dog/1.png", "valid/cat/1.png", "test/dog/1.png"],
    "same names below": ["cat/x/1.png", "cat/y/1.png", "dog/X/1.png", "dog/x/1.PNG"],
    "names that differ in case": ["cat/a.png", "cat/A.png", "dog/a.png"],
    "a class called train": ["train/1.png", "train/2.png", "plane/1.png"],
    "beside the classes": ["cat/1.png", "dog/1.png", "1.png"],
    "odd names": ["c a t/a b.png", "d.o.g/1.tar.png", "ünï/ß.png", "#1/50%.png"],
    "formats": ["cat/1.jpg", "cat/2.webp", "dog/3.bmp", "dog/4.gif", "dog/5.tif", "dog/6.jpeg"],
    "wrong endings": ["cat/1.jpg.png", "cat/2", "dog/3.txt.jpg"],
}


def made(kind: str, folder: Path) -> Dataset:
    """Make one kind of dataset."""
    folder.mkdir()
    if kind in TABLES:
        for line in TABLES[kind][1:]:
            name = line.split(",")[0]
            draw_image("box", ord(name[0])).save(folder / name)
        (folder / "images.csv").write_text("\n".join(TABLES[kind]) + "\n")
        return darkroom.open_dataset(folder / "images.csv")
    for number, name in enumerate(TREES[kind]):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        known = {"jpg": "JPEG", "webp": "WEBP", "bmp": "BMP", "gif": "GIF", "tif": "TIFF"}
        of = known.get(name.rpartition(".")[2].lower(), "PNG")
        draw_image("box", number).save(folder / name, of)
    return darkroom.open_dataset(folder)


def content(dataset: Dataset) -> list[tuple]:
    """Give what an export must keep of each image."""
    table = dataset.index.with_columns(
        pl.col("labels")
        .list.eval(pl.element().cast(pl.Int64).replace_strict(dict(enumerate(dataset.classes))))
        .alias("names")
        if dataset.classes
        else pl.lit(None).alias("names")
    )
    columns = ("sha256", "part", "names", "target", "group")
    return sorted(table.select(columns).iter_rows(), key=str)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", [*TABLES, *TREES])
def test_an_export_opened_again_is_the_same_dataset(workspace, tmp_path, kind, form):
    dataset = made(kind, tmp_path / "given")
    again = darkroom.open_dataset(dataset.export(tmp_path / "out", format=form))
    assert content(again) == content(dataset)
    assert again.classes == dataset.classes
    assert again.task == dataset.task
    assert again.fingerprint() == dataset.fingerprint()
    assert again.record.skipped == 0


@pytest.mark.parametrize("form", FORMATS)
def test_control_another_label_or_group_is_seen(workspace, tmp_path, form):
    dataset = made("groups", tmp_path / "given")
    table = tmp_path / "given" / "images.csv"
    table.write_text(table.read_text().replace("b.png,cat,p1", "b.png,dog,p1"))
    again = darkroom.open_dataset(darkroom.open_dataset(table).export(tmp_path / "o", format=form))
    assert content(again) != content(dataset)
    table.write_text(table.read_text().replace("b.png,dog,p1", "b.png,cat,p2"))
    again = darkroom.open_dataset(darkroom.open_dataset(table).export(tmp_path / "p", format=form))
    assert content(again) != content(dataset)


@pytest.mark.parametrize("form", FORMATS)
def test_a_split_dataset_keeps_its_parts(dataset, workspace, tmp_path, form):
    again = darkroom.open_dataset(export_dataset(dataset, tmp_path / "out", format=form))
    assert again.counts == dataset.counts
    assert again.fingerprint("test") == dataset.fingerprint("test")


@pytest.mark.parametrize("form", FORMATS)
def test_some_parts_can_be_exported(dataset, workspace, tmp_path, form):
    out = export_dataset(dataset, tmp_path / "out", format=form, parts=["test"])
    again = darkroom.open_dataset(out)
    assert again.counts == {"test": dataset.counts["test"]}
    assert again.fingerprint("test") == dataset.fingerprint("test")


@pytest.mark.parametrize("form", FORMATS)
def test_two_exports_are_the_same_to_the_byte(dataset, tmp_path, form):
    sums = []
    for out in (tmp_path / "one", tmp_path / "two"):
        dataset.export(out, format=form)
        files = sorted(path for path in out.rglob("*") if path.is_file())
        sums.append(
            [(str(p.relative_to(out)), hashlib.sha256(p.read_bytes()).digest()) for p in files]
        )
    assert sums[0] == sums[1]


@pytest.mark.parametrize("form", FORMATS)
def test_what_stands_at_the_target_is_never_written_over(dataset, tmp_path, form):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("words")
    with pytest.raises(ArtifactError) as caught:
        dataset.export(tmp_path / "out", format=form)
    assert str(tmp_path / "out") in caught.value.problem
    assert files_below(tmp_path) == {"out/mine.txt"}


@pytest.mark.parametrize("form", FORMATS)
def test_a_changed_image_stops_the_export_and_leaves_nothing(workspace, tmp_path, form):
    dataset = darkroom.open_dataset(draw_folder(tmp_path / "shapes", per_class=3))
    draw_image("ball", 77).save(tmp_path / "shapes" / "box" / "001.png")
    with pytest.raises(DataError) as caught:
        dataset.export(tmp_path / "out" / "shapes", format=form)
    assert "box/001.png" in caught.value.problem
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("form", FORMATS)
def test_a_failing_disk_leaves_all_or_nothing(workspace, tmp_path, form, trouble):
    dataset = darkroom.open_dataset(draw_folder(tmp_path / "shapes", ("ball", "box"), 1))
    beside = tmp_path / "exports"
    outcomes = []
    for number, outcome in until_none_fails(
        lambda number: dataset.export(beside / str(number), format=form), trouble
    ):
        outcomes.append(outcome)
        found = {name.split("/")[0] for name in files_below(beside)} if beside.exists() else set()
        assert (str(number) in found) == (outcome == "done"), (number, outcome, found)
        assert outcome in ("done", "refused")
    assert outcomes.count("refused") >= 5


@pytest.mark.parametrize("form", FORMATS)
def test_a_full_disk_is_told_with_a_hint_for_exports(dataset, tmp_path, form, monkeypatch):
    import errno
    import os

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArtifactError) as caught:
        dataset.export(tmp_path / "out", format=form)
    assert "the disk is full" in caught.value.problem
    assert "another disk" in caught.value.hint
    assert files_below(tmp_path) == set()
