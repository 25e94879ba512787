"""Writes that survive kills, full disks and failing ones, one system call at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import io
import itertools
import os
import resource
import shutil
import signal
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from darkroom.errors import ArtifactError
from darkroom.storage import (
    MANIFEST,
    append_line,
    disk_errors,
    new_manifest,
    opened,
    read_manifest,
    staged,
    verified,
    write_closed_manifest,
    write_file,
)

OLD, NEW = b"old " * 300, b"new content " * 200
TROUBLES = ("io error", "disk full", "short write")


class Disk:
    """Counts what is asked of the file system, and answers the n-th request with trouble."""

    def __init__(self, fail_at: int, trouble: str, *, lasting: bool = False) -> None:
        self.fail_at, self.trouble, self.lasting = fail_at, trouble, lasting
        self.calls = 0

    def request(self, half_done: Callable[[], object] = lambda: None) -> None:
        self.calls += 1
        if self.calls == self.fail_at or (self.lasting and self.calls > self.fail_at):
            if self.trouble in ("short write", "kill half done"):
                half_done()
            if self.trouble.startswith("kill"):
                os.kill(os.getpid(), signal.SIGKILL)
            number = errno.EIO if self.trouble == "io error" else errno.ENOSPC
            raise OSError(number, os.strerror(number))


class Written:
    """A file opened for writing on such a disk."""

    def __init__(self, file, disk: Disk) -> None:
        self._file, self._disk = file, disk

    def write(self, data: bytes) -> int:
        def half() -> None:
            self._file.write(data[: len(data) // 2])
            self._file.flush()

        self._disk.request(half)
        return self._file.write(data)

    def __getattr__(self, name: str):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()


@contextlib.contextmanager
def below(state: Disk) -> Iterator[None]:
    """Put such a disk below open, write, flush, mkdir and rename."""
    real_open = io.open

    def opening(file, mode="r", *args, **options):
        if not set(mode) & set("wax+"):
            return real_open(file, mode, *args, **options)
        state.request()
        return Written(real_open(file, mode, *args, **options), state)

    def counted(real):
        def call(*args, **options):
            state.request()
            return real(*args, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(io, "open", opening)
        for name in ("fsync", "rename", "replace", "mkdir"):
            patch.setattr(os, name, counted(getattr(os, name)))
        yield


def in_children(*actions: Callable[[], object]) -> list[int]:
    """Run each action in its own process and say how each ended: 0, or minus a signal."""
    children = []
    for action in actions:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # other tests may have left threads
            children.append(os.fork())
        if children[-1] == 0:
            with contextlib.suppress(BaseException):
                action()
                os._exit(0)
            os._exit(1)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def until_none_fails(action: Callable[[int], object], trouble: str) -> Iterator[tuple[int, str]]:
    """Repeat an action with trouble at its first request, its second, ... and say how each went."""
    for n in itertools.count(1):
        state = Disk(n, trouble)
        outcome = "done"
        if trouble.startswith("kill"):
            (ended,) = in_children(functools.partial(on_disk, state, action, n))
            outcome = {0: "done", -signal.SIGKILL: "killed"}[ended]
        else:
            try:
                on_disk(state, action, n)
            except ArtifactError:
                outcome = "refused"
            except OSError:
                outcome = "traceback"
        yield n, outcome
        if outcome == "done" and state.calls < n:
            return


def on_disk(state: Disk, action: Callable[[int], object], n: int) -> None:
    with below(state):
        action(n)


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


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
