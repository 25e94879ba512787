"""Image files for a prediction, from what was typed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from darkroom.data.sources import Skipped
from darkroom.data.sources.gather import Gathered, gather_images
from darkroom.errors import DataError
from tests.failing_disk import in_children
from tests.making import draw_folder


@pytest.fixture
def root(tmp_path) -> Path:
    folder = draw_folder(tmp_path / "shapes", ("ball", "box"), 2)
    (folder / "notes.txt").write_text("words")
    return folder


def test_of_a_folder_images_and_other_files_are_told_apart(root):
    found = gather_images([root])
    assert [path.relative_to(root).as_posix() for path in found.images] == [
        "ball/000.png",
        "ball/001.png",
        "box/000.png",
        "box/001.png",
    ]
    assert found.others == (root / "notes.txt",)
    assert found.skipped == ()


def test_a_file_is_taken_whatever_its_ending(root):
    notes = (root / "notes.txt",)
    assert gather_images(notes) == Gathered(images=notes, others=(), skipped=())


def test_a_pattern_is_spread_out_in_order(root):
    images = gather_images([f"{root}/**/*.png"]).images
    assert len(images) == 4
    assert list(images) == sorted(images)


def test_an_image_named_twice_counts_once(root):
    images = gather_images([root, root / "ball" / "000.png", str(root)]).images
    assert len(images) == 4


def link_out(root: Path) -> None:
    (root.parent / "outside.png").write_bytes(b"")
    (root / "ball" / "odd.png").symlink_to(root.parent / "outside.png")


def link_to_nothing(root: Path) -> None:
    (root / "ball" / "odd.png").symlink_to("nothing.png")


def write_too_much(root: Path) -> None:
    with (root / "ball" / "odd.png").open("wb") as file:
        file.truncate(256 * 1024 * 1024 + 1)  # sparse: it needs no room


@pytest.mark.parametrize(
    ("plant", "reason"),
    [
        (link_out, "link out of the folder"),
        (link_to_nothing, "broken link"),
        (write_too_much, "larger than 256 MiB"),
    ],
)
def test_of_a_folder_what_is_skipped_comes_with_its_reason(root, plant, reason):
    plant(root)
    found = gather_images([root, root])
    assert found.skipped == (Skipped(name=str(root / "ball" / "odd.png"), reason=reason),)
    assert len(found.images) == 4


def test_what_a_system_leaves_behind_needs_no_mention(root):
    (root / ".DS_Store").write_bytes(b"x")
    (root / ".git").mkdir()
    found = gather_images([root])
    assert (len(found.images), found.others, found.skipped) == (4, (root / "notes.txt",), ())


def test_a_broken_link_that_a_pattern_names_is_skipped_with_its_reason(root):
    link_to_nothing(root)
    (skipped,) = gather_images([f"{root}/**/*.png"]).skipped
    assert (skipped.name, skipped.reason) == (str(root / "ball" / "odd.png"), "broken link")


def test_where_all_is_skipped_the_first_is_named_with_its_reason(tmp_path):
    (tmp_path / "only.png").symlink_to("nothing.png")
    with pytest.raises(DataError, match=r"only\.png was passed over: broken link"):
        gather_images([tmp_path])


def test_a_missing_file_is_named(root):
    with pytest.raises(DataError) as caught:
        gather_images([root / "nowhere.png"])
    assert str(root / "nowhere.png") in caught.value.problem


def test_a_folder_without_images_is_named(tmp_path):
    with pytest.raises(DataError) as caught:
        gather_images([tmp_path])
    assert str(tmp_path) in caught.value.problem


@pytest.mark.parametrize("below", ["1.png", "*.png", "inside", "inside/1.png", ""])
def test_what_lies_below_a_folder_without_permission_is_named(tmp_path, below):
    closed = tmp_path / "closed"
    (closed / "inside").mkdir(parents=True)
    closed.chmod(0)

    def stranger() -> None:
        if os.getuid() == 0:
            os.setuid(65534)
        with pytest.raises(DataError) as caught:
            gather_images([closed / below])
        assert str(closed / below) in caught.value.problem
        with pytest.raises(PermissionError):  # control: the system does refuse
            list(closed.iterdir())

    assert in_children(stranger) == [0]
    closed.chmod(0o700)
