"""`open_dataset`: trees, archives of them, and opening again."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import polars as pl
import pytest

from darkroom import Workspace, check_dataset, open_dataset, split_dataset
from darkroom.data.kept import parent_dataset, store_dataset
from darkroom.data.sources import TWICE_OTHERWISE, Columns
from darkroom.errors import ArtifactError, DataError
from darkroom.storage import read_manifest
from tests.data.packing import TAR_MODES, pack_folder, write_table, write_zip
from tests.making import CLASSES, draw_folder, image_bytes, real_data

ENDINGS = (".zip", *TAR_MODES)


def write(root: Path, *names: str) -> Path:
    """Write one drawn image per name; no two are alike."""
    for seed, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image_bytes("ball", seed))
    return root


def fastai_tree(root: Path) -> Path:
    """Draw the tree that fast.ai's cats and dogs come in."""
    for part, count in (("train", 6), ("valid", 3), ("sample/train", 2)):
        draw_folder(root / part, ("cats", "dogs"), count, seed=len(part))
    (root / "models").mkdir()
    return write(root, "test1/1.png", "test1/2.png")


def reasons(dataset) -> dict[str, str]:
    return dict(dataset.skipped.iter_rows())


def test_a_folder_per_class_is_opened_without_parts(tmp_path, workspace):
    dataset = open_dataset(draw_folder(tmp_path / "shapes", per_class=4))
    assert dataset.classes == CLASSES
    assert dataset.counts == {"unsplit": 12}
    assert not dataset.is_split


def test_the_index_tells_size_and_channels_of_every_image(tmp_path, workspace):
    dataset = open_dataset(draw_folder(tmp_path / "shapes", per_class=2))
    assert set(dataset.index.select("height", "width", "channels").iter_rows()) == {(20, 24, 3)}


@pytest.mark.parametrize(
    "tops",
    [
        ("train", "valid", "test"),
        ("training", "validation", "testing"),
        ("TRAIN", "VAL", "TEST"),
        ("Train", "dev", "Test"),
    ],
)
def test_a_tree_of_parts_keeps_them_under_any_usual_name(tmp_path, workspace, tops):
    for count, top in enumerate(tops, start=2):
        draw_folder(tmp_path / "data" / top, per_class=count, seed=count)
    dataset = open_dataset(tmp_path / "data")
    assert dataset.counts == {"train": 6, "valid": 9, "test": 12}
    assert dataset.classes == CLASSES
    assert dataset.is_split


def test_fastais_tree_is_read_as_it_is_meant(tmp_path, workspace):
    dataset = open_dataset(fastai_tree(tmp_path / "dogscats"))
    assert dataset.classes == ("cats", "dogs")
    assert dataset.counts == {"train": 12, "valid": 6, "unlabelled": 2}


def test_fastais_sample_is_not_counted_twice_and_every_file_of_it_is_named(tmp_path, workspace):
    skipped = reasons(open_dataset(fastai_tree(tmp_path / "dogscats")))
    sample = [name for name in skipped if name.startswith("sample/")]
    assert len(sample) == 4


def test_fastais_empty_models_folder_is_named_as_ignored(tmp_path, workspace):
    assert "models/" in reasons(open_dataset(fastai_tree(tmp_path / "dogscats")))


def test_fastais_full_models_folder_is_named_as_ignored(tmp_path, workspace):
    root = fastai_tree(tmp_path / "dogscats")
    (root / "models" / "best.h5").write_bytes(b"weights")
    assert "models/best.h5" in reasons(open_dataset(root))


def test_unlabelled_images_have_no_label(tmp_path, workspace):
    dataset = open_dataset(fastai_tree(tmp_path / "dogscats"))
    assert dataset.part("unlabelled")["labels"].to_list() == [None, None]


def test_a_class_called_train_stays_a_class(tmp_path, workspace):
    dataset = open_dataset(draw_folder(tmp_path / "vehicles", ("bus", "train"), 3))
    assert dataset.classes == ("bus", "train")
    assert dataset.counts == {"unsplit": 6}


def test_one_folder_around_everything_changes_nothing(tmp_path, workspace):
    bare = open_dataset(draw_folder(tmp_path / "bare"))
    wrapped = open_dataset(draw_folder(tmp_path / "outer" / "photos").parent)
    assert wrapped.fingerprint() == bare.fingerprint()


