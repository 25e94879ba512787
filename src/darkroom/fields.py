"""What the fields of a record take, in the words of a person: kinds, choices, an example.

A field is named by its record and a dotted path below it, as msgspec writes it in its errors:
`optimizer.name`, `bag[0]`, `prices[]` of a key.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from darkroom.errors import nearest

_BRACKET = re.compile(r"\[[^\]]*\]")
_KINDS: dict[Any, tuple[str, str]] = {  # in words, and an example
    int: ("a whole number", "10"),
    float: ("a number", "0.1"),
    str: ("text", "TEXT"),
    bool: ("true or false", "true"),
    types.NoneType: ("none", "none"),
}


def owner_of(kind: type[msgspec.Struct], path: str) -> type[msgspec.Struct]:
    """Find the record type that a dotted path leads to, or the last one on its way."""
    for step in filter(None, path.split(".")):
        kind = record_in(kind, step.split("[")[0]) or kind
    return kind


def record_in(kind: type[msgspec.Struct], name: str) -> type[msgspec.Struct] | None:
    """Find the record type inside a field, also behind `| None` or a tuple."""
    for part in parts_of_type(kind, name):
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            return part
    return None


def parts_of_type(kind: type[msgspec.Struct], name: str) -> Iterator[object]:
    """Give the type of a field, and all that stands within its brackets."""
    waiting = [field.type for field in msgspec.structs.fields(kind) if field.name == name]
    while waiting:
        yield (part := waiting.pop())
        waiting.extend(get_args(part))


def takes(kind: type[msgspec.Struct], path: str) -> str:
    """Say what a field takes: `a whole number or none`; empty when there is no such field."""
    found = _type_at(kind, path)
    return " or ".join(_words(found)) if found is not None else ""


def example_of(kind: type[msgspec.Struct], path: str, *, instead_of: str = "") -> str:
    """Give something to type for a field: `epochs=10`.

    Args:
        kind: The record.
        path: Of the field.
        instead_of: What was typed; among a few words the nearest is taken.
    """
    found = _type_at(kind, path)
    if any(get_origin(one) is dict for one in _one_by_one(found)):
        return f"{path}.NAME={_example(_type_at(kind, f'{path}[]'), instead_of)}"
    inner = next((one for one in _one_by_one(found) if _is_record(one)), None)
    if inner is None:
        return f"{path}={_example(found, instead_of)}"
    names = [field.name for field in msgspec.structs.fields(inner)]
    # `optimizer=sgd` is meant as `optimizer.name=sgd`.
    name = next((n for n in names if instead_of in _choices(_type_at(inner, n))), names[0])
    return example_of(kind, f"{path}.{name}", instead_of=instead_of)


def _type_at(kind: type[msgspec.Struct], path: str) -> Any:
    before, _, last = path.rpartition(".")
    name = last.split("[")[0]
    fields = msgspec.structs.fields(owner_of(kind, before))
    found: Any = next((field.type for field in fields if field.name == name), None)
    for _ in _BRACKET.findall(last):
        within = next((one for one in _one_by_one(found) if get_args(one)), None)
        arguments = [one for one in get_args(within) if one is not ...]
        found = arguments[-1] if arguments else None
    return found


def _one_by_one(kind: Any) -> Iterator[Any]:
    """Give each kind that stands between the bars of a union."""
    if get_origin(kind) is Annotated:
        yield from _one_by_one(get_args(kind)[0])
    elif get_origin(kind) in (Union, types.UnionType):
        for one in get_args(kind):
            yield from _one_by_one(one)
    elif kind is not None:
        yield kind


def _words(kind: Any) -> Iterator[str]:
    for one in _one_by_one(kind):
        if one in _KINDS:
            yield _KINDS[one][0]
        elif get_origin(one) is Literal:
            yield f"one of {', '.join(map(str, get_args(one)))}"
        elif _is_record(one):
            names = (field.name for field in msgspec.structs.fields(one))
            yield f"settings of its own ({', '.join(names)})"
        elif get_origin(one) is dict:
            yield "values by name"
        else:
            yield "a list"


def _example(kind: Any, instead_of: str) -> str:
    if words := _choices(kind):
        close = nearest(instead_of, words)
        return close.strip("`") if close.startswith("`") else words[0]
    if get_origin(kind) is Annotated:
        for note in get_args(kind)[1:]:
            if isinstance(note, msgspec.Meta) and note.examples:
                return str(note.examples[0])
    return next((_KINDS[one][1] for one in _one_by_one(kind) if one in _KINDS), "VALUE")


def _choices(kind: Any) -> list[str]:
    kinds = (one for one in _one_by_one(kind) if get_origin(one) is Literal)
    return [str(word) for one in kinds for word in get_args(one)]


def _is_record(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
