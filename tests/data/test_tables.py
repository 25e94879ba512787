"""Tables of paths: columns found or named, every row accounted for, every wrong table refused."""

from __future__ import annotations

import json
import os
import shlex
import tracemalloc
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom import open_dataset
from darkroom.data.sources import Columns
from darkroom.data.sources.footer import refuse_bomb
from darkroom.data.sources.locate import locate_source
from darkroom.data.sources.tables import read_table, text_bytes
from darkroom.errors import DataError
from tests.data.packing import pack_folder, write_table
from tests.making import draw_folder, image_bytes

KINDS = (".csv", ".tsv", ".jsonl", ".parquet")


@pytest.fixture
def photos(tmp_path, workspace) -> Path:
    """Give a folder with six images that lie in no class folders."""
    root = tmp_path / "photos"
    (root / "images").mkdir(parents=True)
    for number in range(6):
        (root / "images" / f"{number}.png").write_bytes(image_bytes("ball", number))
    return root


PATHS = [f"images/{number}.png" for number in range(6)]
CLASSES = ["cat", "dog"] * 3


def labels(dataset) -> dict[str, list[str] | None]:
    rows = dataset.index.select("image", "labels").iter_rows()
    return {
        name: None if found is None else [dataset.classes[label] for label in found]
        for name, found in rows
    }


def refused(path: Path, **columns: str) -> DataError:
    with pytest.raises(DataError) as caught:
        open_dataset(path, columns=Columns(**columns))
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_says_the_class_of_each_image(photos, kind):
    path = write_table(photos / f"t{kind}", {"image": PATHS, "label": CLASSES})
    dataset = open_dataset(path)
    assert labels(dataset) == {name: [of] for name, of in zip(PATHS, CLASSES, strict=True)}
    assert (dataset.record.found, dataset.record.skipped) == (6, 0)


@pytest.mark.parametrize(
    "image", ["image", "File_Name", "filename", "PATH", "filepath", "image_path", "Image Name"]
)
@pytest.mark.parametrize("label", ["label", "Class", "category", "class_name", "target"])
def test_columns_are_found_by_their_usual_names(photos, image, label):
    path = write_table(photos / "t.csv", {label: CLASSES, "other": CLASSES, image: PATHS})
    assert open_dataset(path).classes == ("cat", "dog")


def test_columns_with_unusual_names_are_named(photos):
    columns = {"foto": PATHS, "art": CLASSES, "wer": list("aabbcc"), "wo": ["train"] * 6}
    path = write_table(photos / "t.csv", columns)
    named = Columns(image="foto", label="art", group="wer", part="wo")
    dataset = open_dataset(path, columns=named)
    assert dataset.index["group"].to_list() == list("aabbcc")
    assert dataset.counts == {"train": 6}
    assert dataset.source().listing().entries  # it opens again with the same columns


def test_groups_and_parts_are_found_by_their_usual_names(photos):
    parts = ["Train", "training", "val", "validation", "test", "TEST"]
    columns = {"path": PATHS, "class": CLASSES, "patient_id": [1, 1, 2, 2, 3, 3], "split": parts}
    dataset = open_dataset(write_table(photos / "t.csv", columns))
    assert dataset.counts == {"train": 2, "valid": 2, "test": 2}
    assert dataset.index["group"].to_list() == list("112233")


def test_class_names_stay_as_they_are_written(photos):
    path = write_table(photos / "t.csv", {"path": PATHS, "label": ["007", "7", "1e3"] * 2})
    assert open_dataset(path).classes == ("007", "1e3", "7")


def test_whole_numbers_are_classes(photos):
    path = write_table(photos / "t.parquet", {"path": PATHS, "label": [0, 1, None, 0, 1, 0]})
    dataset = open_dataset(path)
    assert dataset.classes == ("0", "1")
    assert dataset.counts == {"unlabelled": 1, "unsplit": 5}


