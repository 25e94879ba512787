"""Exports in detail: names, tables, shards, and what is refused."""

from __future__ import annotations

import hashlib
import json
import tarfile
import unicodedata
from pathlib import Path

import polars as pl
import pytest

import darkroom
from darkroom.data.export import FORMATS, export_dataset
from darkroom.data.exports import exported_rows, in_shards, parquet, webdataset
from darkroom.errors import ArtifactError, DataError
from tests.contracts.test_exports import content, made
from tests.data.indexes import Row, make_index
from tests.failing_disk import files_below
from tests.making import draw_folder, image_bytes


@pytest.fixture
def of_names(workspace, tmp_path):
    """Give what makes a dataset of images with any names, classes and groups."""

    def make(images: list[tuple[str, str]], groups: list[str] | None = None):
        table = pl.DataFrame(
            {
                "image": [
                    {"bytes": image_bytes(seed=number), "path": name}
                    for number, (name, _) in enumerate(images)
                ],
                "label": [label for _, label in images],
            }
        )
        if groups:
            table = table.with_columns(pl.Series("group", groups))
        table.write_parquet(tmp_path / "given.parquet")
        dataset = darkroom.open_dataset(tmp_path / "given.parquet")
        assert dataset.index["image"].to_list() == sorted(name for name, _ in images)
        return dataset

    return make


def exported(dataset, tmp_path: Path, form: str = "folder") -> set[str]:
    """Export, check that nothing is lost, and give the files."""
    out = dataset.export(tmp_path / "out", format=form)
    assert content(darkroom.open_dataset(out)) == content(dataset)
    return files_below(out)


def test_a_tree_of_classes_has_no_table(of_names, tmp_path):
    dataset = of_names([("a.png", "cat"), ("b.png", "dog")])
    assert exported(dataset, tmp_path) == {"cat/a.png", "dog/b.png"}


def test_parts_are_the_top_folders(dataset, tmp_path):
    out = dataset.export(tmp_path / "out")
    name = dataset.part("valid")["image"][0]
    assert (out / "valid" / name).is_file()
    assert {path.name for path in out.iterdir()} == {"train", "valid", "test"}


def test_the_files_are_the_original_ones(dataset, tmp_path):
    out = dataset.export(tmp_path / "out")
    for image, part, sha256 in dataset.index.select("image", "part", "sha256").iter_rows():
        assert hashlib.sha256((out / part / image).read_bytes()).hexdigest() == sha256


def test_images_of_the_same_name_are_all_kept(of_names, tmp_path):
    dataset = of_names([("x/1.png", "cat"), ("y/1.png", "cat"), ("z/1.png", "dog")])
    files = exported(dataset, tmp_path)
    assert "dog/1.png" in files
    assert len([name for name in files if name.startswith("cat/1-")]) == 2


def test_a_name_made_to_collide_overwrites_nothing(of_names, tmp_path):
    digest = hashlib.sha256(b"x/1.png").hexdigest()[:8]
    dataset = of_names(
        [("x/1.png", "cat"), ("y/1.png", "cat"), (f"1-{digest}.png", "cat"), ("z", "dog")]
    )
    with pytest.raises(ArtifactError) as caught:
        dataset.export(tmp_path / "out")
    assert f"1-{digest}.png" in caught.value.problem
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("one", "other"),
    [("x/a.png", "y/A.PNG"), (f"x/{unicodedata.normalize('NFC', 'é')}.png", "y/e\u0301.png")],
    ids=["case", "unicode form"],
)
def test_names_that_some_file_systems_take_for_one_are_told_apart(of_names, tmp_path, one, other):
    files = exported(of_names([(one, "cat"), (other, "cat"), ("z.png", "dog")]), tmp_path)
    folded = {unicodedata.normalize("NFC", name).lower() for name in files}
    assert len(folded) == len(files) == 3
    assert all("-" in name for name in files - {"dog/z.png"})


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("a\nb.png", "a_b.png"),
        ("back\\slash.png", "back_slash.png"),
        (".hidden.png", "_.hidden.png"),
        ("no ending", "no ending.png"),
        ("photo.2024", "photo.2024.png"),
        ("Thumbs.db", "_Thumbs.db.png"),
    ],
)
def test_a_name_that_does_not_go_is_mended(of_names, tmp_path, name, file):
    assert f"cat/{file}" in exported(of_names([(name, "cat"), ("z.png", "dog")]), tmp_path)


def test_a_name_that_is_too_long_is_shortened(of_names, tmp_path):
    name = "ä" * 150 + ".png"
    files = exported(of_names([(name, "cat"), (f"x/{name}", "cat"), ("z.png", "dog")]), tmp_path)
    assert len(files) == 3
    assert all(len(file.encode()) <= 255 for file in files)


