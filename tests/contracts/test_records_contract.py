"""What every record of the package keeps to; a new record is found by itself."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, get_args

import msgspec
import pytest

import darkroom

_OTHER_PROCESS = "darkroom.bundles.export.child"


def module_names() -> Iterator[str]:
    """Name every module that may define a record; the others are not imported for this."""
    for found in pkgutil.walk_packages(darkroom.__path__, "darkroom."):
        spec = found.module_finder.find_spec(found.name, None)
        if found.name != _OTHER_PROCESS and "Struct" in Path(str(spec.origin)).read_text():
            yield found.name


def records() -> list[type[msgspec.Struct]]:
    """List every record that the package defines."""
    return [
        member
        for name in module_names()
        for member in vars(importlib.import_module(name)).values()
        if isinstance(member, type)
        and issubclass(member, msgspec.Struct)
        and member.__module__ == name
    ]


RECORDS = records()
PERSISTED = [kind for kind in RECORDS if hasattr(kind, "SCHEMA")]


def is_steady(kind: type[msgspec.Struct]) -> bool:
    """Tell whether values cannot change and fields are always named."""
    return kind.__struct_config__.frozen and not kind.__match_args__  # those without a name


def parts_of(kind: type[msgspec.Struct]) -> set[type[msgspec.Struct]]:
    """Collect the records that lie inside a record, at any depth."""
    inside: set[type[msgspec.Struct]] = set()
    waiting = [field.type for field in msgspec.structs.fields(kind)]
    while waiting:
        candidate = waiting.pop()
        waiting.extend(get_args(candidate))
        if isinstance(candidate, type) and issubclass(candidate, msgspec.Struct):
            if candidate not in inside:
                waiting.extend(field.type for field in msgspec.structs.fields(candidate))
            inside.add(candidate)
    return inside


def forbids_unknown(kind: type[msgspec.Struct]) -> bool:
    """Tell whether a record and all that lies inside it refuse unknown fields."""
    return all(each.__struct_config__.forbid_unknown_fields for each in (kind, *parts_of(kind)))


def has_every_upgrade(kind: type[msgspec.Struct]) -> bool:
    """Tell whether every version below the current one has its one way up."""
    upgrades = getattr(kind, "UPGRADES", {})
    complete = list(range(1, kind.SCHEMA)) == sorted(upgrades)  # type: ignore[attr-defined]
    return complete and all(callable(upgrade) for upgrade in upgrades.values())


def survives_toml(kind: type[msgspec.Struct]) -> bool:
    """Tell whether a None, which TOML leaves out, comes back as None, and `schema` is free."""
    fields = msgspec.structs.fields(kind)
    optional = [field for field in fields if type(None) in get_args(field.type)]
    is_free = all(field.name != "schema" for field in fields)
    return is_free and all(field.default is None for field in optional)


def test_the_records_we_know_are_among_those_found():
    found = {kind.__name__ for kind in RECORDS}
    assert found >= {"Manifest", "Event", "Problem", "Recipe", "RunRecord", "BundleRecord"}


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_a_record_is_frozen_and_its_fields_are_named(kind):
    assert is_steady(kind)


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_a_record_says_what_it_is(kind):
    assert (kind.__doc__ or "").strip()


@pytest.mark.parametrize("kind", PERSISTED, ids=lambda kind: kind.__name__)
def test_a_persisted_record_forbids_unknown_fields_all_the_way_down(kind):
    assert forbids_unknown(kind)


@pytest.mark.parametrize("kind", PERSISTED, ids=lambda kind: kind.__name__)
def test_a_schema_version_is_a_whole_number_from_1(kind):
    assert type(kind.SCHEMA) is int
    assert kind.SCHEMA >= 1


@pytest.mark.parametrize("kind", PERSISTED, ids=lambda kind: kind.__name__)
def test_every_older_version_has_exactly_one_upgrade(kind):
    assert has_every_upgrade(kind)


@pytest.mark.parametrize("kind", PERSISTED, ids=lambda kind: kind.__name__)
def test_a_persisted_record_survives_what_toml_leaves_out(kind):
    assert survives_toml(kind)


class Open(msgspec.Struct):
    """Everything a record must not be."""

    SCHEMA: ClassVar[int] = 3
    UPGRADES: ClassVar = {2: dict}

    name: str | None = "a"


class Around(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Strict outside, open inside."""

    inside: tuple[Open, ...] = ()


@pytest.mark.parametrize(
    ("guard", "broken"),
    [
        (is_steady, Open),
        (forbids_unknown, Around),
        (has_every_upgrade, Open),
        (survives_toml, Open),
    ],
)
def test_a_broken_record_would_be_found(guard, broken):
    assert not guard(broken)
