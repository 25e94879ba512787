"""Artifacts that are there whole or not at all, whatever happens to their writer."""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from darkroom.disk import write_file
from darkroom.errors import ArtifactError
from darkroom.storage import (
    MANIFEST,
    new_manifest,
    opened,
    read_manifest,
    staged,
    verified,
    write_closed_manifest,
)
from tests.failing_disk import (
    NEW,
    files_below,
    in_children,
    until_none_fails,
)


def make_artifact(
    target: Path, model: bytes = NEW, meanwhile: Callable[[Path], object] = lambda _: None
) -> None:
    """Make a closed artifact of three small files."""
    with staged(target, new_manifest("bundle", target.name, "pack", ())) as staging:
        write_file(staging / "model.onnx", model)
        write_file(staging / "golden" / "0.png", b"pixels")
        meanwhile(staging)
        write_file(staging / "card.md", b"words")


def begin_artifact(target: Path) -> None:
    """Begin an open artifact."""
    opened(target, new_manifest("run", target.name, "train", ()))


def careless_artifact(target: Path) -> None:
    """Make an artifact where it will stand, one file after the other."""
    target.mkdir(parents=True)
    (target / "model.onnx").write_bytes(b"weights")
    manifest = write_closed_manifest(target, new_manifest("bundle", target.name, "pack", ()))
    assert manifest.state == "closed"


def is_whole_or_absent(target: Path) -> bool:
    if not target.exists():
        return True
    try:
        if read_manifest(target).state == "closed":
            verified(target, "bundle")
    except ArtifactError:
        return False
    return True


@pytest.mark.parametrize("make", [make_artifact, begin_artifact])
@pytest.mark.parametrize("trouble", ["io error", "short write"])
def test_an_artifact_in_trouble_is_refused_and_nothing_of_it_is_left(make, trouble, tmp_path):
    folder, outcomes = tmp_path / "bundles", set()
    for n, outcome in until_none_fails(lambda n: make(folder / str(n)), trouble):
        outcomes.add(outcome)
        target = folder / str(n)
        assert target.exists() == (outcome == "done")
        assert is_whole_or_absent(target)
        assert not list(tmp_path.rglob(".*"))
    assert outcomes == {"done", "refused"}


@pytest.mark.parametrize("make", [make_artifact, begin_artifact])
@pytest.mark.parametrize("trouble", ["kill", "kill half done"])
def test_an_artifact_whose_writer_is_killed_is_there_whole_or_not_at_all(make, trouble, tmp_path):
    folder, left_over, ended = tmp_path / "bundles", False, set()
    for n, outcome in until_none_fails(lambda n: make(folder / f"{n}-a"), trouble):
        assert is_whole_or_absent(folder / f"{n}-a")
        left_over |= bool(list(tmp_path.rglob(".*")))
        begin_artifact(folder / f"{n}-b")
        assert not list(tmp_path.rglob(".*"))
        ended.add(outcome)
    assert left_over
    assert ended == {"killed", "done"}


@pytest.mark.parametrize("trouble", ["short write", "kill half done"])
def test_a_careless_artifact_in_trouble_is_found_damaged(trouble, tmp_path):
    attempts = until_none_fails(lambda n: careless_artifact(tmp_path / str(n)), trouble)
    assert not all(is_whole_or_absent(tmp_path / str(n)) for n, _ in attempts)


def test_an_artifact_fails_with_its_writer_and_nothing_is_left(tmp_path):
    def half_way(staging: Path) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        make_artifact(tmp_path / "bundles" / "a", meanwhile=half_way)
    assert not (tmp_path / "bundles").exists()


def test_a_full_disk_while_closing_names_the_file_and_its_bytes(tmp_path, monkeypatch):
    (tmp_path / "model.onnx").write_bytes(NEW)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArtifactError, match=rf"model\.onnx needs {len(NEW):,} bytes"):
        write_closed_manifest(tmp_path, new_manifest("bundle", "a", "pack", ()))


