"""Images that training has seen, and the repair that keeps what is alike in one part."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path

import pytest
from PIL import Image

from darkroom import DataError, group_split, open_dataset, split_dataset
from darkroom.data.leaks import find_leaks
from darkroom.data.near_duplicates import near_duplicates
from tests.data.scenes import draw_scene, draw_scenes
from tests.making import CLASSES


@pytest.fixture
def root(tmp_path, workspace) -> Path:
    """Give a tree of three parts, each with 3 x 12 images of its own."""
    for number, part in enumerate(("train", "valid", "test")):
        draw_scenes(tmp_path / "parts" / part, 12, seed=20 + number)
    return tmp_path / "parts"


def save_again(source: Path, target: Path) -> None:
    """Keep nearly the same image: smaller, and as a JPEG."""
    with Image.open(source) as image:
        image.resize((72, 60)).save(target, "JPEG", quality=60)


def leak(root: Path) -> None:
    """Bring one copy and one near-duplicate of test images into the training part."""
    shutil.copy(root / "test" / "ball" / "003.png", root / "train" / "ball" / "copy.png")
    save_again(root / "test" / "box" / "004.png", root / "train" / "box" / "near.jpg")


def test_parts_of_their_own_leak_nothing(root):
    dataset = open_dataset(root)
    assert [find_leaks(dataset, part).images for part in ("train", "valid", "test")] == [
        frozenset()
    ] * 3


def test_copies_and_near_duplicates_are_told_apart(root):
    leak(root)
    leaks = find_leaks(open_dataset(root), "test")
    assert leaks.copies == {"test/ball/003.png"}
    assert leaks.near == {"test/box/004.png"}


def test_every_copy_of_a_near_duplicate_leaks(root):
    leak(root)
    twin = root / "test" / "box" / "twin.png"
    shutil.copy(root / "test" / "box" / "004.png", twin)
    dataset = open_dataset(root)
    assert find_leaks(dataset, "test").near == {"test/box/004.png", "test/box/twin.png"}
    named = (
        near_duplicates(dataset).pairs.select("image", "other").rows()
    )  # the control: one of them
    assert "test/box/twin.png" not in {name for pair in named for name in pair}


def test_what_validation_has_seen_counts_for_the_test_part(root):
    save_again(root / "test" / "box" / "004.png", root / "valid" / "box" / "near.jpg")
    dataset = open_dataset(root)
    assert find_leaks(dataset, "test").images == {"test/box/004.png"}
    assert find_leaks(dataset, "valid").images == frozenset()


def test_nothing_comes_before_the_training_part(root):
    leak(root)
    assert find_leaks(open_dataset(root), "train").images == frozenset()


def crossing(dataset) -> list[set[str]]:
    """List the parts of every cluster of images that are alike, where it lies in several."""
    parts = dict(dataset.index.select("image", "part").iter_rows())
    alike = defaultdict(set)
    for number, cluster in enumerate(near_duplicates(dataset).clusters):
        alike[number] |= {parts[name] for name in cluster}
    return [found for found in alike.values() if len(found) > 1]


def test_group_split_deals_anew_so_that_nothing_alike_crosses_parts(root):
    leak(root)
    opened = open_dataset(root)
    assert crossing(opened)  # the control: as the source brought it
    assert crossing(split_dataset(opened))  # which stays when its parts do
    for seed in range(4):
        dealt = group_split(opened, seed=seed)
        assert crossing(dealt) == []
        assert find_leaks(dealt, "test").images == frozenset()
        assert len(dealt.index) == len(opened.index)


def test_an_ordinary_split_keeps_near_duplicates_together(tmp_path, workspace):
    root = draw_scenes(tmp_path / "shapes", 15)
    for label in CLASSES:
        for number in range(15):
            save_again(root / label / f"{number:03d}.png", root / label / f"{number:03d}.jpg")
    for seed in range(3):
        dealt = split_dataset(open_dataset(root), seed=seed)
        assert len(near_duplicates(dealt).clusters) >= 40
        assert crossing(dealt) == []


def test_group_split_leaves_unlabelled_images_where_they_are(root):
    draw_scene(900).save(root / "test" / "loose.png")
    dealt = group_split(open_dataset(root))
    parts = dict(dealt.index.select("image", "part").iter_rows())
    assert parts["test/loose.png"] == "unlabelled"


def test_group_split_keeps_the_groups_of_the_user_together(root):
    opened = open_dataset(root)
    groups = {name: name.rsplit("/", 1)[1][:2] for name in opened.index["image"]}  # 00 and 01
    groups = {name: f"{group}{name[0]}" for name, group in groups.items()}
    dealt = group_split(opened, group_by=groups)
    parts = defaultdict(set)
    for name, part in dealt.index.select("image", "part").iter_rows():
        parts[groups[name]].add(part)
    assert all(len(found) == 1 for found in parts.values())


def test_what_the_user_groups_across_the_parts_of_the_source_is_refused_with_the_repair(root):
    opened = open_dataset(root)
    with pytest.raises(DataError) as caught:
        split_dataset(opened, group_by=dict.fromkeys(opened.index["image"], "one"))
    assert "data.parts=anew" in caught.value.hint
