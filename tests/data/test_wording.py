"""Words about numbers and names: one way for each."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import darkroom
from darkroom import open_dataset, split_dataset
from darkroom.data.sources import Columns
from darkroom.data.wording import what_opens
from darkroom.errors import DataError
from darkroom.wording import percent, visible
from tests.making import draw_folder


@pytest.mark.parametrize(
    ("share", "words"), [(0.9834, "98.3 %"), (0.0, "0.0 %"), (1.0, "100.0 %"), (0.00049, "0.0 %")]
)
def test_a_share_is_read_as_a_percentage(share, words):
    assert percent(share) == words


def test_what_cannot_be_seen_is_written_out():
    assert visible("a\nb\u202ec\x00\x1b[31m\udcff") == "a\\nb\\u202ec\\x00\\x1b[31m\\udcff"
    assert visible("Straße 東京 <b>") == "Straße 東京 <b>"


def test_no_module_writes_a_percentage_in_another_way():
    old = re.compile(r":\.\d%\}")
    assert old.search("{share:.1%}")  # the control
    sources = Path(darkroom.__file__).parent.rglob("*.py")
    assert [path.name for path in sources if old.search(path.read_text(encoding="utf-8"))] == []


def test_no_module_puts_a_name_into_a_command_without_quoting_it():
    old = re.compile(r"darkroom (check|explore) \{(?!shlex)")
    assert old.search('f"darkroom check {path}"')  # the control
    sources = Path(darkroom.__file__).parent.rglob("*.py")
    assert [path.name for path in sources if old.search(path.read_text(encoding="utf-8"))] == []


def test_a_dataset_is_opened_again_by_its_source_or_else_by_its_name(tmp_path, workspace):
    root = draw_folder(tmp_path / "my photos", per_class=6)
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    rows = [f"{name},{name.split('/')[0]}" for name in names]
    (root / "table.csv").write_text("\n".join(["where,what", *rows, ""]))
    whole = open_dataset(root)
    named = open_dataset(root / "table.csv", columns=Columns(image="where", label="what"))
    assert what_opens(whole) == str(root)
    for dataset in (named, split_dataset(whole)):
        assert what_opens(dataset) == dataset.name
        with pytest.raises(DataError) as refused:
            dataset.part("nowhere")
        assert shlex.split(refused.value.hint) == ["darkroom", "check", dataset.name]
