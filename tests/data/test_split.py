"""`split_dataset`: laws that hold for any dataset."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import darkroom.data.split as room
from darkroom import open_dataset, split_dataset
from darkroom.data.checks.tiny_class import tiny_class
from darkroom.data.dataset import Dataset
from darkroom.errors import DataError
from darkroom.workspace import Workspace
from tests.data.indexes import Row, digest_of, make_index
from tests.making import draw_folder

PARTS = ("train", "valid", "test")
laws = settings(deadline=None, max_examples=15)
class_sizes = st.lists(st.integers(12, 40), min_size=2, max_size=4)
shares = st.sampled_from([0.1, 0.15, 0.2, 0.25, 0.3, 0.4])
seeds = st.integers(0, 1000)


def distinct(sizes) -> list[Row]:
    return [
        Row(f"c{label}/{n}.png", label) for label, size in enumerate(sizes) for n in range(size)
    ]


def split_rows(rows, *, task="single-label", classes=None, **settings) -> Dataset:
    """Split rows in a workspace that is gone afterwards; the index stays in memory."""
    with tempfile.TemporaryDirectory() as folder:
        whole = make_index(Workspace(folder), rows, task=task, classes=classes)
        dataset = split_dataset(whole, **settings)
        assert dataset.index is not None
        return dataset


def part_of(dataset: Dataset) -> dict[str, str]:
    return dict(dataset.index.select("image", "part").iter_rows())


def parts_by_content(dataset: Dataset) -> dict[str, set[str]]:
    found = defaultdict(set)
    for digest, part in dataset.index.select("sha256", "part").iter_rows():
        found[digest].add(part)
    return found


@laws
@given(class_sizes, shares, shares, seeds)
def test_every_image_has_exactly_one_part(sizes, valid, test, seed):
    rows = distinct(sizes)
    parts = part_of(split_rows(rows, valid=valid, test=test, seed=seed))
    assert set(parts) == {row.image for row in rows}
    assert set(parts.values()) == set(PARTS)


@laws
@given(class_sizes, shares, shares, seeds)
def test_every_class_is_within_one_image_of_its_shares(sizes, valid, test, seed):
    dataset = split_rows(distinct(sizes), valid=valid, test=test, seed=seed)
    wanted = {"train": 1 - valid - test, "valid": valid, "test": test}
    for label, size in enumerate(sizes):
        counts = Counter(
            part for image, part in part_of(dataset).items() if image.startswith(f"c{label}/")
        )
        for part, share in wanted.items():
            assert abs(counts[part] - share * size) <= 1


def several(rows) -> list[Row]:
    """Give each image its row's class, no class, or that class and the next one, in turn."""
    return [
        msgspec.structs.replace(row, label=((row.label,), (), (row.label, row.label + 1))[n % 3])
        for n, row in enumerate(rows)
    ]


def shares_by_count(dataset: Dataset) -> dict[int, float]:
    """Give the share that trains of the images with no class, one class and two."""
    counted = dataset.index.with_columns(count=pl.col("labels").list.len())
    trains = (pl.col("part") == "train").mean()
    return dict(counted.group_by("count").agg(trains).iter_rows())


@laws
@given(st.lists(st.integers(40, 60), min_size=2, max_size=4), seeds)
def test_images_of_no_class_and_of_several_are_in_every_part_at_its_share(sizes, seed):
    dataset = split_rows(several(distinct(sizes)), task="multi-label", seed=seed)
    found = shares_by_count(dataset)
    assert set(found) == {0, 1, 2}
    assert all(0.35 < share < 0.8 for share in found.values()), found


def test_control_dealt_by_class_alone_they_nearly_all_train(monkeypatch):
    monkeypatch.setattr(room, "_labels", lambda index, _: index["labels"].to_list())
    found = shares_by_count(split_rows(several(distinct([40, 40, 40])), task="multi-label"))
    assert found[0] > 0.8


@laws
@given(st.integers(3, 60), seeds)
def test_images_with_targets_are_in_every_part_however_few(count, seed):
    rows = [Row(f"{n}.png", None, target=n / 7) for n in range(count)]
    dataset = split_rows(rows, task="regression", classes=(), seed=seed)
    assert set(dataset.counts) == set(PARTS)


