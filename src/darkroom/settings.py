"""Settings as they are typed: `dotted.name=value` over the fields of a record."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import TypeVar, cast

import msgspec

from darkroom.errors import RecipeError, nearest
from darkroom.fields import example_of, parts_of_type, record_in, takes
from darkroom.records import Document, explained, path_in, refuse_unwritable

R = TypeVar("R", bound=msgspec.Struct)

_MISSING = re.compile(r"missing required field `([^`]*)`")


def with_overrides(record: R, settings: Iterable[str], *, table: str = "") -> R:
    """Replace fields by `dotted.name=value`, typed by the record's own fields.

    Args:
        record: The record to start from; it is not changed.
        settings: For example `["epochs=3", "optimizer.peak_lr=2e-3"]`. `none` clears a field,
            unless it is one of the field's words: in a `Literal`, or among its `Meta.examples`.
        table: What the user types before each name, with its dot, for the errors.

    Raises:
        RecipeError: A name is unknown (the nearest is named) or a value does not fit its field.
    """
    settings = tuple(settings)
    document = cast(Document, msgspec.to_builtins(record))
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise RecipeError(
                f"--set {table}{setting}: expected name=value", hint=f"--set {table}{setting}=VALUE"
            )
        steps = name.strip().split(".")
        target, owner = _holder(document, type(record), steps, table)
        if value.strip().lower() == "none":
            target[steps[-1]] = "none" if _knows_none(owner, steps[-1]) else None
        else:
            target[steps[-1]] = _parsed(value.strip())
    refuse_unwritable(document, "--set", RecipeError)
    try:
        made = msgspec.convert(document, type(record), strict=False)
    except msgspec.ValidationError as wrong:
        raise _refused(wrong, type(record), settings, table) from wrong
    refuse_unwritable(msgspec.to_builtins(made), "--set", RecipeError)  # "nan" was text until now
    return made


def refuse_types(record: msgspec.Struct, *, table: str = "") -> None:
    """Refuse a value of another kind than its field; Python lets it through.

    Args:
        record: Just made, before its values are looked at.
        table: What the user types before each name, with its dot.

    Raises:
        RecipeError: The first such field, with what it takes.
    """
    for field in msgspec.structs.fields(record):
        value, kind, name = getattr(record, field.name), type(record), field.name
        if not _is_of_kind(value, field.type):
            raise RecipeError(
                f"{table}{name} = {value!r} of type {type(value).__name__}: it takes "
                f"{takes(kind, name)}",
                hint=f"--set {table}{example_of(kind, name, instead_of=str(value))}",
            )


def _is_of_kind(value: object, kind: object) -> bool:
    plain = float(value) if isinstance(value, float) else value  # a number of NumPy's is one
    try:
        made = msgspec.convert(plain, cast(type[object], kind))
    except msgspec.ValidationError:
        return False
    return made is plain or not isinstance(made, msgspec.Struct)  # a dict is no record


def _refused(
    wrong: msgspec.ValidationError, kind: type[msgspec.Struct], settings: Sequence[str], table: str
) -> RecipeError:
    """Say what a setting takes, and which one was typed."""
    path, missing = path_in(wrong), _MISSING.search(str(wrong))
    if missing is not None:
        needed = f"{path}.{missing[1]}"
        return RecipeError(
            f"--set {table}{_meant(settings, path)}: {table}{needed} has to be set too, and takes "
            f"{takes(kind, needed)}",
            hint=f"--set {table}{example_of(kind, needed)}",
        )
    if not (words := takes(kind, path)):
        return cast(RecipeError, explained(wrong, kind, "--set", RecipeError))
    typed = _meant(settings, path)
    name, _, value = typed.partition("=")
    is_whole = "[" not in path and path == name.strip()
    example = example_of(kind, path, instead_of=value) if is_whole else f"{name}=VALUE"
    at = "" if is_whole else f" at `{table}{path}`"
    return RecipeError(
        f"--set {table}{typed}: it takes {words}{at}", hint=f"--set {table}{example}"
    )


def _meant(settings: Sequence[str], path: str) -> str:
    """Give the setting that a path of an error is about, as it was typed."""
    plain = path.split("[")[0]

    def is_about(setting: str) -> bool:
        name = setting.partition("=")[0].strip()
        return name == plain or name.startswith(f"{plain}.") or plain.startswith(f"{name}.")

    return next((one for one in reversed(settings) if is_about(one)), path)


def _holder(
    document: Document, kind: type[msgspec.Struct], steps: list[str], table: str
) -> tuple[Document, type[msgspec.Struct] | None]:
    """Walk a dotted name down to the table that holds its last step, and name its record."""
    target: object = document
    owner: type[msgspec.Struct] | None = kind  # None inside a dict, whose keys are free
    holds = owner
    for depth, step in enumerate(steps):
        if not isinstance(target, dict):
            whole = table + ".".join(steps[:depth])
            raise RecipeError(f"--set: `{whole}` has no fields", hint=f"--set {whole}=VALUE")
        names = [field.name for field in msgspec.structs.fields(owner)] if owner else [step]
        if step not in names:
            guess = _deeper(kind, steps) or nearest(step, names)
            if guess.startswith("`"):
                near = [*steps[:depth], guess.strip("`"), *steps[depth + 1 :]]
                guess = f"`{table}{'.'.join(near)}`"
            raise RecipeError(
                f"--set: {kind.__name__} has no field `{table}{'.'.join(steps)}`",
                hint=f"did you mean {guess}?",
            )
        holder, holds, owner = target, owner, record_in(owner, step) if owner else None
        if owner is not None and depth < len(steps) - 1 and holder.get(step) is None:
            holder[step] = {}  # an optional record that is not there yet
        target = holder.get(step)
    return cast(Document, holder), holds


def _deeper(kind: type[msgspec.Struct], steps: list[str]) -> str:
    """Give the name in full where only its last step was typed; empty where there is none."""
    if len(steps) > 1:
        return ""
    for field in msgspec.structs.fields(kind):
        inner = record_in(kind, field.name)
        if inner is not None and steps[0] in inner.__struct_fields__:
            return f"`{field.name}.{steps[0]}`"
    return ""


def _knows_none(owner: type[msgspec.Struct] | None, name: str) -> bool:
    """Tell whether `none` is a word that a field takes."""
    return owner is not None and any(
        "none" in (part.examples or ()) if isinstance(part, msgspec.Meta) else part == "none"
        for part in parts_of_type(owner, name)
    )


def _parsed(value: str) -> object:
    if value[:1] in "[{":
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
