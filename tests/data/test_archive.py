"""Archives that climb out, are damaged, or promise one thing and hold another."""

from __future__ import annotations

import contextlib
import io
import struct
import tarfile
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom import open_dataset
from darkroom.data.sources.archive import ArchiveSource, is_archive
from darkroom.errors import DataError
from tests.data.packing import TAR_MODES, write_tar, write_zip
from tests.making import image_bytes

GOOD = [(f"{label}/{n}.png", image_bytes(label, n)) for label in ("cat", "dog") for n in (1, 2)]
CLIMBING = (
    "../out.png",
    "cat/../../out.png",
    "/etc/out.png",
    "..\\out.png",
    "cat\\..\\..\\out.png",
    "\\out.png",
    "C:out.png",
    "C:\\out.png",
    "c:/out.png",
)
HARMLESS = ("cat/..png", "cat/a..b.png", "cat/...png", "./cat/9.png", "cat/c:.png")


def open_archive(path: Path) -> ArchiveSource:
    source = ArchiveSource(path)
    source.listing()
    return source


def write_any(path: Path, members: list[tuple[str, bytes]]) -> Path:
    return (write_zip if path.suffix == ".zip" else write_tar)(path, members)


@pytest.mark.parametrize("ending", [".zip", ".tar"])
@pytest.mark.parametrize("name", CLIMBING)
def test_a_member_that_climbs_out_is_refused_by_name(tmp_path, workspace, name, ending):
    path = write_any(tmp_path / f"evil{ending}", [*GOOD, (name, image_bytes())])
    with pytest.raises(DataError) as caught:
        open_dataset(path)
    assert repr(name) in caught.value.problem
    assert str(path) in caught.value.problem
    assert not workspace.folder("dataset").exists()


@pytest.mark.parametrize("ending", [".zip", ".tar"])
@pytest.mark.parametrize("name", HARMLESS)
def test_control_a_member_that_only_looks_so_is_not_refused(tmp_path, name, ending):
    path = write_any(tmp_path / f"fine{ending}", [*GOOD, (name, image_bytes())])
    names = [entry.name for entry in open_archive(path).listing().entries]
    skipped = [file.name for file in open_archive(path).listing().skipped]
    assert name.removeprefix("./") in names + skipped


@pytest.mark.parametrize("link", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_what_is_no_regular_member_is_listed_and_not_followed(tmp_path, link):
    path = write_tar(tmp_path / "links.tar", GOOD)
    with tarfile.open(path, "a") as archive:
        info = tarfile.TarInfo("cat/link.png")
        info.type, info.linkname = link, "/etc/hostname"
        archive.addfile(info)
    (skipped,) = open_archive(path).listing().skipped
    assert (skipped.name, skipped.reason) == ("cat/link.png", "not a regular file")


def test_a_password_protected_member_is_listed(tmp_path, workspace):
    path = write_zip(tmp_path / "locked.zip", GOOD)
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")  # the table's entry of the last member; bit 0: encrypted
    data[at + 8] |= 1
    path.write_bytes(data)
    dataset = open_dataset(path)
    assert dataset.skipped.rows() == [(GOOD[-1][0], "password-protected")]
    assert dataset.record.used == len(GOOD) - 1


def test_an_archive_of_locked_members_says_why_it_holds_nothing(tmp_path, workspace):
    path = write_zip(tmp_path / "locked.zip", GOOD[:1])
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="password-protected"):
        open_dataset(path)


@pytest.mark.parametrize("ending", [".zip", *TAR_MODES])
@pytest.mark.parametrize("data", [b"", b"words", b"PK\x03\x04", bytes(100)])
def test_what_is_no_archive_is_refused_by_path(tmp_path, ending, data):
    path = tmp_path / f"broken{ending}"
    path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        open_archive(path)
    assert str(path) in caught.value.problem


@pytest.mark.parametrize("ending", [".zip", *TAR_MODES])
def test_an_archive_cut_in_half_is_refused(tmp_path, ending):
    path = tmp_path / f"cut{ending}"
    if ending == ".zip":
        write_zip(path, GOOD)
    else:
        write_tar(path, GOOD, TAR_MODES[ending])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError):
        open_archive(path)


def test_a_tar_whose_later_headers_are_damaged_is_refused_rather_than_shortened(tmp_path):
    path = write_tar(tmp_path / "damaged.tar", GOOD)
    data = bytearray(path.read_bytes())
    data[data.index(b"dog/1.png") + 150] ^= 0xFF  # within the header's checksum
    path.write_bytes(data)
    with pytest.raises(DataError, match="end mark"):
        open_archive(path)


def test_control_tarfile_itself_drops_the_rest_of_such_a_tar_without_a_word(tmp_path):
    path = write_tar(tmp_path / "damaged.tar", GOOD)
    data = bytearray(path.read_bytes())
    data[data.index(b"dog/1.png") + 150] ^= 0xFF
    path.write_bytes(data)
    with tarfile.open(path) as archive:
        assert archive.getnames() == ["cat/1.png", "cat/2.png"]


def test_a_member_with_a_wrong_checksum_is_listed_as_unreadable(tmp_path, workspace):
    path = write_zip(tmp_path / "bad.zip", GOOD, packed=False)
    data = bytearray(path.read_bytes())
    data[data.index(GOOD[0][1]) + 60] ^= 1
    path.write_bytes(data)
    dataset = open_dataset(path)
    ((name, reason),) = dataset.skipped.rows()
    assert name == GOOD[0][0]
    assert reason.startswith("unreadable")