@laws
@given(st.integers(40, 90), seeds)
def test_one_giant_group_stays_whole_and_leaves_images_for_every_part(giant, seed):
    rows = [Row(f"{n}.png", n % 3, group="giant" if n < giant else None) for n in range(100)]
    dataset = split_rows(rows, seed=seed)
    assert dataset.index.filter(pl.col("group") == "giant")["part"].n_unique() == 1
    assert set(dataset.counts) == set(PARTS)


def test_control_a_draw_per_image_strays_further_than_one_image():
    drawn = np.random.default_rng(0).random((100, 40)) < 0.2
    assert (np.abs(drawn.sum(axis=1) - 8) > 1).any()


@laws
@given(st.lists(st.integers(3, 6), min_size=1, max_size=4), shares, shares, seeds)
def test_a_class_of_three_single_images_or_more_is_in_every_part(sizes, valid, test, seed):
    parts = part_of(split_rows(distinct(sizes), valid=valid, test=test, seed=seed))
    for label in range(len(sizes)):
        assert {parts[name] for name in parts if name.startswith(f"c{label}/")} == set(PARTS)


def test_a_class_of_two_images_is_in_both_parts_that_are_cut():
    rows = [*brought("train", "test"), *(Row(f"train/2/{n}.png", 2, "train") for n in range(2))]
    parts = part_of(split_rows(rows, valid=0.1))
    assert {parts[f"train/2/{n}.png"] for n in range(2)} == {"train", "valid"}


@laws
@given(class_sizes, seeds, st.randoms())
def test_the_part_of_an_image_does_not_depend_on_names_or_order(sizes, seed, random):
    rows = distinct(sizes)
    names = [row.image for row in rows]
    random.shuffle(names)
    renamed = [
        Row(name, row.label, content=row.image) for name, row in zip(names, rows, strict=True)
    ]
    before = parts_by_content(split_rows(rows, seed=seed))
    assert parts_by_content(split_rows(renamed, seed=seed)) == before


@laws
@given(class_sizes, seeds)
def test_the_same_seed_gives_the_same_split(sizes, seed):
    rows = distinct(sizes)
    assert part_of(split_rows(rows, seed=seed)) == part_of(split_rows(rows, seed=seed))


@laws
@given(class_sizes, seeds)
def test_another_seed_gives_another_split(sizes, seed):
    rows = distinct(sizes)
    assert part_of(split_rows(rows, seed=seed)) != part_of(split_rows(rows, seed=seed + 1))


