"""Frozen records and their text: JSON and TOML in both directions, versions, hashes, overrides.

A record is a frozen msgspec Struct. One that lies on a disk by itself carries two class variables:
`SCHEMA`, its version, and `UPGRADES`, which maps an old version to the function that lifts a
document of that version to the next. What comes in is text; what goes out is a checked record.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, NoReturn, TypeVar, cast, get_args, get_origin

import msgspec
import tomli_w

from darkroom.errors import ArtifactError, DarkroomError, RecipeError, nearest

R = TypeVar("R", bound=msgspec.Struct)
Document = dict[str, Any]
Upgrade = Callable[[Document], Document]

_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")


def to_json(record: msgspec.Struct) -> bytes:
    """Write a record as indented JSON with sorted keys and its schema version.

    Raises:
        ArtifactError: A number is NaN or infinite, which JSON cannot say.
    """
    return msgspec.json.format(_compact(record), indent=2) + b"\n"


def to_line(record: msgspec.Struct) -> bytes:
    """Write a record as `to_json` does, but compact, on one line that ends it.

    Raises:
        ArtifactError: As `to_json`.
    """
    return _compact(record) + b"\n"


def from_json(
    text: bytes | str,
    kind: type[R],
    *,
    where: str,
    error: type[DarkroomError] = ArtifactError,
) -> R:
    """Read a record from JSON, lifting an old schema and refusing what is not exactly right.

    Args:
        text: A JSON object.
        kind: The record to make.
        where: The file or argument the text came from, for the error.
        error: What to raise; settings typed by a user are a RecipeError.

    Raises:
        DarkroomError: The text is no JSON object, has a key twice, a NaN, an unknown field,
            a value of the wrong type, or comes from a newer darkroom.
    """

    def once(pairs: list[tuple[str, Any]]) -> Document:
        document = dict(pairs)
        if len(document) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise error(f"{where}: the key `{twice}` stands twice", hint=f"keep one in {where}")
        return document

    def no_nan(token: str) -> NoReturn:
        raise error(f"{where}: {token} is not a number", hint=f"write a finite number in {where}")

    try:
        document = json.loads(text, object_pairs_hook=once, parse_constant=no_nan)
    except (ValueError, RecursionError) as broken:  # also bytes that are no text, a huge number
        raise error(
            f"{where} is not valid JSON: {broken}", hint=f"restore {where} from a copy"
        ) from broken
    return from_document(document, kind, where=where, error=error)


def to_toml(record: msgspec.Struct) -> str:
    """Write a record as TOML with its schema version; fields that are None are left out."""
    return tomli_w.dumps(_without_none(_document(record)))


def from_toml(
    text: bytes | str, kind: type[R], *, where: str, error: type[DarkroomError] = RecipeError
) -> R:
    """Read a record from TOML, which is always UTF-8; refuses what `from_json` refuses.

    Raises:
        DarkroomError: As `from_json`.
    """
    try:
        document = tomllib.loads(text if isinstance(text, str) else text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as broken:
        raise error(f"{where} is not valid TOML: {broken}", hint=f"mend {where}") from broken
    return from_document(document, kind, where=where, error=error)


def from_document(
    document: object,
    kind: type[R],
    *,
    where: str,
    error: type[DarkroomError] = ArtifactError,
    strict: bool = True,
) -> R:
    """Make a record of plain dicts and lists; refuses what `from_json` refuses.

    Args:
        document: Plain values, with or without a `schema` key.
        kind: The record to make.
        where: Where the values came from, for the error.
        error: What to raise.
        strict: False also takes numbers and truth values written as text.

    Raises:
        DarkroomError: As `from_json`.
    """
    if not isinstance(document, dict):
        raise error(
            f"{where} holds a {type(document).__name__}, not a table of fields",
            hint=f"restore {where} from a copy",
        )
    _refuse_unwritable(document, where, error)
    document = _upgraded(dict(document), kind, where)
    try:
        record = msgspec.convert(document, kind, strict=strict)
    except msgspec.ValidationError as wrong:
        raise _explained(wrong, kind, where, error) from wrong
    if not strict:
        _refuse_unwritable(msgspec.to_builtins(record), where, error)  # "nan" was text until now
    return record


def content_hash(record: msgspec.Struct) -> str:
    """Name a record by what it says: sha256 of its JSON with sorted keys, 64 hex digits."""
    return hashlib.sha256(_compact(record)).hexdigest()


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
    return from_document(document, type(record), where="--set", error=RecipeError, strict=False)


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
            guess = nearest(step, names)
            if guess.startswith("`"):
                near = [*steps[:depth], guess.strip("`"), *steps[depth + 1 :]]
                guess = f"`{table}{'.'.join(near)}`"
            raise RecipeError(
                f"--set: {kind.__name__} has no field `{table}{'.'.join(steps)}`",
                hint=f"did you mean {guess}?",
            )
        holder, holds, owner = target, owner, _field_record(owner, step) if owner else None
        if owner is not None and depth < len(steps) - 1 and holder.get(step) is None:
            holder[step] = {}  # an optional record that is not there yet
        target = holder.get(step)
    return cast(Document, holder), holds


def _knows_none(owner: type[msgspec.Struct] | None, name: str) -> bool:
    """Tell whether `none` is a word that a field takes."""
    return owner is not None and any(
        "none" in (part.examples or ()) if isinstance(part, msgspec.Meta) else part == "none"
        for part in _parts_of_type(owner, name)
    )


def _parsed(value: str) -> object:
    if value[:1] in "[{":
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _compact(record: msgspec.Struct) -> bytes:
    return msgspec.json.encode(_document(record), order="deterministic")


def _document(record: msgspec.Struct) -> Document:
    document = cast(Document, msgspec.to_builtins(record))
    _refuse_unwritable(document, type(record).__name__, ArtifactError)
    schema = getattr(type(record), "SCHEMA", None)
    return document if schema is None else {"schema": schema, **document}


def _without_none(value: object) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_without_none(inner) for inner in value]
    return value


def _refuse_unwritable(value: object, where: str, error: type[DarkroomError]) -> None:
    """Refuse what JSON in UTF-8 cannot say: NaN, infinity, half of a surrogate pair."""
    if isinstance(value, float) and not math.isfinite(value):
        raise error(f"{where}: {value} is not a finite number", hint=f"write a number in {where}")
    if isinstance(value, str) and not value.isascii() and _SURROGATE.search(value):
        raise error(f"{where}: {value!a} is not valid text", hint=f"rename it in {where}")
    if isinstance(value, dict | list | tuple):
        inner = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        for item in cast(Iterable[object], inner):
            _refuse_unwritable(item, where, error)


def _upgraded(document: Document, kind: type[msgspec.Struct], where: str) -> Document:
    current: int | None = getattr(kind, "SCHEMA", None)
    if current is None:
        return document
    upgrades: Mapping[int, Upgrade] = getattr(kind, "UPGRADES", {})
    schema = document.pop("schema", current)
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise ArtifactError(
            f"{where}: schema {schema!r} is not a version number", hint=f"restore {where}"
        )
    if schema > current:
        raise ArtifactError(
            f"{where} has schema {schema}; this darkroom reads {kind.__name__} up to {current}",
            hint="pip install --upgrade darkroom-vision",
        )
    for version in range(schema, current):
        document = upgrades[version](document)
    return document


def _explained(
    wrong: msgspec.ValidationError,
    kind: type[msgspec.Struct],
    where: str,
    error: type[DarkroomError],
) -> DarkroomError:
    text = str(wrong)
    at = _PATH.search(text)
    path = at.group(1) if at else ""
    unknown = _UNKNOWN.search(text)
    if unknown is None:
        problem = _PATH.sub("", text)
        words = ", ".join(_choices(kind, path))
        return error(
            f"{where}: {problem}" + (f" at `{path}`" if path else ""),
            hint=f"one of {words}" if words else f"mend `{path or kind.__name__}` in {where}",
        )
    owner = _owner(kind, path)
    names = [field.name for field in msgspec.structs.fields(owner)]
    return error(
        f"{where}: {owner.__name__} has no field `{unknown.group(1)}`",
        hint=f"did you mean {nearest(unknown.group(1), names)}?",
    )


def _owner(kind: type[msgspec.Struct], path: str) -> type[msgspec.Struct]:
    """Find the record type that a dotted path leads to, or the last one on its way."""
    for step in filter(None, path.split(".")):
        kind = _field_record(kind, step.split("[")[0]) or kind
    return kind


def _choices(kind: type[msgspec.Struct], path: str) -> list[str]:
    """List the words that a field of few words takes."""
    before, _, name = path.rpartition(".")
    parts = _parts_of_type(_owner(kind, before), name)
    return [word for part in parts if get_origin(part) is Literal for word in get_args(part)]


def _field_record(kind: type[msgspec.Struct], name: str) -> type[msgspec.Struct] | None:
    """Find the record type inside a field, also behind `| None` or a tuple."""
    for part in _parts_of_type(kind, name):
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            return part
    return None


def _parts_of_type(kind: type[msgspec.Struct], name: str) -> Iterator[object]:
    """Give the type of a field, and all that stands within its brackets."""
    waiting = [field.type for field in msgspec.structs.fields(kind) if field.name == name]
    while waiting:
        yield (part := waiting.pop())
        waiting.extend(get_args(part))
