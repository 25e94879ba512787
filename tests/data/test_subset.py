"""Shares of the training part: nested, of the same classes, and nothing else changed."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest

from darkroom.data.opening import open_dataset
from darkroom.data.split import split_dataset
from darkroom.data.subset import training_subset
from darkroom.errors import DataError
from tests.making import draw_folder, draw_image

SHARES = (0.05, 0.2, 0.5, 0.8)


def names(dataset, part: str) -> set[str]:
    return set(dataset.part(part)["image"])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_smaller_subset_lies_within_a_larger_one(dataset, seed):
    subsets = [names(training_subset(dataset, share, seed=seed), "train") for share in SHARES]
    for small, large in zip(subsets, [*subsets[1:], names(dataset, "train")], strict=True):
        assert small < large


def test_the_other_parts_stay_as_they_are(dataset):
    subset = training_subset(dataset, 0.3)
    for part in ("valid", "test"):
        assert subset.fingerprint(part) == dataset.fingerprint(part)
    assert subset.fingerprint("train") != dataset.fingerprint("train")  # the control


def test_every_class_keeps_its_share_and_none_goes_without(dataset):
    for share in SHARES:
        kept = Counter(training_subset(dataset, share).label_indices("train").tolist())
        of = Counter(dataset.label_indices("train").tolist())
        assert kept.keys() == of.keys()
        assert all(abs(kept[label] - share * of[label]) <= 1 for label in of)


def test_another_seed_is_another_subset_and_the_same_one_the_same(dataset):
    one, again = (training_subset(dataset, 0.5, seed=3) for _ in range(2))
    assert one.name == again.name
    assert names(one, "train") != names(training_subset(dataset, 0.5, seed=4), "train")


def test_a_subset_says_what_it_is_and_accounts_for_what_was_left_out(dataset):
    subset = training_subset(dataset, 0.5, seed=3)
    assert "0.5 of the training part, seed 3" in subset.record.split
    assert subset.record.skipped == dataset.record.skipped
    assert subset.record.used + subset.record.left_out == dataset.record.used
    assert subset.manifest.parents[0].id == dataset.manifest.id


def test_the_whole_is_the_dataset_itself(dataset):
    assert training_subset(dataset, 1.0) is dataset


@pytest.mark.parametrize("share", [0, -0.1, 1.5, 16])
def test_what_is_no_share_is_refused(dataset, share):
    with pytest.raises(DataError) as refused:
        training_subset(dataset, share)
    assert f"{share:g}" in refused.value.problem


def test_images_of_one_group_stay_together(workspace, tmp_path):
    root = draw_folder(tmp_path / "shapes", per_class=24)
    for copy in range(6):  # one group of seven: the same image, under other names
        draw_image("ball", 0).save(root / "ball" / f"copy{copy}.png")
    dataset = split_dataset(open_dataset(root, workspace=workspace))
    alike = dataset.index.filter(pl.col("sha256").is_duplicated())
    if alike["part"][0] != "train":
        pytest.skip("the copies were dealt to another part")
    for seed in range(8):
        kept = names(training_subset(dataset, 0.4, seed=seed), "train") & set(alike["image"])
        assert len(kept) in (0, 7)


def test_groups_that_the_split_was_told_of_stay_together(workspace, tmp_path):
    for label in ("ball", "box"):
        for session in range(12):
            draw_folder(tmp_path / "p" / label, (f"day{session}",), 4, seed=session)
    opened = open_dataset(tmp_path / "p", workspace=workspace)
    torn = []
    for group_by in ("folder", None):
        split = split_dataset(opened, group_by=group_by)
        assert split.record.group_by == (group_by or "")
        assert ("grouped by folder" in split.record.split) is bool(group_by)
        subset = training_subset(split, 0.5)
        kept = Counter(name.rpartition("/")[0] for name in names(subset, "train"))
        torn.append(sum(0 < count < 4 for count in kept.values()))
    assert torn[0] == 0
    assert torn[1] > 0  # the control: images of a day are dealt one by one


def test_a_table_of_numbers_keeps_small_and_large_ones(workspace, tmp_path):
    root = draw_folder(tmp_path / "shapes", per_class=20)
    files = sorted(root.rglob("*.png"))
    rows = [f"{path.relative_to(root)},{number + 0.5}" for number, path in enumerate(files)]
    (root / "ages.csv").write_text("file_name,target\n" + "\n".join(rows))
    dataset = split_dataset(open_dataset(root / "ages.csv", workspace=workspace))
    targets = training_subset(dataset, 0.4).part("train")["target"]
    assert targets.min() < 20
    assert targets.max() > 40