@laws
@given(class_sizes, seeds, st.data())
def test_identical_bytes_are_never_torn_apart(sizes, seed, data):
    contents = st.integers(0, sum(sizes) // 2).map(str)
    rows = [Row(row.image, row.label, content=data.draw(contents)) for row in distinct(sizes)]
    try:
        dataset = split_rows(rows, seed=seed)
    except DataError:  # the copies leave too few groups for three parts
        return
    assert all(len(parts) == 1 for parts in parts_by_content(dataset).values())


@laws
@given(class_sizes, seeds, st.data())
def test_groups_are_never_torn_apart_nor_are_identical_bytes_across_them(sizes, seed, data):
    contents = st.sampled_from(["", "", "", "a", "b", "c"])
    rows = [Row(row.image, row.label, content=data.draw(contents)) for row in distinct(sizes)]
    groups = {row.image: str(data.draw(st.integers(0, 12))) for row in rows}
    try:
        dataset = split_rows(rows, seed=seed, group_by=groups)
    except DataError:  # the copies leave too few groups for three parts
        return
    by_group = defaultdict(set)
    for image, part in part_of(dataset).items():
        by_group[groups[image]].add(part)
    assert all(len(parts) == 1 for parts in by_group.values())
    assert all(len(parts) == 1 for parts in parts_by_content(dataset).values())


@laws
@given(class_sizes, seeds)
def test_control_without_groups_some_group_is_torn_apart(sizes, seed):
    dataset = split_rows(distinct(sizes), seed=seed)
    by_group = defaultdict(set)
    for image, part in part_of(dataset).items():
        by_group[int(Path(image).stem) % 3].add(part)
    assert any(len(parts) > 1 for parts in by_group.values())


@laws
@given(class_sizes, seeds)
def test_many_small_groups_come_near_the_shares(sizes, seed):
    rows = distinct([size * 4 for size in sizes])
    groups = {row.image: f"{row.label}-{row.image.split('/')[1][:-4][:-1]}" for row in rows}
    counts = split_rows(rows, seed=seed, group_by=groups).counts
    assert abs(counts["test"] / len(rows) - 0.2) < 0.12


@laws
@given(class_sizes, seeds)
def test_the_order_of_groups_does_not_depend_on_names(sizes, seed):
    rows = distinct(sizes)
    groups = {row.image: row.image[-6:] for row in rows}
    turned = [Row(row.image[::-1], row.label, content=row.image) for row in rows]
    turned_groups = {row.image: groups[row.image[::-1]] for row in turned}
    before = parts_by_content(split_rows(rows, seed=seed, group_by=groups))
    assert parts_by_content(split_rows(turned, seed=seed, group_by=turned_groups)) == before


def brought(*parts: str) -> list[Row]:
    return [
        Row(f"{part}/{label}/{n}.png", label, part)
        for part in parts
        for label in (0, 1)
        for n in range(20)
    ]


@pytest.mark.parametrize(
    "parts",
    [("train",), ("train", "valid"), ("train", "test"), PARTS],
)
def test_parts_that_were_brought_stay_and_what_is_missing_comes_out_of_train(parts):
    result = part_of(split_rows(brought(*parts)))
    for image, part in result.items():
        came_from = image.split("/")[0]
        assert part == came_from or (came_from == "train" and part not in parts)
    assert set(result.values()) == set(PARTS)


def test_a_whole_split_that_was_brought_is_kept_as_it_is():
    dataset = split_rows(brought(*PARTS))
    assert dataset.record.split == "as the source has it"
    assert all(image.startswith(f"{part}/") for image, part in part_of(dataset).items())


def test_unlabelled_images_stay_unlabelled():
    rows = [*brought("train"), Row("test1/1.png", None, "unlabelled")]
    dataset = split_rows(rows)
    assert part_of(dataset)["test1/1.png"] == "unlabelled"
    assert dataset.record.used == len(rows)


@laws
@given(class_sizes, seeds, st.floats(0.5, 0.7), st.floats(0.7, 1.0))
def test_a_smaller_sample_lies_within_a_larger_one_with_the_same_parts(sizes, seed, less, more):
    rows = distinct([size * 6 for size in sizes])
    small = part_of(split_rows(rows, seed=seed, sample=less))
    large = part_of(split_rows(rows, seed=seed, sample=more))
    assert small.items() <= large.items()


@laws
@given(class_sizes, seeds)
def test_a_sample_has_about_its_share_and_the_parts_of_the_whole(sizes, seed):
    rows = distinct([size * 5 for size in sizes])
    whole = part_of(split_rows(rows, seed=seed))
    half = part_of(split_rows(rows, seed=seed, sample=0.5))
    assert half.items() <= whole.items()
    assert 0.3 < len(half) / len(whole) < 0.7


def test_the_record_counts_what_is_used_and_what_was_skipped(workspace):
    opened = make_index(workspace, distinct([20, 20]), skipped=[("x", "system file")])
    record = split_dataset(opened, sample=0.5).record
    assert record.skipped == 1
    assert record.found == opened.record.found == 41
    assert record.left_out == 40 - record.used > 0
    assert record.sample == 0.5


def test_a_sample_of_a_sample_leaves_out_what_either_left_out(workspace):
    rows = [*brought(*PARTS), Row("test1/1.png", None, "unlabelled")]
    once = split_dataset(make_index(workspace, rows, skipped=[("x", "system file")]), sample=0.8)
    twice = split_dataset(once, sample=0.5)
    assert 0 < once.record.left_out < twice.record.left_out
    for dataset in (once, twice):
        record = dataset.record
        assert record.found == len(rows) + 1
        assert record.found == record.used + len(dataset.skipped) + record.left_out
        assert (record.used, record.skipped) == (len(dataset.index), len(dataset.skipped))


def test_the_record_says_how_the_split_was_made():
    groups = {"c0/1.png": "x"}
    how = split_rows(distinct([20, 20]), valid=0.3, seed=5, group_by=groups).record.split
    assert all(word in how for word in ("0.3", "0.2", "seed 5", "grouped"))


def test_folders_below_a_class_stay_together_when_asked(tmp_path, workspace):
    for camera in range(8):
        draw_folder(tmp_path / "p" / "ball" / f"{camera}", ("ball",), 2, seed=camera)
        draw_folder(tmp_path / "p" / "box" / f"{camera}", ("box",), 2, seed=camera)
    dataset = split_dataset(open_dataset(tmp_path / "p"), group_by="folder")
    by_folder = defaultdict(set)
    for image, part in part_of(dataset).items():
        by_folder[str(Path(image).parent)].add(part)
    assert len(by_folder) == 16
    assert all(len(parts) == 1 for parts in by_folder.values())


def test_splitting_again_gives_the_same_artifact(workspace):
    opened = make_index(workspace, distinct([20, 20]))
    assert split_dataset(opened).manifest == split_dataset(opened).manifest


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ({"valid": 0.0}, "0"),
        ({"test": 1.0}, "1"),
        ({"valid": 0.6, "test": 0.4}, "0.6"),
        ({"valid": -0.1}, "-0.1"),
        ({"test": float("nan")}, "nan"),
        ({"sample": 0.0}, "0"),
        ({"sample": 1.1}, "1.1"),
        ({"group_by": "camera"}, "`camera`"),
    ],
)
def test_a_share_or_group_that_cannot_be_is_refused_with_its_value(workspace, settings, value):
    opened = make_index(workspace, distinct([20, 20]))
    with pytest.raises(DataError) as caught:
        split_dataset(opened, **settings)
    assert value in caught.value.problem
    assert caught.value.hint.startswith("--set data.")


