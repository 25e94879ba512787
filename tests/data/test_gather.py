"""Image files for a prediction, from what was typed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from darkroom.data.sources.gather import gather_images
from darkroom.errors import DataError
from tests.failing_disk import in_children
from tests.making import draw_folder


@pytest.fixture
def root(tmp_path) -> Path:
    folder = draw_folder(tmp_path / "shapes", ("ball", "box"), 2)
    (folder / "notes.txt").write_text("words")
    return folder


def test_of_a_folder_images_and_other_files_are_told_apart(root):
    images, others = gather_images([root])
    assert [path.relative_to(root).as_posix() for path in images] == [
        "ball/000.png",
        "ball/001.png",
        "box/000.png",
        "box/001.png",
    ]
    assert others == [root / "notes.txt"]


def test_a_file_is_taken_whatever_its_ending(root):
    assert gather_images([root / "notes.txt"]) == ([root / "notes.txt"], [])


def test_a_pattern_is_spread_out_in_order(root):
    images, _ = gather_images([f"{root}/**/*.png"])
    assert len(images) == 4
    assert images == sorted(images)


def test_an_image_named_twice_counts_once(root):
    images, _ = gather_images([root, root / "ball" / "000.png", str(root)])
    assert len(images) == 4


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