@pytest.mark.parametrize(
    "label", ["a/b", "../up", "..", ".cat", "x" * 300, "tab\there", "Desktop.ini"]
)
def test_a_class_that_is_no_folder_stands_in_a_table(of_names, tmp_path, label):
    files = exported(of_names([("a.png", label), ("b.png", "dog")]), tmp_path)
    assert "metadata.jsonl" in files
    assert len(files) == 3
    assert not any(piece in (".", "..") for name in files for piece in name.split("/"))


def test_classes_that_differ_in_case_get_folders_that_do_not(of_names, tmp_path):
    files = exported(of_names([("a.png", "Cat"), ("a2.png", "cat"), ("b.png", "dog")]), tmp_path)
    assert files == {"Cat/a.png", "cat-2/a2.png", "dog/b.png", "metadata.jsonl"}


def test_groups_stand_in_a_table_beside_the_folders(of_names, tmp_path):
    dataset = of_names([("a.png", "cat"), ("b.png", "dog")], groups=["one", "two"])
    assert exported(dataset, tmp_path) == {"cat/a.png", "dog/b.png", "metadata.jsonl"}
    line = (tmp_path / "out" / "metadata.jsonl").read_text().splitlines()[0]
    assert json.loads(line) == {"file_name": "cat/a.png", "label": "cat", "group": "one"}


def test_each_part_has_a_table_of_its_own(workspace, tmp_path):
    (tmp_path / "given").mkdir()
    dataset = made("several labels in parts", tmp_path / "given" / "images")
    assert exported(dataset, tmp_path) == {
        *("train/a.png", "train/b.png", "train/metadata.jsonl", "test/c.png"),
        *("test/metadata.jsonl", "valid/d.png", "valid/metadata.jsonl"),
    }
    line = (tmp_path / "out" / "train" / "metadata.jsonl").read_text().splitlines()[0]
    assert json.loads(line) == {"file_name": "a.png", "labels": ["cat", "dog"]}


@pytest.mark.parametrize("groups", [None, ["one", "two"]])
def test_a_class_called_like_a_part_is_not_taken_for_one(of_names, tmp_path, groups):
    files = exported(of_names([("a.png", "train"), ("b.png", "test")], groups), tmp_path)
    assert files == {"class train/a.png", "class test/b.png", "metadata.jsonl"}


@pytest.mark.parametrize("form", ["folder", "parquet"])
@pytest.mark.parametrize("label", ["a|b", " cat", ""])
def test_a_class_that_a_table_would_misread_is_refused(workspace, tmp_path, label, form):
    dataset = make_index(workspace, [Row("a.png", 0, "test")], classes=[label])
    with pytest.raises(DataError) as caught:
        dataset.export(tmp_path / "out", parts=["test"], format=form)
    assert repr(label) in caught.value.problem
    assert "webdataset" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_a_class_with_a_bar_goes_through_webdataset(workspace, tmp_path):
    draw_folder(tmp_path / "shapes", ("box|frame", "ball"), 2)
    dataset = darkroom.open_dataset(tmp_path / "shapes")
    again = darkroom.open_dataset(dataset.export(tmp_path / "out", format="webdataset"))
    assert again.classes == ("ball", "box|frame")
    assert content(again) == content(dataset)


@pytest.mark.parametrize("label", ["two\nlines", " cat", ""])
def test_a_class_that_is_no_line_is_refused_by_webdataset(workspace, tmp_path, label):
    dataset = make_index(workspace, [Row("a.png", 0, "test")], classes=[label])
    with pytest.raises(DataError) as caught:
        dataset.export(tmp_path / "out", format="webdataset")
    assert repr(label) in caught.value.problem
    assert not (tmp_path / "out").exists()


def test_a_row_of_parquet_holds_the_file_and_its_answer(dataset, tmp_path):
    out = dataset.export(tmp_path / "out", format="parquet")
    assert files_below(out) == {
        f"{part}-00000-of-00001.parquet" for part in ("train", "valid", "test")
    }
    table = pl.read_parquet(out / "test-00000-of-00001.parquet")
    assert table.schema == {
        "image": pl.Struct({"bytes": pl.Binary, "path": pl.String}),
        "label": pl.String,
    }
    rows = dataset.part("test")
    assert table["image"].struct["path"].to_list() == rows["image"].to_list()
    assert [dataset.classes.index(label) for label in table["label"]] == [
        *dataset.label_indices("test")
    ]
    sums = [hashlib.sha256(data).hexdigest() for data in table["image"].struct["bytes"]]
    assert sums == rows["sha256"].to_list()