def test_a_readme_beside_the_folder_around_everything_does_not_hide_it(tmp_path, workspace):
    draw_folder(tmp_path / "outer" / "photos", per_class=2)
    (tmp_path / "outer" / "README.txt").write_text("about these photographs")
    dataset = open_dataset(tmp_path / "outer")
    assert dataset.classes == CLASSES
    assert list(reasons(dataset)) == ["README.txt"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_archive_has_the_fingerprint_of_its_folder(tmp_path, workspace, ending):
    root = draw_folder(tmp_path / "shapes", per_class=3)
    archive = pack_folder(root, ending)
    assert open_dataset(archive).fingerprint() == open_dataset(root).fingerprint()


def test_an_archive_of_fastais_tree_has_the_fingerprint_of_its_folder(tmp_path, workspace):
    root = fastai_tree(tmp_path / "dogscats")
    archive = pack_folder(root, ".tar.gz")
    assert open_dataset(archive).fingerprint() == open_dataset(root).fingerprint()


def test_control_another_image_gives_another_fingerprint(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=3)
    before = open_dataset(root).fingerprint()
    (root / "ball" / "000.png").write_bytes(image_bytes("ball", 99))
    assert open_dataset(root).fingerprint() != before


def test_control_another_label_gives_another_fingerprint(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=3)
    before = open_dataset(root).fingerprint()
    (root / "ball" / "000.png").rename(root / "box" / "new.png")
    assert open_dataset(root).fingerprint() != before


def test_an_archive_is_read_in_place(tmp_path, workspace):
    archive = pack_folder(draw_folder(tmp_path / "shapes", per_class=3), ".zip")
    open_dataset(archive)
    assert not list(workspace.root.rglob("*.png"))


def test_opened_again_unchanged_the_same_dataset_comes_back(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=3)
    first, second = open_dataset(root), open_dataset(root)
    assert first.manifest == second.manifest


def test_opened_again_unchanged_no_image_is_read(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=3)
    first = open_dataset(root)
    path = root / "ball" / "000.png"
    before = path.stat()
    path.write_bytes(bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert open_dataset(root).name == first.name


def change_content(root: Path) -> None:
    (root / "ball" / "000.png").write_bytes(image_bytes("ball", 99))


def add_file(root: Path) -> None:
    (root / "ball" / "new.png").write_bytes(image_bytes("ball", 99))


def remove_file(root: Path) -> None:
    (root / "ball" / "000.png").unlink()


def move_file(root: Path) -> None:
    (root / "ball" / "000.png").rename(root / "box" / "moved.png")


def add_empty_class(root: Path) -> None:
    (root / "spiral").mkdir()


def add_hidden_file(root: Path) -> None:
    (root / ".hidden").write_text("new")


CHANGES = (change_content, add_file, remove_file, move_file, add_empty_class, add_hidden_file)


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_gives_another_dataset(tmp_path, workspace, change):
    root = draw_folder(tmp_path / "shapes", per_class=3)
    before = open_dataset(root)
    change(root)
    assert open_dataset(root).name != before.name


def test_a_touched_file_keeps_the_content(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=3)
    before = open_dataset(root)
    os.utime(root / "ball" / "000.png", ns=(1, 1))
    assert open_dataset(root).fingerprint() == before.fingerprint()


def test_a_dataset_opens_itself(tmp_path, workspace):
    dataset = open_dataset(draw_folder(tmp_path / "shapes", per_class=3))
    assert open_dataset(dataset.path).manifest == dataset.manifest


def test_a_dataset_that_was_removed_is_made_again(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=3)
    before = open_dataset(root)
    shutil.rmtree(before.path)
    assert open_dataset(root).fingerprint() == before.fingerprint()


def test_an_opening_says_the_verb_that_made_it(tmp_path, workspace):
    assert open_dataset(draw_folder(tmp_path / "shapes", per_class=1)).manifest.made_by == "open"


def test_the_id_of_a_dataset_is_that_of_its_content(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=3)
    before = open_dataset(root)
    shutil.rmtree(before.path)
    assert open_dataset(root).manifest.id == before.manifest.id
    change_content(root)
    assert open_dataset(root).manifest.id != before.manifest.id


def spoil_parquet(path: Path) -> None:
    (path / "index.parquet").write_bytes(b"nothing")


def spoil_manifest(path: Path) -> None:
    (path / "manifest.json").write_bytes(b"{")


def remove_content(path: Path) -> None:
    (path / "dataset.json").unlink()


def remove_all(path: Path) -> None:
    shutil.rmtree(path)


@pytest.mark.parametrize("damage", [spoil_parquet, spoil_manifest, remove_content, remove_all])
@pytest.mark.parametrize("noted", [True, False])
def test_a_damaged_dataset_is_made_again_and_its_children_find_it(
    tmp_path, workspace, damage, noted
):
    root = draw_folder(tmp_path / "shapes", per_class=9)
    opened = open_dataset(root)
    split = split_dataset(opened)
    parents = (split.as_parent(),)
    run = workspace.begin("run", "shapes", made_by="train", parents=parents)
    for dataset in (opened, split):
        damage(dataset.path)
    with pytest.raises(ArtifactError):  # control: until then it does not
        parent_dataset(workspace, read_manifest(run).parents)
    if not noted:
        shutil.rmtree(workspace.cache)
    again = split_dataset(open_dataset(root))
    found = parent_dataset(workspace, read_manifest(run).parents)
    assert found.path == again.path == split.path
    assert found.index.equals(split.index)
    assert sorted(path.name for path in workspace.folder("dataset").iterdir()) == sorted(
        [opened.name, split.name]
    )


def test_a_whole_dataset_is_left_as_it_is(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=3)
    before = open_dataset(root)
    shutil.rmtree(workspace.cache)
    assert open_dataset(root).manifest == before.manifest


def test_the_cache_may_be_deleted_at_any_time(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=3)
    before = open_dataset(root)
    shutil.rmtree(workspace.cache)
    assert open_dataset(root).name == before.name


def test_a_damaged_note_of_what_was_opened_is_passed_over(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=3)
    before = open_dataset(root)
    (note,) = (workspace.cache / "opened").iterdir()
    note.write_bytes(b"{")
    assert open_dataset(root).name == before.name


def test_the_workspace_is_the_one_that_is_named(tmp_path):
    workspace = Workspace(tmp_path / "elsewhere")
    dataset = open_dataset(draw_folder(tmp_path / "shapes", per_class=1), workspace=workspace)
    assert dataset.path.is_relative_to(workspace.root)


def test_a_missing_place_is_named(tmp_path, workspace):
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in caught.value.problem


def test_a_file_that_is_no_archive_is_named(tmp_path, workspace):
    (tmp_path / "photo.jpg").write_bytes(image_bytes(kind="JPEG"))
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path / "photo.jpg")
    assert str(tmp_path / "photo.jpg") in caught.value.problem


@pytest.mark.parametrize("text", ["~nobody-of-that-name/photos", "x" * 5000])
def test_an_impossible_path_is_a_data_error(workspace, text):
    with pytest.raises(DataError):
        open_dataset(text)


def test_a_folder_whose_name_is_not_utf_8_is_a_data_error(tmp_path, workspace):
    root = draw_folder(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")), per_class=1)
    with pytest.raises(DataError) as caught:
        open_dataset(root)
    assert "caf\\xe9" in caught.value.problem


def test_an_empty_folder_holds_no_images(tmp_path, workspace):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path / "empty")
    assert str(tmp_path / "empty") in caught.value.problem


def test_where_everything_is_skipped_the_first_file_and_its_reason_are_named(tmp_path, workspace):
    write(tmp_path / "photos", ".hidden/1.png", "cat/.2.png")
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path / "photos")
    assert "the first, .hidden/, was passed over: system folder" in caught.value.problem