@pytest.mark.parametrize("sizes", [[1], [1, 1], [2]])
def test_too_few_images_for_three_parts_are_refused_with_their_number(workspace, sizes):
    with pytest.raises(DataError) as caught:
        split_dataset(make_index(workspace, distinct(sizes)))
    assert str(sum(sizes)) in caught.value.problem


def test_copies_of_one_image_are_told_to_be_copies_and_not_to_be_shared_otherwise(workspace):
    rows = [Row(f"a/{number}.png", number % 2, content="black") for number in range(40)]
    with pytest.raises(DataError, match="copies or near-duplicates") as caught:
        split_dataset(make_index(workspace, rows))
    assert "darkroom explore" in caught.value.hint
    with pytest.raises(DataError, match="in 2 groups"):
        split_dataset(make_index(workspace, [*rows, Row("b/other.png", 1)]))


def test_a_small_sample_is_named_as_the_cause(workspace):
    opened = make_index(workspace, distinct([10, 10]))
    with pytest.raises(DataError, match=r"a sample of 0\.01") as caught:
        split_dataset(opened, sample=0.01)
    assert "data.sample" in caught.value.hint
    sampled = split_dataset(make_index(workspace, distinct([60, 60])), sample=0.3)
    whole = split_dataset(make_index(workspace, distinct([10, 10])))
    hints = [tiny_class(dataset)[0].next_step for dataset in (sampled, whole)]
    assert ["data.sample" in hint for hint in hints] == [True, False]


def test_one_group_cannot_be_in_three_parts(workspace):
    rows = distinct([20, 20])
    with pytest.raises(DataError, match="too few"):
        split_dataset(make_index(workspace, rows), group_by=dict.fromkeys(part_names(rows), "one"))


def part_names(rows) -> list[str]:
    return [row.image for row in rows]


def test_copies_across_a_split_that_was_brought_are_left_for_the_check():
    rows = [*brought(*PARTS), Row("train/0/copy.png", 0, "train", "test/0/0.png")]
    crossing = parts_by_content(split_rows(rows))[digest_of(rows[-1])]
    assert crossing == {"train", "test"}


GROUPED = [
    Row(f"{part}/class{label}/{part}-{day}/{n}.png", label, part)
    for part in PARTS
    for label in (0, 1)
    for day in range(8)
    for n in range(3)
]


@pytest.mark.parametrize("parts", [("train", "test"), ("train", "valid"), PARTS])
@pytest.mark.parametrize("by_name", [True, False])
def test_a_group_that_the_source_put_into_two_parts_is_named(workspace, parts, by_name):
    torn = [Row(f"{part}/class1/monday/1.png", 1, part) for part in parts[:2]]
    rows = [*(row for row in GROUPED if row.part in parts), *torn]
    groups = {row.image: row.image.split("/")[2] for row in rows} if by_name else "folder"
    with pytest.raises(DataError) as caught:
        split_dataset(make_index(workspace, rows), group_by=groups)
    assert "`monday`" in caught.value.problem
    assert all(row.image in caught.value.problem for row in torn)
    assert "group_by" in caught.value.hint


