"""Frozen records and their text: JSON and TOML in both directions, versions, hashes.

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
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar, cast

import msgspec
import tomli_w

from darkroom.errors import ArtifactError, DarkroomError, RecipeError, nearest
from darkroom.fields import owner_of, takes

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
) -> R:
    """Make a record of plain dicts and lists; refuses what `from_json` refuses.

    Args:
        document: Plain values, with or without a `schema` key.
        kind: The record to make.
        where: Where the values came from, for the error.
        error: What to raise.

    Raises:
        DarkroomError: As `from_json`.
    """
    if not isinstance(document, dict):
        raise error(
            f"{where} holds a {type(document).__name__}, not a table of fields",
            hint=f"restore {where} from a copy",
        )
    refuse_unwritable(document, where, error)
    document = _upgraded(dict(document), kind, where)
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as wrong:
        raise explained(wrong, kind, where, error) from wrong


def content_hash(record: msgspec.Struct) -> str:
    """Name a record by what it says: sha256 of its JSON with sorted keys, 64 hex digits."""
    return hashlib.sha256(_compact(record)).hexdigest()


def _compact(record: msgspec.Struct) -> bytes:
    return msgspec.json.encode(_document(record), order="deterministic")


def _document(record: msgspec.Struct) -> Document:
    document = cast(Document, msgspec.to_builtins(record))
    refuse_unwritable(document, type(record).__name__, ArtifactError)
    schema = getattr(type(record), "SCHEMA", None)
    return document if schema is None else {"schema": schema, **document}


def _without_none(value: object) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_without_none(inner) for inner in value]
    return value


def refuse_unwritable(value: object, where: str, error: type[DarkroomError]) -> None:
    """Refuse what JSON in UTF-8 cannot say: NaN, infinity, half of a surrogate pair."""
    if isinstance(value, float) and not math.isfinite(value):
        raise error(f"{where}: {value} is not a finite number", hint=f"write a number in {where}")
    if isinstance(value, str) and not value.isascii() and _SURROGATE.search(value):
        raise error(f"{where}: {value!a} is not valid text", hint=f"rename it in {where}")
    if isinstance(value, dict | list | tuple):
        inner = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        for item in cast(Iterable[object], inner):
            refuse_unwritable(item, where, error)


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


def explained(
    wrong: msgspec.ValidationError,
    kind: type[msgspec.Struct],
    where: str,
    error: type[DarkroomError],
) -> DarkroomError:
    """Say in words what does not fit, and where.

    Args:
        wrong: What msgspec says.
        kind: The record that was to be made.
        where: Where the values came from.
        error: What to make.
    """
    text, path = str(wrong), path_in(wrong)
    unknown = _UNKNOWN.search(text)
    if unknown is None:
        problem, words = _PATH.sub("", text), takes(kind, path)
        return error(
            f"{where}: {problem}" + (f" at `{path}`" if path else ""),
            hint=f"`{path}` takes {words}" if words else f"mend {kind.__name__} in {where}",
        )
    owner = owner_of(kind, path)
    names = [field.name for field in msgspec.structs.fields(owner)]
    return error(
        f"{where}: {owner.__name__} has no field `{unknown.group(1)}`",
        hint=f"did you mean {nearest(unknown.group(1), names)}?",
    )


def path_in(wrong: msgspec.ValidationError) -> str:
    """Give the dotted path of the field that msgspec complains of; empty: the whole."""
    at = _PATH.search(str(wrong))
    return at.group(1).replace("[...]", "[]") if at else ""  # a key that it does not name