def test_the_folder_of_a_living_writer_is_left_alone(tmp_path):
    make_artifact(tmp_path / "a", meanwhile=lambda _: make_artifact(tmp_path / "b"))
    assert len(verified(tmp_path / "a", "bundle").content) == 3


@pytest.mark.parametrize("moment", ["fsync", "rename", "mkdir"])
def test_a_writer_is_left_alone_at_every_moment(moment, tmp_path, monkeypatch):
    numbers = itertools.count()
    busy = False
    real = getattr(os, moment)

    def meanwhile(*args, **options):
        nonlocal busy
        if not busy:
            busy = True
            make_artifact(tmp_path / f"other-{next(numbers)}")
            busy = False
        return real(*args, **options)

    monkeypatch.setattr(os, moment, meanwhile)
    make_artifact(tmp_path / "mine")
    assert len(verified(tmp_path / "mine", "bundle").content) == 3
    assert next(numbers) > 0


def test_a_writer_whose_lock_was_taken_for_a_leftover_locks_again(tmp_path, monkeypatch):
    real, seen = fcntl.flock, []

    def late(file, how: int) -> None:
        seen.append(how)
        if len(seen) == 1:
            make_artifact(tmp_path / "other")
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    make_artifact(tmp_path / "mine")
    assert verified(tmp_path / "mine", "bundle").content
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("make", [make_artifact, begin_artifact])
def test_a_taken_name_is_refused_and_what_has_it_stays(make, tmp_path):
    make(tmp_path / "a")
    before = (tmp_path / "a" / MANIFEST).read_bytes()
    with pytest.raises(ArtifactError, match="exists") as refused:
        make(tmp_path / "a")
    assert str(tmp_path / "a") in refused.value.problem
    assert (tmp_path / "a" / MANIFEST).read_bytes() == before


def test_of_two_writers_of_one_name_the_first_to_finish_has_it(tmp_path):
    with pytest.raises(ArtifactError, match="exists"):
        make_artifact(tmp_path / "a", meanwhile=lambda _: make_artifact(tmp_path / "a", b"first"))
    assert (tmp_path / "a" / "model.onnx").read_bytes() == b"first"


def test_an_open_artifact_closes_over_what_lies_in_it(tmp_path):
    begin_artifact(tmp_path / "photos-1")
    write_file(tmp_path / "photos-1" / "history.json", b"{}")
    (tmp_path / "photos-1" / ".best.weights.new").write_bytes(b"left by a killed writer")
    closed = write_closed_manifest(tmp_path / "photos-1", read_manifest(tmp_path / "photos-1"))
    assert [content.path for content in closed.content] == ["history.json"]
    assert verified(tmp_path / "photos-1", "run") == closed


def test_a_workspace_one_may_not_enter_is_refused_without_a_traceback(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)

    def stranger() -> None:
        if os.getuid() == 0:
            os.setuid(65534)
        target = closed / "runs" / "photos-1"
        for write in (make_artifact, begin_artifact, lambda path: write_file(path, NEW)):
            with pytest.raises(ArtifactError, match="photos-1"):
                write(target)

    assert in_children(stranger) == [0]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 64 KiB, or skip the test and say why."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.getuid() != 0 or mount is None:
        pytest.skip("only root can mount a small disk")
    options = ["-t", "tmpfs", "-o", "size=64k", "tmpfs"]
    mounted = subprocess.run([mount, *options, folder], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"this machine does not let us mount: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_really_full_disk_refuses_an_artifact_and_keeps_nothing_of_it(small_disk):
    with pytest.raises(ArtifactError, match=r"full.*model\.onnx needs 1,000,000 bytes") as refused:
        make_artifact(small_disk / "bundles" / "a", bytes(1_000_000))
    assert str(small_disk / "bundles") in refused.value.problem
    assert files_below(small_disk) == set()
    make_artifact(small_disk / "bundles" / "a")
    assert verified(small_disk / "bundles" / "a", "bundle").name == "a"