def test_a_shard_of_webdataset_holds_images_with_their_answers(dataset, tmp_path):
    out = dataset.export(tmp_path / "out", format="webdataset")
    assert files_below(out) == {f"{part}-00000.tar" for part in ("train", "valid", "test")}
    name, sha256, labels = dataset.part("test").select("image", "sha256", "labels").row(0)
    with tarfile.open(out / "test-00000.tar") as shard:
        members = {member.name: shard.extractfile(member).read() for member in shard}
    assert list(members)[:4] == [
        "__classes__", "00000000.cls", "00000000.png", "00000000.json",
    ]  # fmt: skip
    assert members["__classes__"].decode().splitlines() == list(dataset.classes)
    assert members["00000000.cls"] == str(labels[0]).encode()
    assert hashlib.sha256(members["00000000.png"]).hexdigest() == sha256
    assert json.loads(members["00000000.json"]) == {"name": name, "label": "ball"}


def test_nothing_in_a_shard_tells_when_or_by_whom_it_was_made(dataset, tmp_path):
    out = dataset.export(tmp_path / "out", format="webdataset", parts=["test"])
    with tarfile.open(out / "test-00000.tar") as shard:
        told = {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in shard}
    assert told == {(0, 0, 0, "", "", 0o644)}


@pytest.mark.parametrize(("form", "module"), [("parquet", parquet), ("webdataset", webdataset)])
def test_a_large_part_is_cut_into_shards(dataset, workspace, tmp_path, monkeypatch, form, module):
    monkeypatch.setattr(module, "_SHARD_BYTES", 20_000)
    out = dataset.export(tmp_path / "out", format=form)
    names = sorted(name for name in files_below(out) if name.startswith("train"))
    assert len(names) > 3
    assert names[1].startswith("train-00001")
    again = darkroom.open_dataset(out)
    assert again.fingerprint() == dataset.fingerprint()
    assert again.record.skipped == 0


def test_shards_are_full_and_in_order_and_mix_no_parts(dataset):
    images = exported_rows(dataset, dataset.index)
    shards = in_shards(images, 20_000)
    assert list(shards) == ["train", "valid", "test"]
    assert [image for of_part in shards.values() for shard in of_part for image in shard] == images
    for part, of_part in shards.items():
        sizes = [sum(image.size_bytes for image in shard) for shard in of_part]
        assert max(sizes) <= 20_000
        for here, following in zip(sizes, of_part[1:], strict=False):
            assert here + following[0].size_bytes > 20_000
        assert {image.part for shard in of_part for image in shard} == {part}


def test_an_image_larger_than_a_shard_has_one_of_its_own(dataset):
    images = exported_rows(dataset, dataset.part("test"))
    assert [len(shard) for shard in in_shards(images, 1)["test"]] == [1] * len(images)


def test_an_image_of_an_old_index_ends_as_its_name_does(dataset):
    rows = dataset.index.head(1).with_columns(pl.lit(None, pl.String).alias("format"))
    assert exported_rows(dataset, rows)[0].ending == "png"
    unnamed = rows.with_columns(pl.lit("a").alias("image"))
    assert exported_rows(dataset, unnamed)[0].ending == "jpg"


def test_the_folder_above_is_made(dataset, tmp_path):
    assert (dataset.export(tmp_path / "a" / "b" / "out") / "train").is_dir()


def test_a_target_within_the_images_is_refused(workspace, tmp_path):
    root = draw_folder(tmp_path / "shapes", per_class=1)
    with pytest.raises(DataError) as caught:
        darkroom.open_dataset(root).export(root / "out")
    assert str(root) in caught.value.problem
    assert "shapes-export" in caught.value.hint
    assert not (root / "out").exists()


def test_a_broken_link_at_the_target_is_not_replaced(dataset, tmp_path):
    (tmp_path / "out").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ArtifactError):
        dataset.export(tmp_path / "out")
    assert (tmp_path / "out").is_symlink()


def test_an_unknown_format_is_named_with_the_nearest(dataset, tmp_path):
    with pytest.raises(DataError) as caught:
        dataset.export(tmp_path / "out", format="parket")
    assert "parket" in caught.value.problem
    assert "parquet" in caught.value.hint


@pytest.mark.parametrize("parts", [["holdout"], ["train", "holdout"], [], "test"])
def test_unfit_parts_are_refused(dataset, tmp_path, parts):
    with pytest.raises(DataError) as caught:
        dataset.export(tmp_path / "out", parts=parts)
    assert "part" in caught.value.problem
    assert not (tmp_path / "out").exists()


def test_images_without_a_part_are_exported_by_their_name(workspace, tmp_path):
    dataset = darkroom.open_dataset(draw_folder(tmp_path / "shapes", per_class=2))
    out = dataset.export(tmp_path / "out", format="parquet", parts=["unsplit"])
    assert files_below(out) == {"images-00000-of-00001.parquet"}


def test_the_signature_names_every_format():
    from typing import get_args

    from darkroom.data.export import Format

    assert set(get_args(Format)) == set(FORMATS)


def test_the_method_is_the_function(dataset, tmp_path):
    one = export_dataset(dataset, tmp_path / "one", parts=("test",))
    other = dataset.export(str(tmp_path / "other"), parts=("test",))
    assert isinstance(other, Path)
    assert files_below(one) == files_below(other)
