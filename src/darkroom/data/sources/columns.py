"""Which column of a table says what: those the user named, else those with a usual name."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

import msgspec

from darkroom.data.sources import Columns
from darkroom.data.sources.tables import Table
from darkroom.data.sources.values import is_null, number_of
from darkroom.data.wording import check_command
from darkroom.errors import DataError, nearest

_USUAL = {
    "image": (
        *("image", "images", "imagepath", "imagefile", "imagename", "imagefilename", "img"),
        *("imgpath", "imgname", "file", "filename", "filepath", "path"),
    ),
    "label": (
        *("label", "labels", "class", "classes", "classname", "category", "categories", "tag"),
        "tags",
    ),
    "group": ("group", "groups", "groupid", "patient", "patientid", "subject", "subjectid"),
    "part": ("part", "split", "subset"),
    "target": ("target", "value", "score"),
}  # lower case, without spaces, `_` and `-`


def find_columns(table: Table, asked: Columns, *, image: str | None = None) -> Columns:
    """Find which column says what: those the user named, else those with a usual name.

    Args:
        table: Any table.
        asked: What the user named.
        image: The column of images, where the kind of table says it.

    Returns:
        The columns; `label` and `target` are never both there. What is not found is None.

    Raises:
        DataError: A named column is not there, or several have a usual name for the same thing.
    """
    _refuse_unknown(table, asked)
    if asked.label and asked.target:
        raise DataError(
            f"an image has classes or a number: both --label {asked.label} and "
            f"--target {asked.target} are named for {table.where}",
            hint="leave --label or --target out: "
            + check_command(table.where, "--label", asked.label),
        )
    named = {name for name in msgspec.structs.astuple(asked) if name}
    free = [name for name in table.names if name not in named | {image}]

    def one(role: str) -> str | None:
        return getattr(asked, role) or _usual(free, role, table.where)

    label, target = asked.label, asked.target
    if not label and not target:
        label = _usual(free, "label", table.where)
        label, target = (label, None) if label else _found_target(table, free)
    return Columns(
        image=image or one("image"),
        label=label,
        group=one("group"),
        part=one("part"),
        target=target,
    )


def named_image(table: Table, columns: Columns) -> str:
    """Give the column that names the images.

    Raises:
        DataError: None was found.
    """
    if columns.image is None:
        raise DataError(
            f"no column of {table.where} has a usual name for the paths of images; they are "
            f"{', '.join(table.names)}",
            hint=check_command(table.where, "--image", "COLUMN"),
        )
    return columns.image


def _refuse_unknown(table: Table, asked: Columns) -> None:
    for role, name in msgspec.structs.asdict(asked).items():
        if name and name not in table.names:
            raise DataError(
                f"{table.where} has no column `{name}` for {role}; its columns are "
                f"{', '.join(table.names)}",
                hint=f"did you mean {nearest(name, table.names)}? "
                + check_command(table.where, f"--{role}", "COLUMN"),
            )


def _squeezed(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")


def _usual(names: Iterable[str], role: str, where: str) -> str | None:
    """Give the one column with a usual name for a role, or None."""
    found = [name for name in names if _squeezed(name) in _USUAL[role]]
    if len(found) > 1:
        raise DataError(
            f"several columns of {where} may say the {role}: {', '.join(found)}",
            hint=f"name the one you mean: {check_command(where, f'--{role}', found[0])}",
        )
    return found[0] if found else None


def _found_target(table: Table, free: Sequence[str]) -> tuple[str | None, str | None]:
    """Give the column of labels and that of targets where no column is called a label."""
    name = _usual(free, "target", table.where)
    if name is None:
        return None, None
    values = [value for value in table.load(name) if not is_null(value)]
    numbers = [number_of(value) for value in values]
    if None in numbers:
        # `value` and `score` are words for numbers; only `target` is used for classes too.
        return (name, None) if _squeezed(name) == "target" else (None, None)
    is_whole = all(number is not None and number.is_integer() for number in numbers)
    if is_whole and _squeezed(name) == "target":
        raise DataError(
            f"the column `{name}` of {table.where} holds whole numbers, which may be classes or "
            "a number to predict",
            hint=check_command(table.where, "--label", name)
            + f"   (or: --target {shlex.quote(name)})",
        )
    return None, name
