"""Words about numbers: one way for each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import darkroom
from darkroom.wording import percent


@pytest.mark.parametrize(
    ("share", "words"), [(0.9834, "98.3 %"), (0.0, "0.0 %"), (1.0, "100.0 %"), (0.00049, "0.0 %")]
)
def test_a_share_is_read_as_a_percentage(share, words):
    assert percent(share) == words


def test_no_module_writes_a_percentage_in_another_way():
    old = re.compile(r":\.\d%\}")
    assert old.search("{share:.1%}")  # the control
    sources = Path(darkroom.__file__).parent.rglob("*.py")
    assert [path.name for path in sources if old.search(path.read_text(encoding="utf-8"))] == []
