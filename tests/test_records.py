"""Records and their text: round trips, what is refused, versions and hashes."""

from __future__ import annotations

import contextlib
import json
import math
from typing import ClassVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.errors import ArtifactError, DarkroomError, DataError, RecipeError
from darkroom.records import (
    content_hash,
    from_document,
    from_json,
    from_toml,
    to_json,
    to_line,
    to_toml,
)
from tests.cameras import Camera, Lens


class Tripod(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Version 1 had `size`, version 2 `height_cm`, version 3 has `height_m`."""

    SCHEMA: ClassVar[int] = 3
    UPGRADES: ClassVar = {
        1: lambda document: {"height_cm": document["size"]},
        2: lambda document: {"height_m": document["height_cm"] / 100},
    }

    height_m: float = 1.5


words = st.text(st.characters(exclude_categories=["Cs"]))
reals = st.floats(allow_nan=False, allow_infinity=False)
lenses = st.builds(Lens, aperture=reals, maker=st.none() | words)
cameras = st.builds(
    Camera,
    name=words,
    pixels=st.integers(-(2**63), 2**63 - 1),
    gain=reals,
    flash=st.none() | st.booleans(),
    tint=st.sampled_from(["none", "red"]),
    strap=st.none() | words,
    lens=lenses,
    spare=st.none() | lenses,
    bag=st.lists(lenses, max_size=3).map(tuple),
    prices=st.dictionaries(words, reals, max_size=3),
)


def read(text: bytes | str, kind=Camera, error=ArtifactError):
    return from_json(text, kind, where="camera.json", error=error)


@settings(deadline=None)
@given(cameras)
def test_a_record_survives_json(camera):
    assert read(to_json(camera)) == camera


@settings(deadline=None)
@given(cameras)
def test_a_record_survives_toml(camera):
    assert from_toml(to_toml(camera), Camera, where="camera.toml") == camera


def test_json_carries_the_schema_version_and_sorted_keys():
    document = json.loads(to_json(Camera()))
    assert document["schema"] == 1
    assert list(document) == sorted(document)


def test_a_record_without_a_version_writes_none():
    assert "schema" not in json.loads(to_json(Lens()))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("write", [to_json, to_toml, content_hash])
def test_a_number_that_is_not_finite_is_not_written(value, write):
    with pytest.raises(ArtifactError, match=r"Camera.*(nan|inf)"):
        write(Camera(bag=(Lens(aperture=value),)))


@pytest.mark.parametrize("record", [Camera(name="\udc80"), Camera(prices={"\ud800": 1.0})])
def test_text_that_utf_8_cannot_say_is_not_written(record):
    with pytest.raises(ArtifactError, match=r"Camera.*\\ud"):
        to_json(record)


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_not_read_from_json(token):
    with pytest.raises(ArtifactError, match=r"camera\.json.*(NaN|[Ii]nf)"):
        read(f'{{"gain": {token}}}')


@pytest.mark.parametrize("token", ["nan", "inf", "-inf"])
def test_a_number_that_is_not_finite_is_not_read_from_toml(token):
    with pytest.raises(RecipeError, match=r"camera\.toml.*(nan|inf)"):
        from_toml(f"[lens]\naperture = {token}", Camera, where="camera.toml")


@pytest.mark.parametrize(
    "text", ['{"pixels": 1, "pixels": 1}', '{"lens": {"maker": "a", "maker": "b"}}']
)
def test_a_key_that_stands_twice_is_refused_by_name(text):
    with pytest.raises(ArtifactError, match=r"camera\.json.*`(pixels|maker)`"):
        read(text)


def test_the_last_of_two_equal_keys_would_have_won_without_the_guard():
    assert json.loads('{"pixels": 1, "pixels": 2}') == {"pixels": 2}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe\xfa",
        b"[" * 100_000,
        b'{"pixels": ' + b"1" * 5000 + b"}",
        '{"name": "\\ud800"}',
        '"text"',
        "[1]",
        "null",
    ],
    ids=["empty", "torn", "bytes", "deep", "huge", "surrogate", "text", "list", "null"],
)
def test_what_is_no_json_object_is_refused_with_its_place(text):
    with pytest.raises(ArtifactError, match=r"camera\.json") as refused:
        read(text)
    assert refused.value.hint


@pytest.mark.parametrize(
    "text",
    ["pixels = ", b"\xff", "pixels = " + "[" * 2_000, "pixels = " + "1" * 5000, "a = 1\na = 2"],
    ids=["torn", "bytes", "deep", "huge", "twice"],
)
def test_what_is_no_toml_is_refused_with_its_place(text):
    with pytest.raises(RecipeError, match=r"camera\.toml") as refused:
        from_toml(text, Camera, where="camera.toml")
    assert refused.value.hint


def test_toml_may_begin_with_the_mark_that_some_editors_write():
    assert from_toml(b"\xef\xbb\xbfpixels = 3", Camera, where="camera.toml").pixels == 3


@pytest.mark.parametrize("error", [DataError])
def test_the_caller_chooses_the_error(error):
    with pytest.raises(error):
        read("{", error=error)


@pytest.mark.parametrize(
    ("document", "owner", "meant"),
    [
        ({"pixel": 1}, "Camera", "`pixels`"),
        ({"lens": {"apertur": 1.0}}, "Lens", "`aperture`"),
        ({"spare": {"makr": ""}}, "Lens", "`maker`"),
        ({"bag": [{}, {"apperture": 1.0}]}, "Lens", "`aperture`"),
        ({"zzz": 1}, "Camera", "one of bag, flash"),
    ],
    ids=["top", "nested", "optional", "tuple", "none near"],
)
def test_an_unknown_field_names_the_nearest_of_its_own_record(document, owner, meant):
    unknown = next(reversed(list(_keys(document))))
    with pytest.raises(ArtifactError, match=f"{owner}.*`{unknown}`") as refused:
        read(json.dumps(document))
    assert meant in refused.value.hint


def _keys(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"pixels": "12"}, "pixels"),
        ({"pixels": 1.5}, "pixels"),
        ({"flash": 1}, "flash"),
        ({"lens": 3}, "lens"),
        ({"lens": {"aperture": "wide"}}, "lens.aperture"),
        ({"bag": [{"maker": 1}]}, "bag[0].maker"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_by_its_path(document, path):
    with pytest.raises(ArtifactError, match=r"camera\.json.*Expected") as refused:
        read(json.dumps(document))
    assert f"`{path}`" in refused.value.problem
    assert f"`{path}`" in refused.value.hint


def test_a_missing_field_is_named():
    class Film(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        speed_iso: int

    with pytest.raises(ArtifactError, match="speed_iso") as refused:
        from_document({}, Film, where="film.json")
    assert "film.json" in refused.value.hint


@pytest.mark.parametrize(
    "document",
    [{"schema": 1, "size": 150}, {"schema": 2, "height_cm": 150}, {"schema": 3, "height_m": 1.5}],
)
def test_every_older_schema_opens_as_the_newest(document):
    assert read(json.dumps(document), Tripod) == Tripod(height_m=1.5)


def test_a_missing_schema_means_the_current_one():
    assert read('{"height_m": 2.0}', Tripod) == Tripod(height_m=2.0)


def test_an_old_document_that_claims_to_be_current_is_refused():
    with pytest.raises(ArtifactError, match="size"):
        read('{"schema": 3, "size": 150}', Tripod)


def test_reading_an_old_document_does_not_change_it():
    document = {"schema": 1, "size": 150}
    from_document(document, Tripod, where="tripod.json")
    assert document == {"schema": 1, "size": 150}


def test_a_newer_schema_is_refused_and_says_what_to_install():
    with pytest.raises(ArtifactError, match=r"schema 4.*Tripod up to 3") as refused:
        read('{"schema": 4}', Tripod)
    assert "pip install" in refused.value.hint


@pytest.mark.parametrize("schema", [0, -1, True, 1.0, "1", None])
def test_a_schema_that_is_no_version_number_is_refused(schema):
    with pytest.raises(ArtifactError, match=r"schema.*version number"):
        read(json.dumps({"schema": schema}), Tripod)


@settings(deadline=None)
@given(st.dictionaries(words, reals, min_size=2, max_size=5))
def test_a_hash_does_not_depend_on_the_order_of_keys(prices):
    turned = dict(reversed(list(prices.items())))
    assert content_hash(Camera(prices=prices)) == content_hash(Camera(prices=turned))


@pytest.mark.parametrize(
    "change",
    [
        {"name": "bellows"},
        {"pixels": 13},
        {"gain": 1.5},
        {"flash": True},
        {"lens": Lens(maker="a")},
        {"spare": Lens()},
        {"bag": (Lens(),)},
        {"prices": {"new": 1.0}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_hash_changes_with_every_field(change):
    assert content_hash(Camera(**change)) != content_hash(Camera())


def test_a_hash_is_64_hex_digits():
    assert len(bytes.fromhex(content_hash(Camera()))) == 32


@settings(deadline=None)
@given(st.binary(max_size=40) | st.text(max_size=40))
def test_any_text_is_read_or_refused_and_never_breaks(text):
    with contextlib.suppress(DarkroomError):
        assert isinstance(read(text), Camera)


@pytest.mark.parametrize("record", [Camera(name="two\nlines"), Camera(name="ü \u2028")])
def test_a_line_is_one_line_and_comes_back(record):
    line = to_line(record)
    assert line.endswith(b"\n")
    assert len(line.splitlines()) == 1
    assert from_json(line, Camera, where="line") == record


def test_a_line_says_what_the_json_says_without_its_blanks():
    record = Camera(name="to  see")
    assert json.loads(to_line(record)) == json.loads(to_json(record))
    assert len(to_line(record)) < len(to_json(record))


def test_a_line_refuses_what_json_refuses():
    with pytest.raises(ArtifactError):
        to_line(Lens(aperture=math.nan))