def test_images_without_folders_are_no_classes(tmp_path, workspace):
    with pytest.raises(DataError) as caught:
        open_dataset(write(tmp_path / "flat", "1.png", "2.png"))
    assert "1.png" in caught.value.problem
    assert "folder" in caught.value.hint


def test_where_no_image_is_readable_the_first_is_named_with_its_reason(tmp_path, workspace):
    write(tmp_path / "photos", "cat/1.png")
    (tmp_path / "photos" / "cat" / "1.png").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path / "photos")
    assert "no readable image; cat/1.png is empty (0 bytes)" in caught.value.problem


def test_where_none_of_several_is_readable_the_first_is_told_in_a_sentence(tmp_path, workspace):
    for name in ("cat/1.png", "dog/1.png"):
        write(tmp_path / "photos", name)
        (tmp_path / "photos" / name).write_bytes(b"")
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path / "photos")
    assert "none of the 2 files" in caught.value.problem
    assert "the first, cat/1.png, is empty (0 bytes)" in caught.value.problem


def test_a_failed_opening_leaves_no_artifact(tmp_path, workspace):
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "photos" / "cat" / "1.png").write_bytes(b"")
    with pytest.raises(DataError):
        open_dataset(tmp_path / "photos")
    assert not workspace.folder("dataset").exists()


