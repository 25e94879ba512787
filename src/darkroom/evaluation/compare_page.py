"""The page of a comparison: one self-contained HTML file that opens offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from darkroom.data.thumbnails import thumbnails
from darkroom.disk import write_file
from darkroom.errors import ArtifactError, DataError
from darkroom.evaluation.compare import pair
from darkroom.evaluation.comparison import Comparison, p_told
from darkroom.evaluation.evaluation import Evaluation
from darkroom.pages import fill_template

_SHOWN = 24  # pictures of what broke, and as many of what was mended


class _Changed(msgspec.Struct, frozen=True, kw_only=True):
    """One image that was answered differently."""

    name: str
    labels: str  # what it is
    before: str  # what it was taken for
    after: str
    picture: str  # a data URI; empty when it cannot be shown


def write_comparison(
    path: Path, before: Evaluation, after: Evaluation, comparison: Comparison
) -> None:
    """Write the page of a comparison.

    Where the images are gone or changed, the page says so and names them without their pictures.

    Args:
        path: Where to write it.
        before: The evaluation that is held against.
        after: The other one, whose images are shown.
        comparison: Of the two.

    Raises:
        ArtifactError: The disk is full.
    """
    shown = [names[:_SHOWN] for names in (comparison.newly_broken, comparison.newly_mended)]
    pictures: dict[str, str] = {}
    missing = ""
    try:
        if any(shown):
            pictures = thumbnails(after.run.dataset, (*shown[0], *shown[1]))
    except (DataError, ArtifactError) as gone:
        missing = gone.problem
    answers = pair(before, after)
    page = fill_template(
        "compare.html.j2",
        comparison=comparison,
        records=(before.record, after.record),
        broken=_changed(shown[0], answers, pictures),
        mended=_changed(shown[1], answers, pictures),
        missing=missing,
        reach=_reach(comparison),
        p_told=p_told,
    )
    write_file(path, page.encode())


def _changed(
    names: Sequence[str], answers: pl.DataFrame, pictures: Mapping[str, str]
) -> list[_Changed]:
    rows = {row["image"]: row for row in answers.filter(pl.col("image").is_in(names)).to_dicts()}
    return [
        _Changed(
            name=name,
            labels=", ".join(rows[name]["labels"]) or "nothing",
            before=_answer(rows[name], ""),
            after=_answer(rows[name], "_after"),
            picture=pictures.get(name, ""),
        )
        for name in names
    ]


def _answer(row: Mapping[str, Any], which: str) -> str:
    if row.get(f"abstained{which}"):
        return "no answer"
    return ", ".join(row[f"predicted{which}"]) or "nothing"


def _reach(comparison: Comparison) -> float:
    """Give the largest end of any interval of the table, which becomes the width of its scale."""
    drawn = [comparison.difference, *(each.difference for each in comparison.classes)]
    return max((abs(end) for each in drawn for end in (each.low, each.high) if end), default=1.0)