def test_whole_numbers_beside_a_gap_lose_no_class_to_a_decimal_point(photos):
    path = write_table(photos / "t.parquet", {"path": PATHS, "label": [0.0, 1.0, None] * 2})
    assert open_dataset(path).classes == ("0", "1")


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_without_a_label_is_unlabelled(photos, kind):
    found = ["cat", None, "dog", "cat", "dog", "cat"]
    path = write_table(photos / f"t{kind}", {"image": PATHS, "label": found})
    assert open_dataset(path).part("unlabelled")["image"].to_list() == ["images/1.png"]


def test_several_labels_with_a_bar_between_them_are_multi_label(photos):
    found = ["cat|dog", "cat", "dog | bird", "cat", "dog", ""]
    dataset = open_dataset(write_table(photos / "t.csv", {"image": PATHS, "label": found}))
    assert dataset.task == "multi-label"
    assert labels(dataset)["images/2.png"] == ["bird", "dog"]
    assert labels(dataset)["images/5.png"] is None


@pytest.mark.parametrize("kind", [".jsonl", ".parquet"])
def test_a_column_of_lists_is_multi_label_and_an_empty_list_is_none_of_them(photos, kind):
    found = [["cat"], ["dog"], ["cat"], [], ["dog"], ["cat"]]
    dataset = open_dataset(write_table(photos / f"t{kind}", {"image": PATHS, "label": found}))
    assert dataset.task == "multi-label"
    assert labels(dataset)["images/3.png"] == []
    assert dataset.counts == {"unsplit": 6}


def test_control_a_column_of_single_labels_is_not_multi_label(photos):
    path = write_table(photos / "t.csv", {"image": PATHS, "label": CLASSES})
    assert open_dataset(path).task == "single-label"


@pytest.mark.parametrize("named", [{}, {"target": "value"}])
def test_a_column_of_numbers_is_a_regression(photos, named):
    values = ["0.5", "1", "-2e3", "0.25", "", "7"]
    path = write_table(photos / "t.csv", {"image": PATHS, "value": values})
    dataset = open_dataset(path, columns=Columns(**named))
    assert dataset.task == "regression"
    assert dataset.classes == ()
    assert dataset.index["target"].to_list() == [0.5, 1.0, -2000.0, 0.25, None, 7.0]
    assert dataset.counts == {"unlabelled": 1, "unsplit": 5}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("nan", "its target is not finite"),
        ("-inf", "its target is not finite"),
        ("1e300", "its target is too large for float32, in which networks compute"),
        ("-4e38", "its target is too large for float32, in which networks compute"),
        ("many", "its target is not a number"),
    ],
)
def test_a_row_whose_target_is_no_number_is_listed(photos, value, reason):
    path = write_table(photos / "t.csv", {"image": PATHS, "y": ["0.5"] * 5 + [value]})
    dataset = open_dataset(path, columns=Columns(target="y"))
    assert dataset.skipped.rows() == [("images/5.png", reason)]


def test_a_target_column_of_text_is_refused(photos):
    path = write_table(photos / "t.csv", {"image": PATHS, "label": CLASSES})
    error = refused(path, target="label")
    assert "'cat'" in error.problem
    assert "--label label" in error.hint


def test_whole_numbers_in_a_column_called_target_are_asked_about(photos):
    path = write_table(photos / "t.csv", {"image": PATHS, "target": ["0", "1"] * 3})
    assert "whole numbers" in refused(path).problem
    assert "--label target" in refused(path).hint
    assert open_dataset(path, columns=Columns(label="target")).task == "single-label"
    assert open_dataset(path, columns=Columns(target="target")).task == "regression"


def test_an_absolute_path_inside_the_folder_is_taken(photos):
    full = [str(photos / name) for name in PATHS]
    path = write_table(photos / "t.csv", {"image": full, "label": CLASSES})
    assert open_dataset(path).index["image"].to_list() == PATHS


def test_a_path_written_on_windows_is_taken(photos):
    written = [name.replace("/", "\\") for name in PATHS]
    path = write_table(photos / "t.csv", {"image": written, "label": CLASSES})
    assert open_dataset(path).index["image"].to_list() == PATHS


