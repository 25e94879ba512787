"""Writes that survive kills, full disks and failing ones, one system call at a time."""

from __future__ import annotations

import errno
import functools
import itertools
import os
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from darkroom.disk import append_line, disk_errors, remove_folder, staging_folder, write_file
from darkroom.errors import ArtifactError
from tests.failing_disk import (
    NEW,
    OLD,
    TROUBLES,
    files_below,
    in_children,
    until_none_fails,
)


def careless_write(path: Path, data: bytes) -> None:
    """Write as most programs do: onto the old content."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def contents_after(write, trouble: str, folder: Path) -> tuple[set[bytes], set[str]]:
    """Collect what stands at a path after trouble at every request, and how the writer took it."""
    path, contents = folder / "best.weights", set()
    path.write_bytes(OLD)
    outcomes = set()
    for _, outcome in until_none_fails(lambda _: write(path, NEW), trouble):
        outcomes.add(outcome)
        contents.add(path.read_bytes())
        path.write_bytes(OLD)
    return contents, outcomes


@pytest.mark.parametrize("trouble", [*TROUBLES, "kill", "kill half done"])
def test_a_write_in_trouble_leaves_the_old_content_or_the_new(trouble, tmp_path):
    contents, outcomes = contents_after(write_file, trouble, tmp_path)
    assert contents == {OLD, NEW}
    assert outcomes == {"done", "killed" if "kill" in trouble else "refused"}


@pytest.mark.parametrize("trouble", ["short write", "kill half done"])
def test_a_careless_write_in_trouble_leaves_something_else(trouble, tmp_path):
    contents, _ = contents_after(careless_write, trouble, tmp_path)
    assert contents - {OLD, NEW}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_failed_write_leaves_nothing_beside_the_file(trouble, tmp_path):
    path = tmp_path / "best.weights"
    for _ in until_none_fails(lambda _: write_file(path, NEW), trouble):
        assert files_below(tmp_path) <= {"best.weights"}


def test_the_next_write_removes_what_a_killed_one_left(tmp_path):
    path = tmp_path / "best.weights"
    left_over = set()
    for _ in until_none_fails(lambda _: write_file(path, NEW), "kill half done"):
        left_over |= files_below(tmp_path)
        write_file(path, OLD)
        assert files_below(tmp_path) == {"best.weights"}
    assert left_over > {"best.weights"}


def test_a_write_makes_the_folders_above_it(tmp_path):
    write_file(tmp_path / "a" / "b" / "c", NEW)
    assert (tmp_path / "a" / "b" / "c").read_bytes() == NEW


def test_new_folders_are_flushed_into_the_ones_above(tmp_path, monkeypatch):
    flushed = set()
    real = os.fsync

    def fsync(handle: int) -> None:
        flushed.add(Path(f"/proc/self/fd/{handle}").resolve())
        real(handle)

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc to name an open file")
    monkeypatch.setattr(os, "fsync", fsync)
    write_file(tmp_path / "a" / "b" / "c", NEW)
    assert flushed >= {tmp_path, tmp_path / "a", tmp_path / "a" / "b"}


def test_writers_of_one_file_at_one_time_never_mix(tmp_path):
    path = tmp_path / "best.weights"
    versions = [bytes([65 + writer]) * 100_000 for writer in range(4)]

    def write(data: bytes) -> None:
        for _ in range(20):
            write_file(path, data)
            assert path.read_bytes() in versions

    assert in_children(*(functools.partial(write, data) for data in versions)) == [0] * 4
    assert files_below(tmp_path) == {"best.weights"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_names_the_path_and_the_bytes_it_needs(number, tmp_path):
    with (
        pytest.raises(ArtifactError, match="full") as refused,
        disk_errors(tmp_path / "far" / "away", 12_345),
    ):
        raise OSError(number, os.strerror(number))
    assert str(tmp_path / "far" / "away") in refused.value.problem
    assert "12,345 bytes" in refused.value.problem
    assert "DARKROOM_WORKSPACE" in refused.value.hint


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EIO])
def test_a_disk_that_refuses_names_the_path_and_the_reason(number, tmp_path):
    with pytest.raises(ArtifactError) as refused, disk_errors(tmp_path / "a"):
        raise OSError(number, os.strerror(number))
    assert str(tmp_path / "a") in refused.value.problem
    assert os.strerror(number) in refused.value.problem


def test_a_disk_that_cannot_even_say_what_is_free_is_still_explained(tmp_path, monkeypatch):
    def unknown(path):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(shutil, "disk_usage", unknown)
    with pytest.raises(ArtifactError, match="0 are free"), disk_errors(tmp_path, 7):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_beyond_the_size_limit_is_refused_and_the_old_one_stands(tmp_path):
    path = tmp_path / "best.weights"
    path.write_bytes(OLD)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        with pytest.raises(ArtifactError, match=f"{len(NEW):,} bytes"):
            write_file(path, NEW)

    assert in_children(limited) == [0]
    assert path.read_bytes() == OLD
    assert files_below(tmp_path) == {"best.weights"}


def test_a_line_is_appended_whole(tmp_path):
    for line in (b"one", b"two\n", b"three"):
        append_line(tmp_path / "log" / "lines", line)
    assert (tmp_path / "log" / "lines").read_bytes() == b"one\ntwo\nthree\n"


@pytest.mark.parametrize("trouble", [*TROUBLES, "kill", "kill half done"])
def test_an_append_in_trouble_spoils_no_line_before_or_after_it(trouble, tmp_path):
    path = tmp_path / "lines"
    append_line(path, b"first")
    for _ in until_none_fails(lambda _: append_line(path, b"0123456789"), trouble):
        append_line(path, b"after")
    lines = path.read_bytes().splitlines()
    torn = set(lines) - {b"first", b"0123456789", b"after"}
    assert lines[0] == b"first"
    assert all(b"0123456789".startswith(line) for line in torn)


def test_appends_from_several_processes_lose_nothing(tmp_path):
    path = tmp_path / "lines"

    def write(writer: int) -> None:
        for number in range(25):
            append_line(path, b"%d-%d" % (writer, number))

    assert in_children(*(functools.partial(write, writer) for writer in range(4))) == [0] * 4
    wanted = {b"%d-%d" % (writer, number) for writer in range(4) for number in range(25)}
    lines = path.read_bytes().splitlines()
    assert len(lines) == 100
    assert set(lines) == wanted


def is_half_there_after_a_kill(remove: Callable[[Path], object], folder: Path) -> bool:
    """Kill a removal at its second file, and tell whether part of the folder still stands."""
    for name in ("a", "b", "c"):
        write_file(folder / name, NEW)
    real, calls = os.unlink, itertools.count(1)

    def unlink(*args, **options) -> None:
        if next(calls) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        real(*args, **options)

    def killed() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "unlink", unlink)
            remove(folder)

    assert in_children(killed) == [-signal.SIGKILL]
    return folder.exists() and len(files_below(folder)) < 3


def test_a_removal_that_is_killed_leaves_no_half_folder_and_the_rest_is_cleared(tmp_path):
    folder = tmp_path / "photos"
    assert not is_half_there_after_a_kill(remove_folder, folder)
    assert list(tmp_path.glob(".*"))
    with staging_folder(folder):
        pass
    assert not list(tmp_path.glob(".*"))


def test_control_a_careless_removal_that_is_killed_leaves_a_half_folder(tmp_path):
    assert is_half_there_after_a_kill(shutil.rmtree, tmp_path / "photos")


@pytest.mark.parametrize("trouble", ["io error", "kill"])
def test_a_folder_that_is_removed_in_trouble_is_there_whole_or_gone(trouble, tmp_path):
    folder = tmp_path / "photos"
    for name in ("a", "b/c"):
        write_file(folder / name, NEW)
    outcomes = set()
    for _, outcome in until_none_fails(lambda _: remove_folder(folder), trouble):
        outcomes.add(outcome)
        assert not folder.exists() or files_below(folder) == {"a", "b/c"}
        for name in ("a", "b/c"):
            write_file(folder / name, NEW)
    assert len(outcomes) == 2


def test_removing_a_folder_leaves_nothing_and_what_is_not_there_is_no_trouble(tmp_path):
    write_file(tmp_path / "photos" / "a", NEW)
    for _ in range(2):
        remove_folder(tmp_path / "photos")
        assert list(tmp_path.iterdir()) == []