def test_groups_of_images_that_are_not_there_are_refused(workspace):
    with pytest.raises(DataError) as caught:
        split_dataset(make_index(workspace, distinct([9])), group_by={"photos/c0/0.png": "one"})
    assert "photos/c0/0.png" in caught.value.problem
    assert "c0/0.png" in caught.value.hint


def test_control_groups_of_some_images_are_taken():
    grouped = split_rows(distinct([9]), group_by={"c0/0.png": "one", "c0/gone.png": "one"})
    assert set(grouped.counts) == set(PARTS)


@pytest.mark.parametrize("parts", [("train",), ("train", "test"), PARTS])
def test_control_groups_that_the_source_kept_whole_are_no_error(parts):
    rows = [row for row in GROUPED if row.part in parts]
    found = parts_by_folder(split_rows(rows, group_by="folder"))
    assert all(len(of) == 1 for of in found.values())


def test_identical_bytes_of_two_groups_across_brought_parts_are_left_for_the_check():
    copies = [Row(f"{part}/class1/{part}-0/copy.png", 1, part, "same") for part in PARTS[::2]]
    dataset = split_rows([*GROUPED, *copies], group_by="folder")
    assert parts_by_content(dataset)[digest_of(copies[0])] == {"train", "test"}


SESSIONS = [
    Row(f"class{label}/{day}/{n}.png", label)
    for label in (0, 1)
    for day in range(8)
    for n in range(3)
]


def parts_by_folder(dataset: Dataset) -> dict[str, set[str]]:
    found = defaultdict(set)
    for image, part in part_of(dataset).items():
        found[image.split("/")[-2]].add(part)
    return found


@pytest.mark.parametrize("prefix", ["", "photos/", "train/", "photos/train/", "class0/"])
def test_folders_of_one_name_below_several_classes_are_one_group(prefix):
    part = "train" if "train" in prefix else None
    rows = [Row(f"{prefix}{row.image}", row.label, part) for row in SESSIONS]
    found = parts_by_folder(split_rows(rows, group_by="folder"))
    assert set(found) == {str(day) for day in range(8)}
    assert all(len(parts) == 1 for parts in found.values())


def test_control_without_grouping_such_folders_are_torn_apart():
    assert any(len(parts) > 1 for parts in parts_by_folder(split_rows(SESSIONS)).values())


def test_the_whole_path_below_the_class_is_the_name_of_the_group():
    rows = [
        Row(f"class{label}/{day}/{half}/{n}.png", label)
        for label in (0, 1)
        for day in range(8)
        for half in ("am", "pm")
        for n in range(3)
    ]
    by_day, by_path = defaultdict(set), defaultdict(set)
    for image, part in part_of(split_rows(rows, group_by="folder")).items():
        by_day[image.split("/")[1]].add(part)
        by_path[tuple(image.split("/")[1:3])].add(part)
    assert all(len(parts) == 1 for parts in by_path.values())
    assert any(len(parts) > 1 for parts in by_day.values())


def test_images_directly_in_the_folder_of_their_class_are_groups_of_their_own():
    loose = [Row(f"class{label}/{n}.png", label) for label in (0, 1) for n in range(20)]
    dataset = split_rows([*SESSIONS, *loose], group_by="folder")
    parts = part_of(dataset)
    assert {parts[row.image] for row in loose if row.label == 0} == set(PARTS)


@pytest.mark.parametrize(
    "rows",
    [
        [Row(f"class{label}/{n}.png", label) for label in (0, 1) for n in range(20)],
        [Row(f"photos/class{label}/{n}.png", label) for label in (0, 1) for n in range(20)],
        [Row(f"{n}-{label}.png", label) for label in (0, 1) for n in range(20)],
    ],
    ids=["no folders", "an outer folder", "no classes"],
)
def test_grouping_by_folders_that_are_not_there_is_refused(workspace, rows):
    with pytest.raises(DataError, match="below its class") as caught:
        split_dataset(make_index(workspace, rows), group_by="folder")
    assert "cat/monday/1.jpg" in caught.value.hint


def test_a_split_says_the_verb_that_made_it(workspace):
    opened = make_index(workspace, distinct([20, 20]))
    assert split_dataset(opened).manifest.made_by == "split"
