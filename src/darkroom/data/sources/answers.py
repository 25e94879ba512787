"""What the rows of a table say of their images: parts, classes, groups and numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from darkroom.data.layout import PART_NAMES
from darkroom.data.sources import Columns, Part, Place
from darkroom.data.sources.tables import Table
from darkroom.data.sources.values import is_null, name_of, number_of
from darkroom.data.wording import check_command
from darkroom.decision import Task
from darkroom.errors import DataError, nearest

_HANDFUL = 10  # with so few rows every image may well be of a class of its own
_BETWEEN = "|"
_SHOWN = 80  # characters of a label that is none
_LARGEST = 3.4e38  # just below what float32 can hold


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What the rows of a table say, one answer per row."""

    rows: tuple[Place | str, ...]  # a place, or why the row is not used
    task: Task
    answer: str | None  # the column of labels or targets
    names: tuple[str, ...]  # every column


def read_answers(table: Table, columns: Columns) -> Answers:
    """Read what each row says of its image.

    A row without a label, or without a target, belongs to the part `unlabelled`. A list of
    labels, or several with `|` between them, makes the task multi-label.

    Args:
        table: Any table.
        columns: From `find_columns`.

    Raises:
        DataError: A part has no usual name, a whole number stands for no class, or no target is
            a number.
    """
    parts = _parts(table, columns.part)
    groups = [name_of(value) for value in _column(table, columns.group)]
    if columns.target:
        places = [
            _with_target(value, part, group)
            for value, part, group in zip(table.load(columns.target), parts, groups, strict=True)
        ]
        _refuse_no_number(table, columns.target, places)
        return Answers(
            rows=tuple(places), task="regression", answer=columns.target, names=table.names
        )
    values = _column(table, columns.label)
    known = _meanings(table.class_names.get(columns.label or "", ()))
    labels = [_labels(value, known, table.where) for value in values]
    is_multi = any(
        isinstance(value, list) or (names is not None and len(names) > 1)
        for value, names in zip(values, labels, strict=True)
    )
    without: Part | None = "unlabelled" if columns.label else None  # no column: the reader knows
    rows = tuple(
        Place(part=part if names is not None else without or part, labels=names, group=group)
        for names, part, group in zip(labels, parts, groups, strict=True)
    )
    task: Task = "multi-label" if is_multi else "single-label"
    return Answers(rows=rows, task=task, answer=columns.label, names=table.names)


def join_answers(tables: Sequence[Answers], *, where: str) -> Answers:
    """Join what several tables of one source say, row after row.

    Args:
        tables: One or more.
        where: The source, for messages.

    Raises:
        DataError: No table has a column of labels or targets, some have classes and some numbers,
            or every image is of a class of its own.
    """
    said = [table for table in tables if table.answer]
    if not said:
        raise DataError(
            f"no column of {where} has a usual name for the labels; they are "
            f"{', '.join(tables[0].names)}",
            hint=check_command(where, "--label", "COLUMN"),
        )
    tasks = {table.task for table in said}
    if len(tasks) > 1 and "regression" in tasks:
        raise DataError(
            f"the tables of {where} do not agree whether an image has classes or a number",
            hint=f"name one column that all have: {check_command(where, '--label', 'COLUMN')}",
        )
    task: Task = "multi-label" if "multi-label" in tasks else said[0].task
    if task == "single-label":
        _refuse_all_unique(said, where)
    rows = [
        said_or(row, part=None if table.answer else "unlabelled")
        for table in tables
        for row in table.rows
    ]
    return Answers(rows=tuple(rows), task=task, answer=said[0].answer, names=said[0].names)


def said_or(said: Place | str, *, part: Part | None) -> Place | str:
    """Fill in the part of an image where its row says none."""
    if isinstance(said, str) or said.part is not None or part is None:
        return said
    return msgspec.structs.replace(said, part=part)


def _column(table: Table, name: str | None) -> list[Any]:
    return table.load(name) if name else [None] * table.rows


def _parts(table: Table, column: str | None) -> list[Part | None]:
    parts: list[Part | None] = []
    for row, value in enumerate(_column(table, column), start=1):
        name = name_of(value)
        if name is not None and name.lower() not in PART_NAMES:
            raise DataError(
                f"`{name}` in row {row:,} of {table.where} is no part",
                hint=f"write {nearest(name, PART_NAMES)}, or name another column with --part",
            )
        parts.append(PART_NAMES[name.lower()] if name else None)
    return parts


def _with_target(value: Any, part: Part | None, group: str | None) -> Place | str:
    if is_null(value):
        return Place(part="unlabelled", group=group)
    number = number_of(value)
    if number is None:
        return "its target is not a number"
    if not math.isfinite(number):
        return "its target is not finite"
    if abs(number) > _LARGEST:
        return "its target is too large for float32, in which networks compute"
    return Place(part=part, target=number, group=group)


def _refuse_no_number(table: Table, column: str, places: Sequence[Place | str]) -> None:
    if any(isinstance(place, Place) and place.target is not None for place in places):
        return
    first = next((value for value in table.load(column) if not is_null(value)), None)
    if first is not None:  # a shard may hold nothing but images without an answer
        raise DataError(
            f"the column `{column}` of {table.where} holds no number; it begins with {first!r}",
            hint=check_command(table.where, "--label", column),
        )


def _meanings(names: Sequence[str]) -> dict[str, str]:
    """Say which class a number or a name means; a number that is a name too is a number."""
    return {name: name for name in names} | {str(row): name for row, name in enumerate(names)}


def _labels(value: Any, known: Mapping[str, str], where: str) -> tuple[str, ...] | None:
    """Give the names of an image's classes; None when nothing is said."""
    if isinstance(value, list):
        values = value
    elif isinstance(value, str) and _BETWEEN in value:
        values = value.split(_BETWEEN)
    else:
        values = [value]
        name = name_of(value)
        if name is None or (known and name == "-1"):  # so the hidden answers of a test are marked
            return None
    odd = next((value for value in values if isinstance(value, (dict, list, bytes))), None)
    if odd is not None:
        raise DataError(
            f"{where} has the label {str(odd)[:_SHOWN]}, and text or a whole number is needed",
            hint=f"name the column of classes: {check_command(where, '--label', 'COLUMN')}",
        )
    names = dict.fromkeys(name for value in values if (name := name_of(value)) is not None)
    unknown = next((name for name in names if known and name not in known), None)
    if unknown is not None:
        raise DataError(
            f"{where} has the label {unknown}, which is none of the classes that are named there",
            hint="mend the label, or the list of class names",
        )
    return tuple(dict.fromkeys(known.get(name, name) for name in names))


def _refuse_all_unique(tables: Sequence[Answers], where: str) -> None:
    rows = [row for table in tables for row in table.rows if isinstance(row, Place) and row.labels]
    names = {row.labels[0] for row in rows if row.labels}
    if len(names) <= _HANDFUL or len(rows) > len(names):
        return
    column = tables[0].answer or ""
    is_number = all(number_of(name) is not None for name in names)
    raise DataError(
        f"every one of {len(rows):,} images in {where} has a class of its own in the column "
        f"`{column}`",
        hint=f"{check_command(where, '--target', column)}   (it holds numbers)"
        if is_number
        else f"name the column of classes: {check_command(where, '--label', 'COLUMN')}",
    )
