from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from darkroom import open_dataset
from darkroom.data.checks import CHECKS
from tests.data.indexes import Row, make_index
from tests.making import real_data

channel_order = CHECKS["channel-order"]


def images(part: str, lean: float, count: int = 60, label: int = 0):
    """Make images that lean to blue by `lean`, give or take a tenth."""
    return [
        Row(
            f"{part}/{label}/{n}.png",
            label,
            part,
            measures={"blue_above": lean + (n % 3 - 1) / 10},
        )
        for n in range(count)
    ]


def test_a_part_that_leans_the_other_way_is_named(workspace):
    rows = images("train", -0.3) + images("test", 0.3)
    (finding,) = channel_order(make_index(workspace, rows))
    assert finding.severity == "warning"
    assert set(finding.where) == {row.image for row in rows if row.part == "test"}


def test_so_is_a_format(workspace):
    rows = images("train", -0.3)
    rows += [
        Row(f"bmp/{n}", 0, "train", format="BMP", measures={"blue_above": 0.3}) for n in range(60)
    ]
    (finding,) = channel_order(make_index(workspace, rows))
    assert "format BMP" in finding.what


def test_so_is_a_folder(workspace):
    rows = [
        Row(f"boot/{day}/{n}.png", 0, measures={"blue_above": lean})
        for day, lean in (("monday", -0.3), ("tuesday", -0.3), ("friday", 0.3))
        for n in range(60)
    ]
    (finding,) = channel_order(make_index(workspace, rows))
    assert "folder boot/friday" in finding.what


@pytest.mark.parametrize("lean", [-0.3, -0.1, 0.02, 0.1])
def test_a_part_that_only_leans_less_is_not_exchanged(workspace, lean):
    rows = images("train", -0.4) + images("test", lean)
    assert channel_order(make_index(workspace, rows)) == []


def test_a_blue_class_is_not_exchanged_because_a_part_has_more_of_it(workspace):
    rows = images("train", -0.5, 120, label=0) + images("train", 0.3, 60, label=1)
    rows += images("test", -0.5, 60, label=0) + images("test", 0.3, 120, label=1)
    assert channel_order(make_index(workspace, rows)) == []


def test_fewer_than_fifty_images_of_a_group_say_nothing(workspace):
    rows = images("train", -0.3, 90) + images("test", 0.3, 49)
    assert channel_order(make_index(workspace, rows)) == []


def test_where_all_images_lean_to_blue_there_is_a_note(workspace):
    (finding,) = channel_order(make_index(workspace, images("train", 0.3)))
    assert finding.severity == "note"
    assert channel_order(make_index(workspace, images("test", -0.3))) == []


def exchanged(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as image:
        Image.merge("RGB", image.convert("RGB").split()[::-1]).save(target, quality=90)


@pytest.mark.parametrize("name", ["flowers", "sign-digits", "dogscats/train"])
def test_photographs_have_their_channels_in_order_and_exchanged_ones_are_found(
    name, tmp_path, workspace
):
    for folder in sorted(path for path in real_data(name).iterdir() if path.is_dir()):
        files = sorted(path for path in folder.iterdir() if path.stat().st_size < 200_000)
        for number, path in enumerate(files[:60]):
            part = "test" if number % 2 else "train"
            for tree in ("as_is", "part"):
                target = tmp_path / tree / part / folder.name / path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                turned = tree == "part" and part == "test"
                (exchanged if turned else shutil.copy)(path, target)
            exchanged(path, tmp_path / "all" / part / folder.name / path.name)
    found = {
        tree: channel_order(open_dataset(tmp_path / tree)) for tree in ("as_is", "part", "all")
    }
    assert found["as_is"] == []
    assert [finding.severity for finding in found["part"]] == ["warning"]
    assert {image.split("/")[0] for image in found["part"][0].where} == {"test"}
    assert [finding.severity for finding in found["all"]] == ["note"]