def test_a_class_folder_without_images_is_remembered(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=2)
    (root / "spiral").mkdir()
    assert open_dataset(root).record.empty_classes == ("spiral",)


def test_a_dataset_damaged_in_the_workspace_is_not_opened(tmp_path, workspace):
    dataset = open_dataset(draw_folder(tmp_path / "shapes", per_class=2))
    (dataset.path / "index.parquet").write_bytes(b"nothing")
    with pytest.raises(ArtifactError) as caught:
        open_dataset(dataset.path)
    assert "index.parquet" in caught.value.problem


def test_real_flowers_have_their_known_duplicates(workspace):
    dataset = open_dataset(real_data("flowers"))
    assert len(dataset.classes) == 5
    assert dataset.record.used == 4317
    assert dataset.index["sha256"].n_unique() == 4317 - 6
    errors = {found.name for found in check_dataset(dataset) if found.severity == "error"}
    assert errors == {"conflicting-labels"}  # 4 of the 6 pairs


def test_two_archives_of_one_name_are_two_datasets(tmp_path, workspace):
    for folder, seed in (("one", 1), ("two", 2)):
        (tmp_path / folder).mkdir()
        members = [(f"{label}/1.png", image_bytes(label, seed)) for label in CLASSES]
        write_zip(tmp_path / folder / "photos.zip", members)
    first = open_dataset(tmp_path / "one" / "photos.zip")
    second = open_dataset(tmp_path / "two" / "photos.zip")
    assert first.name != second.name


def test_a_name_that_another_dataset_has_is_made_longer(tmp_path, workspace):
    first = open_dataset(draw_folder(tmp_path / "one" / "shapes", per_class=2, seed=1))
    again = draw_folder(tmp_path / "two" / "shapes", per_class=2, seed=2)
    second = open_dataset(again)
    content = second.fingerprint()
    remove_all(second.path)
    first.path.rename(second.path)  # as if both began with the same six digits
    shutil.rmtree(workspace.cache)
    longer = open_dataset(again)
    assert longer.manifest.id == second.manifest.id
    assert longer.fingerprint() == content
    assert longer.name.startswith(second.name)
    assert len(longer.name) > len(second.name)
    assert read_manifest(second.path).id == first.manifest.id
    shutil.rmtree(workspace.cache)
    assert open_dataset(again).manifest == longer.manifest


def test_the_id_of_a_dataset_does_not_depend_on_how_its_tables_are_written(
    tmp_path, workspace, monkeypatch
):
    root = draw_folder(tmp_path / "shapes", per_class=2)
    before = open_dataset(root).manifest
    shutil.rmtree(workspace.root)
    whole = pl.DataFrame.write_parquet

    def otherwise(table, file, **_):  # as another version of polars might
        whole(table, file, compression="uncompressed")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", otherwise)
    after = open_dataset(root).manifest
    assert after.content != before.content
    assert (after.id, after.name) == (before.id, before.name)


def test_a_copied_archive_is_the_same_dataset(tmp_path, workspace):
    archive = pack_folder(draw_folder(tmp_path / "shapes", per_class=2), ".zip")
    before = open_dataset(archive)
    os.utime(archive, ns=(1, 1))
    assert open_dataset(archive).manifest == before.manifest


def test_control_another_row_is_another_dataset(tmp_path, workspace):
    before = open_dataset(draw_folder(tmp_path / "shapes", per_class=2))
    index = before.index.with_columns(pl.col("width") + 1)
    other = store_dataset(workspace, before.record, index, before.skipped, made_by="open")
    assert other.manifest.id != before.manifest.id