def bomb(path: Path, size: int, claimed: int) -> Path:
    """Write a zip whose one member unpacks to `size` bytes and claims fewer in the table."""
    write_zip(path, [("cat/bomb.png", bytes(size))])
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.rindex(b"PK\x01\x02") + 24, claimed)
    path.write_bytes(data)
    return path


def peak_bytes(path: Path) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            open_archive(path).read("cat/bomb.png")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_zip_bomb_that_claims_to_be_small_is_not_unpacked(tmp_path):
    assert peak_bytes(bomb(tmp_path / "bomb.zip", 32 * 2**20, 100)) < 4 * 2**20


def test_control_zipfile_itself_unpacks_that_bomb(tmp_path):
    path = bomb(tmp_path / "bomb.zip", 32 * 2**20, 100)
    tracemalloc.start()
    try:
        with zipfile.ZipFile(path) as archive, pytest.raises(zipfile.BadZipFile):
            archive.read("cat/bomb.png")
        assert tracemalloc.get_traced_memory()[1] > 16 * 2**20
    finally:
        tracemalloc.stop()


def test_a_member_that_claims_more_than_the_cap_is_listed(tmp_path):
    path = bomb(tmp_path / "bomb.zip", 1000, 300 * 2**20)
    (skipped,) = open_archive(path).listing().skipped
    assert skipped.reason == "larger than 256 MiB"


def many_zeros(path: Path, members: int, folder: str = "cat") -> Path:
    """Pack files of 34 MiB of zeros; two are more than a bomb may unpack to."""
    listed = [(f"{folder}/{number}.png", bytes(34 * 2**20)) for number in range(members)]
    return write_zip(path, listed) if path.suffix == ".zip" else write_tar(path, listed, "w:gz")


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_an_archive_whose_members_unpack_to_far_more_than_it_is_refused(tmp_path, ending):
    path = many_zeros(tmp_path / f"bomb{ending}", 2)
    with pytest.raises(DataError) as caught:
        open_archive(path)
    assert f"{path} unpacks {path.stat().st_size:,} bytes to 71,303,168" in caught.value.problem


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_control_one_member_that_packs_well_is_listed(tmp_path, ending):
    assert len(open_archive(many_zeros(tmp_path / f"good{ending}", 1)).listing().entries) == 1


def test_of_a_packed_tar_what_is_skipped_counts_too(tmp_path):
    with pytest.raises(DataError) as caught:
        open_archive(many_zeros(tmp_path / "bomb.tar.gz", 2, ".hidden"))
    assert "71,303,168" in caught.value.problem


def packed(ending: str) -> bytes:
    buffer = io.BytesIO()
    if ending.startswith("zip"):
        how = {"zip": zipfile.ZIP_DEFLATED, "zip-lzma": zipfile.ZIP_LZMA}[ending]
        with zipfile.ZipFile(buffer, "w", how) as archive:
            for name, data in GOOD:
                archive.writestr(zipfile.ZipInfo(name), data, how)
    else:
        with tarfile.open(fileobj=buffer, mode=TAR_MODES[ending]) as tar:
            for name, data in GOOD:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


WHOLE = {kind: packed(kind) for kind in ("zip", "zip-lzma", *TAR_MODES)}


@settings(deadline=None, max_examples=120)
@given(st.data(), st.sampled_from(sorted(WHOLE)))
def test_a_damaged_archive_raises_nothing_but_data_errors(tmp_path_factory, data, kind):
    damaged = bytearray(WHOLE[kind])
    for _ in range(data.draw(st.integers(1, 6))):
        back = data.draw(st.integers(1, len(damaged)))
        damaged[-back] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.one_of(st.none(), st.integers(0, len(damaged))))]
    path = tmp_path_factory.getbasetemp() / f"damaged{'.zip' if 'zip' in kind else kind}"
    path.write_bytes(damaged)
    try:
        source = open_archive(path)
    except DataError:
        return
    for entry in source.listing().entries:
        with contextlib.suppress(DataError):
            assert len(source.read(entry.name)) <= entry.size_bytes


@pytest.mark.parametrize(
    ("name", "known"),
    [("a.zip", True), ("A.TAR.GZ", True), ("a.tgz", True), ("a.rar", False), ("a.gz", False)],
)
def test_an_archive_is_told_by_its_ending(name, known):
    assert is_archive(Path(name)) is known


def test_the_short_name_of_an_archive_has_no_ending(tmp_path):
    assert ArchiveSource(write_tar(tmp_path / "photos.tar.gz", GOOD, "w:gz")).stem == "photos"


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_of_two_members_with_one_name_the_one_that_is_listed_is_read(tmp_path, ending):
    other = image_bytes("box", 77)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns about the name
        source = open_archive(write_any(tmp_path / f"p{ending}", [*GOOD, (GOOD[0][0], other)]))
    assert source.read(GOOD[0][0]) == GOOD[0][1]
    assert [file.reason for file in source.listing().skipped] == ["twice in the archive"]


def test_a_split_of_a_tar_packed_from_within_its_folder_is_read_again(tmp_path, workspace):
    members = [(f"./{name}", data) for name, data in GOOD]
    dataset = open_dataset(write_tar(tmp_path / "p.tar", members))
    assert sorted(dataset.read(dataset.index)) == sorted(data for _, data in GOOD)


def test_no_member_of_a_tar_is_searched_for_by_its_name(tmp_path, monkeypatch):
    source = open_archive(write_tar(tmp_path / "p.tar", GOOD))
    monkeypatch.delattr(tarfile.TarFile, "getmember")
    assert [source.read(name) for name, _ in GOOD] == [data for _, data in GOOD]