def odd_rows(root: Path) -> dict[str, str]:
    """Make what odd rows name; give each row's path with the reason that has to be told."""
    outside = root.parent / "outside.png"
    outside.write_bytes(image_bytes("ball", 50))
    (root / "out.png").symlink_to(outside)
    (root / "away").symlink_to(root.parent)
    (root / "broken.png").symlink_to("nothing.png")
    (root / "loop.png").symlink_to("loop.png")
    os.mkfifo(root / "pipe.png")
    with (root / "huge.bmp").open("wb") as file:
        file.truncate(256 * 1024 * 1024 + 1)
    climbs = "points outside the folder of the table"
    return {
        "nowhere.png": "missing",
        "images/0.png/1.png": "missing",
        "n" * 300: "missing",
        "../outside.png": climbs,
        "images/../../outside.png": climbs,
        str(outside): climbs,
        "out.png": climbs,
        "away/outside.png": climbs,
        "..": climbs,
        "broken.png": "broken link",
        "loop.png": "broken link",
        "images": "not a regular file",
        "pipe.png": "not a regular file",
        "huge.bmp": "larger than 256 MiB",
        "": "names no image",
        "  ": "names no image",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_that_cannot_be_used_is_listed_with_its_own_reason(photos, kind):
    rows = odd_rows(photos)
    path = write_table(
        photos / f"t{kind}",
        {"image": [*PATHS, *rows], "label": [*CLASSES, *["cat"] * len(rows)]},
    )
    dataset = open_dataset(path)
    told = sorted(dataset.skipped["reason"])
    assert told == sorted(rows.values())
    assert dataset.record.found == 6 + len(rows) == dataset.record.used + len(told)
    assert {"row 21", "row 22"} <= set(dataset.skipped["name"])  # the rows without a path
    assert "../outside.png" in set(dataset.skipped["name"])


def test_control_a_link_that_stays_inside_is_an_image(photos):
    (photos / "again.png").symlink_to(photos / "images" / "0.png")
    path = write_table(photos / "t.csv", {"image": ["again.png"], "label": ["cat"]})
    assert open_dataset(path).index["image"].to_list() == ["again.png"]


def test_a_link_that_turns_outwards_after_the_opening_is_not_followed(photos):
    path = write_table(photos / "t.csv", {"image": PATHS, "label": CLASSES})
    dataset = open_dataset(path)
    (photos / "images" / "0.png").unlink()
    (photos / "images" / "0.png").symlink_to("/etc/hostname")
    with pytest.raises(DataError, match="outside"):
        dataset.source().read("images/0.png")


@pytest.mark.parametrize(
    ("again", "reason"),
    [
        (("cat", "train", "a"), "twice in the table"),
        (("dog", "train", "a"), "twice in the table with another label"),
        (("cat", "test", "a"), "twice in the table with another part"),
        (("cat", "train", "b"), "twice in the table with another group"),
    ],
)
@pytest.mark.parametrize("spelled", ["images/0.png", "./images//0.png", "images/x/../0.png"])
def test_the_second_row_of_an_image_is_listed_and_says_what_differs(photos, again, reason, spelled):
    label, part, group = again
    columns = {
        "image": [*PATHS, spelled],
        "label": [*CLASSES, label],
        "part": ["train"] * 6 + [part],
        "group": ["a"] * 6 + [group],
    }
    dataset = open_dataset(write_table(photos / "t.csv", columns))
    assert dataset.skipped.rows() == [("images/0.png", reason)]
    assert labels(dataset)["images/0.png"] == ["cat"]


def test_where_all_paths_are_missing_the_first_that_was_tried_is_named(photos):
    wrong = [f"photos/{name}" for name in PATHS]
    error = refused(write_table(photos / "t.csv", {"image": wrong, "label": CLASSES}))
    assert str(photos / "photos" / "images" / "0.png") in error.problem
    assert "none of the 6 rows" in error.problem
    assert "relative" in error.hint


def test_a_column_that_is_not_there_is_named_with_its_nearest(photos):
    path = write_table(photos / "t.csv", {"image": PATHS, "species": CLASSES})
    error = refused(path, label="spezies")
    assert "spezies" in error.problem
    assert "`species`" in error.hint
    assert "--label" in error.hint


@pytest.mark.parametrize(
    ("role", "columns"),
    [
        ("image", {"file": PATHS, "path": PATHS, "label": CLASSES}),
        ("label", {"file": PATHS, "label": CLASSES, "class": CLASSES}),
        ("part", {"file": PATHS, "label": CLASSES, "split": CLASSES, "subset": CLASSES}),
        ("group", {"file": PATHS, "label": CLASSES, "patient": CLASSES, "subject": CLASSES}),
        ("target", {"file": PATHS, "value": CLASSES, "score": CLASSES}),
    ],
)
def test_two_columns_with_usual_names_for_one_thing_are_named(photos, role, columns):
    error = refused(write_table(photos / "t.csv", columns))
    first, second = (
        [name for name in columns if name not in ("file", "label")][-2:]
        if (role not in ("image", "label"))
        else {"image": ("file", "path"), "label": ("label", "class")}[role]
    )
    assert f"{first}, {second}" in error.problem
    assert f"--{role} {first}" in error.hint


def test_control_naming_one_of_the_two_is_enough(photos):
    path = write_table(photos / "t.csv", {"file": PATHS, "path": PATHS, "label": CLASSES})
    assert open_dataset(path, columns=Columns(image="file")).record.used == 6


@pytest.mark.parametrize("missing", ["image", "label"])
def test_a_column_that_is_missing_is_asked_for(photos, missing):
    columns = {"image": PATHS, "label": CLASSES}
    columns[f"my {missing}s so far"] = columns.pop(missing)
    error = refused(write_table(photos / "t.csv", columns))
    assert f"--{missing} COLUMN" in error.hint
    assert f"my {missing}s so far" in error.problem


def test_classes_and_a_number_at_once_are_refused(photos):
    path = write_table(photos / "t.csv", {"image": PATHS, "label": CLASSES, "value": CLASSES})
    assert "both" in refused(path, label="label", target="value").problem


@pytest.mark.parametrize("kind", [".csv", ".tsv"])
def test_two_columns_of_one_name_are_refused(photos, kind):
    mark = "," if kind == ".csv" else "\t"
    (photos / f"t{kind}").write_text(mark.join(["image", "label", "label"]) + "\n")
    error = refused(photos / f"t{kind}")
    assert "`label`" in error.problem
    assert "rename" in error.hint


def test_two_keys_of_one_name_are_refused(photos):
    (photos / "t.jsonl").write_text('{"image": "1", "label": "a", "label": "b"}\n')
    assert "line 1" in refused(photos / "t.jsonl").problem


def table_of_many(root: Path, found: list[str]) -> Path:
    (root / "images").mkdir(parents=True, exist_ok=True)
    paths = [f"images/{number}.png" for number in range(len(found))]
    for number, path in enumerate(paths):
        (root / path).write_bytes(image_bytes("ball", number))
    return write_table(root / "t.csv", {"image": paths, "label": found})


def test_a_label_column_that_is_all_unique_is_refused(photos):
    error = refused(table_of_many(photos, [f"name {number}" for number in range(11)]))
    assert "every one of 11 images" in error.problem
    assert "`label`" in error.problem
    assert "--label" in error.hint


def test_numbers_that_are_all_unique_are_taken_for_a_target(photos):
    error = refused(table_of_many(photos, [f"{number / 7:.6f}" for number in range(11)]))
    assert "--target label" in error.hint


def test_control_one_class_twice_is_enough(photos):
    path = table_of_many(photos, ["a", *[f"name {number}" for number in range(10)], "a"])
    assert open_dataset(path).record.used == 12


def test_control_a_handful_of_images_may_be_of_a_class_each(photos):
    assert open_dataset(table_of_many(photos, ["a", "b", "c"])).record.used == 3


def test_a_part_of_an_unknown_name_is_refused(photos):
    columns = {"image": PATHS, "label": CLASSES, "split": ["train"] * 5 + ["tset"]}
    error = refused(write_table(photos / "t.csv", columns))
    assert "`tset` in row 6" in error.problem
    assert "`test`" in error.hint


def test_quotes_newlines_and_a_byte_order_mark_are_read(photos):
    (photos / 'a "b"\n, c.png').write_bytes(image_bytes("ball", 60))
    text = '\ufeff"image","label"\r\n"a ""b""\n, c.png","cat, or\nso"\r\nimages/0.png,dog\r\n'
    (photos / "t.csv").write_bytes(text.encode())
    dataset = open_dataset(photos / "t.csv")
    assert labels(dataset) == {'a "b"\n, c.png': ["cat, or\nso"], "images/0.png": ["dog"]}


def test_semicolons_are_read(photos):
    (photos / "t.csv").write_text("image;label\nimages/0.png;cat\nimages/1.png;dog, big\n")
    assert open_dataset(photos / "t.csv").classes == ("cat", "dog, big")


def test_a_table_that_is_not_utf_8_is_refused_with_its_line(photos):
    (photos / "t.csv").write_bytes(b"image,label\nimages/0.png,cat\nimages/1.png,L\xf6we\n")
    error = refused(photos / "t.csv")
    assert "line 3" in error.problem
    assert "0xf6" in error.problem
    assert "iconv" in error.hint


@pytest.mark.parametrize("row", ["images/1.png", "images/1.png,cat,more", '"images/1.png'])
def test_a_ragged_or_unclosed_row_is_refused_with_its_line(photos, row):
    (photos / "t.csv").write_text(f"image,label\nimages/0.png,cat\n{row}\n")
    assert "line 3" in refused(photos / "t.csv").problem.replace("line 4", "line 3")


def test_a_field_that_is_huge_is_refused(photos):
    (photos / "t.csv").write_text(f"image,label\nimages/0.png,{'x' * 200_000}\n")
    assert "field larger" in refused(photos / "t.csv").problem


@pytest.mark.parametrize(
    "text", ["", "\n", "image,label\n", "image,label\n\n\n"], ids=["nothing", "line", "head", "gap"]
)
def test_a_table_without_rows_is_refused(photos, text):
    (photos / "t.csv").write_text(text)
    assert "holds no rows" in refused(photos / "t.csv").problem


@pytest.mark.parametrize("line", ["[1]", "7", "{", "words", "[" * 100_000])
def test_a_line_that_is_no_object_is_refused(photos, line):
    good = json.dumps({"image": "images/0.png", "label": "cat"})
    (photos / "t.jsonl").write_text(f"{good}\n{line}\n")
    assert "line 2" in refused(photos / "t.jsonl").problem


def test_a_key_of_its_own_in_each_line_takes_no_square_of_room(photos):
    lines = [json.dumps({"image": PATHS[0], f"key {number}": 1}) for number in range(20_000)]
    (photos / "t.jsonl").write_text("\n".join(lines))
    tracemalloc.start()
    try:
        assert read_table(photos / "t.jsonl", where="t.jsonl").rows == 20_000
        assert tracemalloc.get_traced_memory()[1] < 50 * 2**20
    finally:
        tracemalloc.stop()


def test_keys_may_come_later_in_json_lines(photos):
    rows = [{"image": PATHS[0]}, {"label": "cat", "image": PATHS[1]}, {"image": PATHS[2]}]
    (photos / "t.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    assert labels(open_dataset(photos / "t.jsonl"))[PATHS[1]] == ["cat"]


def test_a_table_of_more_rows_than_are_indexed_is_refused(photos):
    frame = pl.LazyFrame({"image": ["images/0.png"]}).select(
        pl.col("image").repeat_by(20_000_001).explode(), label=pl.lit("cat")
    )
    frame.sink_parquet(photos / "bomb.parquet")
    assert "20,000,001" in refused(photos / "bomb.parquet").problem


def test_a_column_that_repeats_one_text_without_end_is_refused(photos):
    labels = pl.Series(["x" * 100_000]).gather([0] * 1_000)
    frame = pl.DataFrame({"image": ["images/0.png"] * 1_000, "label": labels})
    frame.write_parquet(photos / "bomb.parquet", row_group_size=100)
    refuse_bomb(photos / "bomb.parquet", where="bomb.parquet")  # its footer claims little
    assert "to 100,000,000" in refused(photos / "bomb.parquet").problem


@pytest.mark.parametrize(
    ("column", "size"),
    [
        (pl.Series(["ab", None, "ü"]), 4),
        (pl.Series([b"ab", None, b"c"]), 3),
        (pl.Series([["ab", "c"], [], None]), 3),
        (pl.Series([[["ab"], ["c"]]]), 3),
        (pl.Series([{"name": "ab", "more": ["c"], "number": 7}]), 3),
        (pl.Series(["ab", "ab"], dtype=pl.Categorical), 4),
        (pl.Series([1, 2]), 0),
        (pl.Series([], dtype=pl.String), 0),
    ],
)
def test_text_counts_each_time_it_is_repeated(column, size):
    assert text_bytes(column) == size


@pytest.mark.parametrize("field", ["image", "label", "group"])
def test_json_with_half_a_letter_is_refused_with_its_line(photos, field):
    rows = [{"image": path, "label": "cat", "group": "g"} for path in PATHS]
    rows[2][field] = "\ud800"
    (photos / "t.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    assert f"{photos / 't.jsonl'}, line 3" in refused(photos / "t.jsonl").problem


def test_control_a_whole_letter_written_in_two_halves_is_text(photos):
    rows = [{"image": path, "label": "\U0001f431"} for path in PATHS]
    (photos / "t.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    assert "\\ud83d" in (photos / "t.jsonl").read_text()
    assert open_dataset(photos / "t.jsonl").classes == ("\U0001f431",)


@pytest.mark.parametrize("label", [{"cat": 1}, [["cat"]], [{"cat": 1}]])
def test_a_label_that_is_no_name_is_refused(photos, label):
    rows = [{"image": path, "label": label} for path in PATHS]
    (photos / "t.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    error = refused(photos / "t.jsonl")
    assert "'cat'" in error.problem
    assert "--label" in error.hint


@pytest.mark.parametrize("data", [b"", b"PAR1", b"words" * 50, b"PAR1" + bytes(60) + b"PAR1"])
def test_what_is_no_parquet_file_is_refused(photos, data):
    (photos / "t.parquet").write_bytes(data)
    assert str(photos / "t.parquet") in refused(photos / "t.parquet").problem


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_damaged_parquet_file_raises_nothing_but_data_errors(tmp_path_factory, data):
    root = tmp_path_factory.getbasetemp()
    path = write_table(root / "t.parquet", {"image": PATHS, "label": CLASSES})
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged)
    try:
        table = read_table(path, where=str(path))
        assert all(len(table.load(name)) == table.rows for name in table.names)
    except DataError:
        pass


def test_no_byte_of_the_footer_can_be_changed_to_lose_a_row(tmp_path):
    path = write_table(tmp_path / "t.parquet", {"image": PATHS, "label": CLASSES})
    whole = path.read_bytes()
    length = int.from_bytes(whole[-8:-4], "little")
    lost = 0
    for at in range(len(whole) - 8 - length, len(whole) - 8, 2):
        path.write_bytes(whole[:at] + bytes([whole[at] & 0xF0]) + whole[at + 1 :])
        try:
            table = read_table(path, where=str(path))
            assert all(len(table.load(name)) == table.rows for name in table.names)
        except DataError as refused:
            lost += "its footer says" in refused.problem
    assert lost  # the control: without that comparison these would be read with rows missing


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=200), st.sampled_from([".csv", ".tsv", ".jsonl"]))
def test_whatever_a_text_table_holds_raises_nothing_but_data_errors(text, kind):
    try:
        table = read_table(text.encode("utf-8", "surrogatepass"), where=f"t{kind}")
        assert all(len(table.load(name)) == table.rows for name in table.names)
    except DataError:
        pass


def test_columns_are_not_named_for_a_folder(photos):
    draw_folder(photos, per_class=1)
    error = refused(photos, label="class")
    assert "label" in error.problem
    assert "leave --label out" in error.hint


def test_columns_named_for_a_folder_with_a_table_lead_to_the_table(photos):
    path = write_table(photos / "t.csv", {"image": PATHS, "label": CLASSES})
    assert f"darkroom check {path} --label class" in refused(photos, label="class").hint


def test_a_hint_works_as_it_stands_where_a_shell_would_tear_its_names_apart(photos):
    torn = photos.rename(photos.with_name("my photos; ls"))
    columns = {"image": PATHS, "what; it is": CLASSES, "Label": CLASSES, "class": CLASSES}
    path = write_table(torn / "my table.csv", columns)
    for error in (refused(torn, label="what; it is"), refused(path)):
        words = shlex.split(error.hint[error.hint.index("darkroom check") :])
        assert words[:4] == ["darkroom", "check", str(path), "--label"]
        assert open_dataset(words[2], columns=Columns(label=words[4])).classes == ("cat", "dog")
    assert shlex.split(f"darkroom check {path}")[2] != str(path)  # control: as it was typed before


def test_a_folder_of_images_beside_a_table_leads_to_the_table(tmp_path, workspace):
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "1.png").write_bytes(image_bytes())
    path = write_table(tmp_path / "flat" / "t.csv", {"image": ["1.png"], "label": ["cat"]})
    assert f"darkroom check {path}" in refused(tmp_path / "flat").hint


def test_a_changed_label_gives_another_dataset(photos):
    path = write_table(photos / "t.csv", {"image": PATHS, "label": CLASSES})
    before = open_dataset(path)
    write_table(path, {"image": PATHS, "label": [*CLASSES[1:], "cat bird"]})
    assert open_dataset(path).fingerprint() != before.fingerprint()


def test_other_columns_give_another_dataset(photos):
    columns = {"image": PATHS, "label": CLASSES, "other": CLASSES[::-1]}
    path = write_table(photos / "t.csv", columns)
    again = open_dataset(path, columns=Columns(label="other"))
    assert again.fingerprint() != open_dataset(path).fingerprint()
    assert again.source().listing().entries[0].place.labels == ("dog",)


def parted(tmp_path: Path, name: str = "metadata.csv") -> Path:
    """Draw an imagefolder with a table in each part."""
    root = tmp_path / "hf"
    for part, count in (("train", 3), ("validation", 2), ("test", 1)):
        paths = [f"{number}.png" for number in range(count)]
        for number, path in enumerate(paths):
            (root / part).mkdir(parents=True, exist_ok=True)
            (root / part / path).write_bytes(image_bytes(part, number))
        classes = (["cat", "dog"] * 2)[:count]
        write_table(root / part / name, {"file_name": paths, "label": classes})
    return root


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl", "metadata.parquet"])
@pytest.mark.parametrize("ending", ["", ".zip", ".tar"])
def test_an_imagefolder_has_a_table_in_each_part(tmp_path, workspace, name, ending):
    root = parted(tmp_path, name)
    dataset = open_dataset(pack_folder(root, ending) if ending else root)
    assert dataset.counts == {"train": 3, "valid": 2, "test": 1}
    assert labels(dataset)["train/1.png"] == ["dog"]
    assert dataset.record.found == dataset.record.used == 6


def test_an_imagefolder_with_a_folder_around_it_is_recognised(tmp_path, workspace):
    parted(tmp_path / "outer")
    assert open_dataset(tmp_path / "outer").counts == {"train": 3, "valid": 2, "test": 1}


def test_files_that_an_imagefolders_table_does_not_name_are_listed(tmp_path, workspace):
    root = parted(tmp_path)
    (root / "train" / "new.png").write_bytes(image_bytes("ball", 70))
    (root / "train" / ".hidden").write_text("words")
    dataset = open_dataset(root)
    reasons = {"train/.hidden": "system file", "train/new.png": "not in the table"}
    assert dict(dataset.skipped.iter_rows()) == reasons
    assert dataset.record.found == 8


def test_rows_of_an_imagefolder_without_their_file_are_listed(tmp_path, workspace):
    root = parted(tmp_path)
    (root / "train" / "0.png").unlink()
    (root / "test" / "0.png").unlink()
    (root / "test" / "0.png").symlink_to("/etc/hostname")
    assert dict(open_dataset(root).skipped.iter_rows()) == {
        "train/0.png": "missing",
        "test/0.png": "link out of the folder",  # told once, by the folder
    }


def test_a_row_of_an_imagefolder_that_climbs_out_is_listed(tmp_path, workspace):
    root = parted(tmp_path)
    table = {"file_name": ["0.png", "../train/0.png", "/etc/x.png"], "label": ["cat"] * 3}
    write_table(root / "test" / "metadata.csv", table)
    told = set(open_dataset(root).skipped["reason"])
    assert told == {"points outside the folder of the table"}


def test_without_a_column_of_labels_the_folders_say_the_class(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=2)
    paths = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*.png"))]
    write_table(root / "metadata.csv", {"file_name": paths, "text": ["words"] * len(paths)})
    dataset = open_dataset(root)
    assert dataset.classes == ("ball", "box", "stripe")
    assert dataset.record.skipped == 0


def test_the_parts_of_an_imagefolders_table_hold(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", ("a", "b"), per_class=2)
    paths = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*.png"))]
    parts = ["train", "test"] * 2
    write_table(root / "metadata.csv", {"file_name": paths, "split": parts})
    dataset = open_dataset(root)
    assert dataset.index["part"].to_list() == parts
    assert dataset.classes == ("a", "b")


def test_control_a_metadata_table_without_file_names_leaves_the_folder_a_folder(
    tmp_path, workspace
):
    root = draw_folder(tmp_path / "shapes", per_class=1)
    write_table(root / "metadata.csv", {"author": ["me"]})
    dataset = open_dataset(root)
    assert dict(dataset.skipped.iter_rows()) == {"metadata.csv": "not an image"}


def test_a_metadata_table_that_is_a_link_out_is_not_read(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", ("a", "b"), per_class=1)
    names = {"file_name": ["a/000.png"], "label": ["cat"]}
    for folder in (root, root / "a"):
        table = write_table(tmp_path / "elsewhere" / "metadata.csv", names)
        (folder / "metadata.csv").symlink_to(table)
    dataset = open_dataset(root)
    assert dataset.classes == ("a", "b")
    assert set(dataset.skipped["reason"]) == {"link out of the folder"}


@pytest.mark.parametrize("name", ["metadata.csv", "a/metadata.csv", "0.tar", "0.parquet"])
def test_what_is_no_regular_file_is_not_waited_for(tmp_path, workspace, name):
    root = draw_folder(tmp_path / "shapes", ("a", "b"), per_class=1)
    os.mkfifo(root / name)
    assert open_dataset(root).skipped.rows() == [(name, "not a regular file")]


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.npz", "t.tar"])
def test_a_table_that_is_no_regular_file_is_refused(tmp_path, workspace, name):
    os.mkfifo(tmp_path / name)
    assert str(tmp_path / name) in refused(tmp_path / name).problem


def test_two_tables_of_one_imagefolder_are_refused(tmp_path, workspace):
    root = parted(tmp_path)
    write_table(root / "train" / "metadata.jsonl", {"file_name": ["0.png"], "label": ["cat"]})
    assert "train/metadata.jsonl" in refused(root).problem


def test_an_imagefolder_whose_rows_name_nothing_is_refused(tmp_path, workspace):
    root = tmp_path / "hf"
    root.mkdir()
    (root / "1.png").write_bytes(image_bytes())
    write_table(root / "metadata.csv", {"file_name": ["images/1.png"], "label": ["cat"]})
    assert "images/1.png" in refused(root).problem


def test_the_columns_of_an_imagefolder_may_be_named(tmp_path, workspace):
    root = draw_folder(tmp_path / "shapes", per_class=2)
    paths = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*.png"))]
    write_table(root / "metadata.csv", {"file_name": paths, "art": ["x", "y"] * 3})
    assert open_dataset(root, columns=Columns(label="art")).classes == ("x", "y")


def test_a_table_opens_from_where_it_lies_and_not_from_where_one_is(photos, monkeypatch):
    write_table(photos / "t.csv", {"image": PATHS, "label": CLASSES})
    monkeypatch.chdir(photos)
    assert locate_source("t.csv", photos).location == str(photos / "t.csv")
    assert open_dataset("t.csv").record.used == 6
