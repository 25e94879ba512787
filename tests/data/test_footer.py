"""What a Parquet file claims: too much, what it does not have, or what it has."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.data.sources.footer import refuse_bomb
from darkroom.data.sources.tables import read_table
from darkroom.errors import DataError
from tests.data.packing import write_claiming

PLAIN, DICTIONARY, PLAIN_2 = 0, 2, 3  # kinds of pages
PARTS = {PLAIN: 5, DICTIONARY: 7, PLAIN_2: 8}  # the number of each kind's part of the header
LEVELS = {2: 0, 3: 6, 5: 2, 6: 3}  # of six values: nulls, rows, bytes of two kinds of levels


def number(value: int) -> bytes:
    """Write a number as Thrift's compact protocol does."""
    value = 2 * value if value >= 0 else -2 * value - 1
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    return bytes([*written, value])


def structure(fields: Mapping[int, int | Mapping | Sequence]) -> bytes:
    """Write numbers, structures and lists of structures by the numbers of their fields."""
    written, last = b"", 0
    for at, value in sorted(fields.items()):
        if isinstance(value, int):
            kind, data = 6, number(value)
        elif isinstance(value, Mapping):
            kind, data = 12, structure(value)
        else:
            kind, data = 9, bytes([len(value) << 4 | 12]) + b"".join(map(structure, value))
        written, last = written + bytes([at - last << 4 | kind]) + data, at
    return written + b"\x00"


def parquet(pages: bytes, footer: Mapping) -> bytes:
    """Write a Parquet file."""
    said = structure(footer)
    return b"PAR1" + pages + said + len(said).to_bytes(4, "little") + b"PAR1"


def claims(rows: int, *groups: int) -> bytes:
    """Write a Parquet file that is a footer only: its rows, and the bytes of its row groups."""
    return parquet(b"", {3: rows, 4: [{1: [], 2: size} for size in groups]})


def page(kind: int, values: int, *, packed: int = 30, unpacked: int = 60, **levels: int) -> bytes:
    """Write a page of 30 bytes whose header may claim anything."""
    part = {1: values, **(LEVELS if kind == PLAIN_2 else {})}
    part |= {int(name.removeprefix("field_")): value for name, value in levels.items()}
    return structure({1: kind, 2: unpacked, 3: packed, PARTS[kind]: part}) + bytes(30)


def column(*pages: bytes, times: int = 1, at: int = 4) -> bytes:
    """Write a Parquet file of so many columns of six values, which all lie in the same pages."""
    chunk = {5: 6, 9: at}
    return parquet(b"".join(pages), {3: 6, 4: [{1: [{3: chunk}] * times, 2: 60}]})


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (claims(20_000_001, 100), "20,000,001 rows"),
        (claims(7, 2**32 + 1), "row group of 4,294,967,297 bytes"),
        (claims(7, 2**31, 2**31), "to 4,294,967,296"),
        (b"PAR1" + b"\xff" * 8 + b"PAR1", "cut short"),
        (b"PAR1" + b"\x19" * 60_000 + (60_000).to_bytes(4, "little") + b"PAR1", "Parquet"),
        (b"PAR1" + b"\x19\xfc\xff\xff\x7f" + (5).to_bytes(4, "little") + b"PAR1", "more than"),
    ],
)
def test_a_footer_that_claims_too_much_is_refused(data, told):
    with pytest.raises(DataError) as caught:
        refuse_bomb(data, where="p.parquet")
    assert told in caught.value.problem


def test_control_a_footer_that_claims_little_is_not():
    refuse_bomb(claims(7, 100, 2**20), where="p.parquet")


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=80))
def test_whatever_a_footer_holds_raises_nothing_but_data_errors(footer):
    data = b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"
    with contextlib.suppress(DataError):
        refuse_bomb(data, where="p.parquet")


@pytest.mark.parametrize(
    "pages",
    [
        (page(PLAIN, 6),),
        (page(PLAIN_2, 6),),
        (page(PLAIN, 2), page(PLAIN, 4)),
        (page(DICTIONARY, 7), page(PLAIN, 6)),  # more than are in use
        (page(DICTIONARY, 0, unpacked=0), page(PLAIN, 6)),  # of a column of nulls
        (page(PLAIN_2, 6, field_2=6, field_6=28),),
    ],
)
def test_pages_that_claim_what_they_have_are_let_through(pages):
    refuse_bomb(column(*pages), where="p.parquet")


@pytest.mark.parametrize(
    "pages",
    [
        (page(PLAIN, -1), page(PLAIN, 7)),
        (page(PLAIN, 7),),
        (page(PLAIN, 6, packed=-1),),
        (page(PLAIN, 6, packed=10_000),),
        (page(PLAIN, 6, unpacked=-1),),
        (page(DICTIONARY, -1), page(PLAIN, 6)),
        (page(DICTIONARY, 61), page(PLAIN, 6)),
        (page(PLAIN_2, 6, field_2=-1),),
        (page(PLAIN_2, 6, field_2=7),),
        (page(PLAIN_2, 6, field_3=-1),),
        (page(PLAIN_2, 6, field_5=-1),),
        (page(PLAIN_2, 6, field_6=-1),),
        (page(PLAIN_2, 6, field_6=29),),
    ],
)
def test_a_header_of_a_page_that_claims_what_cannot_be_is_refused(pages):
    with pytest.raises(DataError, match="claims what cannot be"):
        refuse_bomb(column(*pages), where="p.parquet")


@pytest.mark.parametrize("at", [-1, 10_000])
def test_pages_that_lie_outside_of_the_file_are_refused(at):
    with pytest.raises(DataError, match="points outside"):
        refuse_bomb(column(page(PLAIN, 6), at=at), where="p.parquet")


def test_columns_that_lie_over_each_other_are_refused():
    with pytest.raises(DataError, match="over each other"):
        refuse_bomb(column(page(PLAIN, 6), times=14), where="p.parquet")


def test_pages_that_unpack_to_far_more_than_the_footer_says_are_refused():
    with pytest.raises(DataError, match="unpacks"):
        refuse_bomb(column(page(PLAIN, 6, unpacked=2**31 - 1)), where="p.parquet")


@pytest.mark.parametrize("values", [-64, -1, 0, 1, 5, 7, 63])
def test_a_page_that_claims_what_it_does_not_have_is_refused(tmp_path, values):
    path = write_claiming(tmp_path / "t.parquet", values)
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_table(path, where=str(path))


def test_control_a_page_that_claims_what_it_has_is_read(tmp_path):
    path = write_claiming(tmp_path / "t.parquet", 6)
    assert read_table(path, where=str(path)).load("label") == ["cat", "dog"] * 3


def test_control_polars_alone_is_ended_by_a_page_of_a_negative_number(tmp_path):
    path = write_claiming(tmp_path / "t.parquet", -1)
    read = f"import polars; polars.read_parquet({str(path)!r})"
    ended = subprocess.run([sys.executable, "-c", read], capture_output=True, check=False)
    assert ended.returncode == -signal.SIGABRT