def test_several_labels_per_image_stay_through_a_split(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=12)
    paths = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*.png"))]
    said = [f"{name.split('/')[0]}|{'even' if int(name[-5]) % 2 else 'odd'}" for name in paths]
    table = write_table(root / "labels.csv", {"image": paths, "labels": said})
    split = split_dataset(open_dataset(table))
    assert split.task == "multi-label"
    assert split.is_split
    names = {
        name: "|".join(split.classes[label] for label in found)
        for name, found in split.index.select("image", "labels").iter_rows()
    }
    assert {name: set(found.split("|")) for name, found in names.items()} == {
        name: set(found.split("|")) for name, found in zip(paths, said, strict=True)
    }
    assert split.targets("train").sum(axis=1).tolist() == [2.0] * split.counts["train"]


def test_the_targets_of_a_regression_are_recorded(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=4)
    paths = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*.png"))]
    table = write_table(root / "t.csv", {"image": paths, "value": [n / 4 for n in range(12)]})
    dataset = open_dataset(table)
    assert (dataset.task, dataset.classes) == ("regression", ())
    assert dataset.index["target"].to_list() == [n / 4 for n in range(12)]
    assert dataset.index["labels"].null_count() == 12
    before = dataset.fingerprint()
    write_table(table, {"image": paths, "value": [n / 3 for n in range(12)]})
    assert open_dataset(table).fingerprint() != before


def test_the_same_table_with_other_columns_is_another_opening(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=2)
    paths = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*.png"))]
    columns = {"image": paths, "label": ["a", "b"] * 3, "other": ["x", "y"] * 3}
    table = write_table(root / "t.csv", columns)
    named = open_dataset(table, columns=Columns(label="other"))
    assert named.classes == ("x", "y")
    assert named.record.columns == Columns(label="other")
    assert open_dataset(table).classes == ("a", "b")
    assert open_dataset(table, columns=Columns(label="other")).manifest == named.manifest


@pytest.mark.parametrize("most", [1, 2])
def test_more_classes_than_the_index_can_number_are_refused(tmp_path, workspace, monkeypatch, most):
    monkeypatch.setattr("darkroom.data.opening._MAX_CLASSES", most)
    root = draw_folder(tmp_path / "shapes", ("ball", "box"), 1)
    if most == 2:  # the control
        assert open_dataset(root).classes == ("ball", "box")
        return
    with pytest.raises(DataError) as caught:
        open_dataset(root)
    assert f"{root} has 2 classes" in caught.value.problem
    assert not (workspace.root / "cache" / "pixels").exists()  # no image was read


def test_an_image_that_a_table_names_twice_differently_is_told_as_a_conflict(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=2)
    columns = {"image": ["box/000.png", "ball/000.png", "box/000.png"], "label": ["a", "b", "b"]}
    dataset = open_dataset(write_table(root / "t.csv", columns))
    assert dataset.skipped.rows() == [("box/000.png", f"{TWICE_OTHERWISE}label")]


def test_the_sum_of_an_archive_on_the_disk_is_compared(tmp_path, workspace):
    archive = pack_folder(draw_folder(tmp_path / "shapes", per_class=2), ".zip")
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert open_dataset(archive, sha256=found.upper()).record.used == 6
    with pytest.raises(DataError) as caught:
        open_dataset(archive, sha256="0" * 64)
    assert found in caught.value.problem
    assert "0" * 64 in caught.value.problem


@pytest.mark.parametrize("setting", ["sha256", "archive"])
@pytest.mark.parametrize("kind", ["folder", "dataset"])
def test_a_setting_that_what_is_opened_has_no_use_for_is_refused(
    tmp_path, workspace, kind, setting
):
    root = draw_folder(tmp_path / "shapes", per_class=2)
    location = root if kind == "folder" else open_dataset(root).path
    with pytest.raises(DataError) as caught:
        open_dataset(location, **{setting: "0" * 64})
    assert f"{setting} = {'0' * 64}" in caught.value.problem
    assert str(location) in caught.value.problem
    assert f"data.{setting}" in caught.value.hint


def test_a_copy_of_a_built_in_is_not_named_for_another_archive(tmp_path, workspace):
    archive = pack_folder(draw_folder(tmp_path / "shapes", per_class=2), ".zip")
    with pytest.raises(DataError, match="archive = "):
        open_dataset(archive, archive=archive)


def test_a_built_in_has_no_sum(workspace):
    with pytest.raises(DataError, match="sha256 = 00"):
        open_dataset("builtin:digits", sha256="0" * 64)
    assert not (workspace.root / "sources").exists()
