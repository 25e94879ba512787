"""Archives from a URL: a real server on loopback that behaves, and one that does not."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from darkroom import open_dataset
from darkroom.data.sources import download as module
from darkroom.data.sources.download import download, is_url
from darkroom.disk import file_sha256
from darkroom.errors import DataError, ServiceError
from tests.data.file_server import FileServer
from tests.data.packing import pack_folder
from tests.making import draw_folder

CONTENT = bytes(range(256)) * 4000  # about a megabyte


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def archive(tmp_path) -> Path:
    """Give a zip of drawn images."""
    return pack_folder(draw_folder(tmp_path / "shapes", per_class=3), ".zip")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_an_archive_from_a_url_has_the_fingerprint_of_its_folder(archive, workspace):
    with FileServer(archive.read_bytes()).running() as server:
        dataset = open_dataset(server.url)
    assert dataset.fingerprint() == open_dataset(archive.with_suffix("")).fingerprint()


def test_a_url_is_fetched_once(archive, workspace):
    with FileServer(archive.read_bytes()).running() as server:
        first, second = open_dataset(server.url), open_dataset(server.url)
    assert first.manifest == second.manifest
    assert len(server.ranges) == 1


def test_the_right_checksum_is_accepted_in_any_case(archive, workspace):
    data = archive.read_bytes()
    with FileServer(data).running() as server:
        assert open_dataset(server.url, sha256=sha256(data).upper()).record.used == 9


def test_the_wrong_checksum_is_refused_with_both(archive, workspace):
    data = archive.read_bytes()
    with FileServer(data).running() as server, pytest.raises(ServiceError) as caught:
        open_dataset(server.url, sha256="0" * 64)
    assert sha256(data) in caught.value.problem
    assert "0" * 64 in caught.value.problem


def test_what_had_the_wrong_checksum_is_not_kept(archive, workspace):
    with FileServer(archive.read_bytes()).running() as server, pytest.raises(ServiceError):
        open_dataset(server.url, sha256="0" * 64)
    assert not list((workspace.root / "sources").iterdir())


@pytest.mark.parametrize("says_length", [True, False])
def test_a_file_above_the_cap_is_refused_with_the_cap(tmp_path, says_length):
    serving = FileServer(CONTENT, says_length=says_length).running()
    with serving as server, pytest.raises(ServiceError) as caught:
        download(server.url, tmp_path, max_bytes=1000)
    assert "1,000" in caught.value.problem
    assert not list(tmp_path.glob("*.zip"))


def test_control_a_file_as_large_as_the_cap_is_fetched(tmp_path):
    with FileServer(CONTENT).running() as server:
        path = download(server.url, tmp_path, max_bytes=len(CONTENT))
    assert path.read_bytes() == CONTENT


def test_a_server_that_breaks_off_is_asked_for_the_rest_only(tmp_path):
    with FileServer(CONTENT, breaks_off_after=300_000).running() as server:
        path = download(server.url, tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-"]


def test_a_server_that_ignores_ranges_is_read_from_the_start(tmp_path):
    with FileServer(CONTENT, breaks_off_after=300_000, knows_ranges=False).running() as server:
        path = download(server.url, tmp_path)
    assert path.read_bytes() == CONTENT
    assert len(server.ranges) == 2


def test_what_such_a_server_sends_twice_counts_once_against_the_cap(tmp_path):
    serving = FileServer(CONTENT, breaks_off_after=300_000, knows_ranges=False).running()
    with serving as server:
        assert download(server.url, tmp_path, max_bytes=len(CONTENT)).exists()


def test_control_joining_both_answers_of_such_a_server_is_not_the_file():
    assert CONTENT[:300_000] + CONTENT != CONTENT


DAY, NEXT_DAY = "Tue, 03 Mar 2026 08:00:00 GMT", "Wed, 04 Mar 2026 08:00:00 GMT"
OTHER = CONTENT[::-1]


class Changing(FileServer):
    """Breaks off, and has another version of the file from then on."""

    def __init__(self, before: dict[str, str], after: dict[str, str], **options):
        super().__init__(CONTENT, breaks_off_after=300_000, tags=before, **options)
        self.after = after

    def answer(self, request):
        super().answer(request)
        self.content, self.tags = OTHER, self.after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"ETag": '"1"'}, {"ETag": '"2"'}),
        ({"Last-Modified": DAY}, {"Last-Modified": NEXT_DAY}),
        ({"ETag": 'W/"1"', "Last-Modified": DAY}, {"ETag": 'W/"1"', "Last-Modified": NEXT_DAY}),
    ],
    ids=["ETag", "Last-Modified", "weak ETag"],
)
@pytest.mark.parametrize("minds_if_range", [True, False])
def test_a_file_that_changed_between_two_tries_is_fetched_anew(
    tmp_path, before, after, minds_if_range
):
    with Changing(before, after, minds_if_range=minds_if_range).running() as server:
        path = download(server.url, tmp_path)
    assert path.read_bytes() == OTHER
    assert list(tmp_path.iterdir()) == [path]


def test_control_without_a_version_the_two_files_are_joined(tmp_path):
    with Changing({}, {}).running() as server:
        path = download(server.url, tmp_path)
    assert path.read_bytes() == CONTENT[:300_000] + OTHER[300_000:]


@pytest.mark.parametrize("tags", [{"ETag": '"1"'}, {"Last-Modified": DAY}])
def test_control_a_file_that_stayed_the_same_is_resumed(tmp_path, tags):
    with FileServer(CONTENT, breaks_off_after=300_000, tags=tags).running() as server:
        path = download(server.url, tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=300000-"]
    assert server.if_ranges == [None, *tags.values()]


def test_the_version_is_still_known_to_another_process(tmp_path):
    class Stubborn(FileServer):
        def answer(self, request):
            self.breaks_off_after = 1000
            super().answer(request)

    with Stubborn(CONTENT, tags={"ETag": '"1"'}).running() as server:
        with pytest.raises(ServiceError):
            download(server.url, tmp_path)
        (partial,) = tmp_path.glob("*.part")
        assert (tmp_path / f"{partial.name}.version").read_text() == '"1"'
        server.if_ranges.clear()
        with pytest.raises(ServiceError):
            download(server.url, tmp_path)
    assert server.if_ranges[0] == '"1"'


def test_a_download_continues_in_another_process_where_it_was(tmp_path):
    with FileServer(CONTENT).running() as server:
        whole = download(server.url, tmp_path)
        partial = whole.with_name(whole.name + ".part")
        partial.write_bytes(CONTENT[:500_000])
        whole.unlink()
        server.ranges.clear()
        assert download(server.url, tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["bytes=500000-"]


def test_a_download_that_had_arrived_whole_is_taken_as_it_is(tmp_path):
    with FileServer(CONTENT).running() as server:
        whole = download(server.url, tmp_path)
        whole.rename(whole.with_name(whole.name + ".part"))
        assert download(server.url, tmp_path).read_bytes() == CONTENT


def test_a_server_that_says_no_length_is_read_to_its_end(tmp_path):
    with FileServer(CONTENT, says_length=False).running() as server:
        assert download(server.url, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refusal_is_told_with_url_and_status(tmp_path, status):
    serving = FileServer(CONTENT, status=status).running()
    with serving as server, pytest.raises(ServiceError) as caught:
        download(server.url, tmp_path)
    assert server.url in caught.value.problem
    assert str(status) in caught.value.problem
    assert len(server.ranges) == 1


def test_where_nobody_listens_the_url_is_told(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/photos.zip"
        with pytest.raises(ServiceError) as caught:
            download(url, tmp_path)
    assert url in caught.value.problem
    assert "resume" in caught.value.hint


def test_a_server_that_never_sends_all_is_given_up_and_what_came_is_kept(tmp_path):
    class Stubborn(FileServer):
        def answer(self, request):
            self.breaks_off_after = 1000
            super().answer(request)

    with Stubborn(CONTENT).running() as server, pytest.raises(ServiceError):
        download(server.url, tmp_path)
    (partial,) = tmp_path.glob("*.part")
    assert partial.read_bytes() == CONTENT[: partial.stat().st_size]
    assert partial.stat().st_size == 1000 * len(server.ranges)


@pytest.mark.parametrize("url", ["http://[broken", "http://127.0.0.1:port/a.zip", "http://"])
def test_what_is_no_address_is_a_service_error(tmp_path, url):
    with pytest.raises(ServiceError) as caught:
        download(url, tmp_path)
    assert url in caught.value.problem


def test_a_page_instead_of_an_archive_is_a_data_error(workspace):
    with FileServer(b"<html>sign in</html>").running() as server, pytest.raises(DataError):
        open_dataset(server.url)


def test_two_urls_with_one_file_name_are_kept_apart(tmp_path):
    with FileServer(CONTENT).running("one/a.zip") as one:
        first = download(one.url, tmp_path)
    with FileServer(CONTENT).running("two/a.zip") as two:
        assert download(two.url, tmp_path) != first


def test_the_default_cap_is_twenty_gibibytes():
    assert module.MAX_BYTES == 20 * 1024**3


@pytest.mark.parametrize(
    ("text", "is_one"), [("https://a/b.zip", True), ("http://a", True), ("ftp://a", False)]
)
def test_only_http_is_an_address(text, is_one):
    assert is_url(text) is is_one


def test_a_file_is_on_the_disk_before_it_stands_in_its_place(tmp_path, monkeypatch):
    order = []
    flush, rename = os.fsync, Path.replace

    def noted_flush(handle):
        flush(handle)
        order.append(os.fstat(handle).st_ino)

    def noted_rename(path, target):
        order.append(f"renamed {path.stat().st_ino}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", noted_flush)
    monkeypatch.setattr(Path, "replace", noted_rename)
    with FileServer(CONTENT).running() as server:
        number = download(server.url, tmp_path).stat().st_ino
    assert number in order[: order.index(f"renamed {number}")]


def test_two_that_want_one_file_at_once_fetch_it_once(tmp_path):
    class Slow(FileServer):
        def answer(self, request):
            time.sleep(0.3)
            super().answer(request)

    with Slow(CONTENT).running() as server, ThreadPoolExecutor(4) as pool:
        paths = {*pool.map(lambda _: download(server.url, tmp_path), range(4))}
    (path,) = paths
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("right", [True, False])
def test_an_archive_is_hashed_once_per_opening(tmp_path, monkeypatch, right):
    hashed = []

    def noted(path):
        hashed.append(path)
        return file_sha256(path)

    monkeypatch.setattr(module, "file_sha256", noted)
    wanted = sha256(CONTENT) if right else "0" * 64
    with FileServer(CONTENT).running() as server, contextlib.suppress(ServiceError):
        download(server.url, tmp_path, sha256=wanted)
    assert len(hashed) == 1
