"""The decode-once cache: a key never stands for the wrong pixels, whatever was torn."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import multiprocessing
import resource
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom import open_dataset, split_dataset
from darkroom.data import cache as cache_module
from darkroom.data.cache import RowCache, pixel_cache
from darkroom.data.pixels import load_images
from darkroom.data.preprocess import Preprocess
from darkroom.data.survey import in_chunks, in_order
from darkroom.errors import ArtifactError
from tests.making import draw_folder

SMALL = Preprocess(height=2, width=3)
ROW_BYTES = 2 * 3 * 3


def key_of(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def pixels_of(number: int) -> np.ndarray:
    """Give pixels that belong to exactly one key."""
    seed = int.from_bytes(key_of(number)[:4], "big")
    return np.random.default_rng(seed).integers(0, 256, (2, 3, 3), np.uint8)


def append(cache: RowCache, numbers) -> None:
    numbers = list(numbers)
    with cache.appending() as appender:
        appender.add([key_of(number) for number in numbers], [pixels_of(n) for n in numbers])


def count_known(cache: RowCache, numbers) -> int:
    """Check that every image that is found has its own pixels, and count them."""
    numbers = list(numbers)
    rows = cache.rows([key_of(number) for number in numbers])
    pixels = cache.values()
    for number, row in zip(numbers, rows, strict=True):
        if row >= 0:
            assert np.array_equal(pixels[row], pixels_of(number))
    return int((rows >= 0).sum())


def files_of(folder: Path) -> tuple[Path, Path]:
    (keys,), (pixels,) = folder.glob("*.keys"), folder.glob("*.pixels")
    return keys, pixels


def truncate(path: Path, size: int) -> None:
    with path.open("rb+") as file:
        file.truncate(size)


def test_an_empty_cache_knows_nothing(tmp_path):
    cache = pixel_cache(tmp_path, SMALL)
    assert cache.rows([key_of(1)]).tolist() == [-1]
    assert cache.values().shape == (0, 2, 3, 3)


def test_what_was_added_comes_back_to_the_byte(tmp_path):
    cache = pixel_cache(tmp_path, SMALL)
    append(cache, range(10))
    assert count_known(cache, range(20)) == 10


def test_what_is_there_already_is_not_added_again(tmp_path):
    cache = pixel_cache(tmp_path, SMALL)
    append(cache, range(10))
    append(cache, [3, 3, 11, 11, 9])
    assert len(cache.values()) == 11
    assert count_known(cache, range(12)) == 11


def test_pixels_are_mapped_read_only(tmp_path):
    cache = pixel_cache(tmp_path, SMALL)
    append(cache, range(2))
    assert not cache.values().flags.writeable


def test_rows_stay_when_the_block_is_interrupted(tmp_path):
    cache = pixel_cache(tmp_path, SMALL)
    with contextlib.suppress(KeyboardInterrupt), cache.appending() as appender:
        appender.add([key_of(1)], [pixels_of(1)])
        raise KeyboardInterrupt
    assert count_known(cache, range(3)) == 1


def test_rows_are_not_visible_before_the_block_ends(tmp_path):
    cache = pixel_cache(tmp_path, SMALL)
    with cache.appending() as appender:
        appender.add([key_of(1)], [pixels_of(1)])
        assert count_known(cache, [1]) == 0


def test_rows_of_a_long_block_are_visible_before_it_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module, "_FLUSH_S", 0)
    cache = pixel_cache(tmp_path, SMALL)
    with cache.appending() as appender:
        for number in range(4):
            appender.add([key_of(number)], [pixels_of(number)])
            assert count_known(cache, range(4)) == number + 1
    assert count_known(cache, range(4)) == 4


@settings(deadline=None, max_examples=60)
@given(st.data(), st.sampled_from((0, 1)))
def test_a_torn_file_never_pairs_a_key_with_wrong_pixels(data, which):
    with tempfile.TemporaryDirectory() as folder:
        cache = pixel_cache(Path(folder), SMALL)
        append(cache, range(6))
        torn = files_of(Path(folder))[which]
        truncate(torn, data.draw(st.integers(0, torn.stat().st_size), label="cut at"))
        assert count_known(cache, range(6)) <= 6
        append(cache, [20, 21])
        assert count_known(cache, [20, 21]) == 2
        append(cache, range(6))
        assert count_known(cache, [*range(6), 20, 21]) == 8


@settings(deadline=None, max_examples=30)
@given(st.binary(min_size=1, max_size=3 * ROW_BYTES))
def test_rows_without_keys_are_overwritten(rest):
    with tempfile.TemporaryDirectory() as folder:
        cache = pixel_cache(Path(folder), SMALL)
        append(cache, range(3))
        with files_of(Path(folder))[1].open("ab") as file:
            file.write(rest)
        append(cache, range(6))
        assert count_known(cache, range(6)) == 6


def test_control_appending_without_cutting_torn_rows_pairs_keys_with_wrong_pixels(tmp_path):
    cache = pixel_cache(tmp_path, SMALL)
    append(cache, range(6))
    keys, pixels = files_of(tmp_path)
    truncate(pixels, 5 * ROW_BYTES + 1)
    with keys.open("ab") as file, pixels.open("ab") as rows:  # as `appending`, but cuts nothing
        file.write(key_of(20))
        rows.write(pixels_of(20).tobytes())
    with pytest.raises(AssertionError):
        count_known(cache, [*range(6), 20])


def _append_each(folder: Path, numbers: range) -> None:
    for number in numbers:
        append(pixel_cache(folder, SMALL), [number])


def test_two_processes_that_append_lose_and_mix_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    spans = (range(40), range(20, 60))
    workers = [context.Process(target=_append_each, args=(tmp_path, span)) for span in spans]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    cache = pixel_cache(tmp_path, SMALL)
    assert count_known(cache, range(60)) == 60
    assert len(cache.values()) == 60


def test_a_full_disk_is_told_with_path_and_bytes_and_keeps_what_fitted(tmp_path):
    cache = pixel_cache(tmp_path, SMALL)
    append(cache, range(5))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10 * ROW_BYTES + 7, hard))
    try:
        with pytest.raises(ArtifactError) as caught:
            append(cache, range(5, 50))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(files_of(tmp_path)[1]) in caught.value.problem
    assert f"{45 * ROW_BYTES:,} bytes" in caught.value.problem
    assert count_known(cache, range(50)) == 5


def test_after_a_full_disk_the_cache_goes_on(tmp_path):
    cache = pixel_cache(tmp_path, SMALL)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * ROW_BYTES + 7, hard))
    try:
        with pytest.raises(ArtifactError):
            append(cache, range(10))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    append(cache, range(10))
    assert count_known(cache, range(10)) == 10


def test_keys_that_do_not_fit_are_told_too(tmp_path):
    cache = pixel_cache(tmp_path, SMALL)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10 * ROW_BYTES + 7, hard))  # 10 rows, 5.8 keys
    try:
        with pytest.raises(ArtifactError):
            append(cache, range(10))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    append(cache, range(10))
    assert count_known(cache, range(10)) == 10


def test_only_what_is_missing_is_made_and_all_is_looked_up(tmp_path):
    cache = pixel_cache(tmp_path, SMALL)
    append(cache, [0, 2])
    asked = []

    def make(missing):
        asked.append(missing.tolist())
        for number in np.flatnonzero(missing):
            yield [key_of(number)], [pixels_of(number)]

    for _ in range(2):
        values, rows = cache.look_up([key_of(number) for number in range(4)], make)
        assert all(np.array_equal(values[row], pixels_of(n)) for n, row in enumerate(rows))
    assert asked == [[False, True, False, True]]


def test_a_look_up_tells_of_rows_that_were_not_made(tmp_path):
    cache = pixel_cache(tmp_path, SMALL)
    append(cache, range(3))
    with pytest.raises(ArtifactError) as caught:
        cache.look_up([key_of(number) for number in range(5)], lambda _: [])
    assert "2 of 5 images" in caught.value.problem
    assert str(tmp_path) in caught.value.problem
    _, rows = cache.look_up([key_of(number) for number in range(3)], lambda _: [])
    assert rows.tolist() == [0, 1, 2]  # control: what is there is found


def test_a_cache_that_lost_what_was_put_there_is_told_and_no_other_image_is_taken(
    tmp_path, workspace, monkeypatch
):
    dataset = split_dataset(open_dataset(draw_folder(tmp_path / "shapes", per_class=6)))
    other = Preprocess(height=9, width=9)
    load_images(dataset, "valid", other)
    monkeypatch.setattr("darkroom.data.prepared.prepared_images", lambda *_: iter(()))
    with pytest.raises(ArtifactError) as caught:
        load_images(dataset, "train", other)
    assert str(workspace.cache / "pixels") in caught.value.problem
    assert len(load_images(dataset, "valid", other)) > 0  # control: what is there is taken


@given(st.lists(st.integers(0, 20 * 2**20), max_size=600))
def test_chunks_keep_all_in_order_and_end_at_256_images_or_8_mib(sizes):
    chunks = list(in_chunks((size, size) for size in sizes))
    assert [size for chunk in chunks for size in chunk] == sizes
    assert all(1 <= len(chunk) <= 256 for chunk in chunks)
    assert all(sum(chunk[:-1]) < 8 * 2**20 for chunk in chunks)
    for chunk in chunks[:-1]:
        assert len(chunk) == 256 or sum(chunk) >= 8 * 2**20


def test_large_photographs_are_prepared_a_few_at_a_time(tmp_path, workspace, monkeypatch):
    dataset = split_dataset(open_dataset(draw_folder(tmp_path / "shapes", per_class=6)))
    monkeypatch.setattr("darkroom.data.survey._CHUNK_BYTES", 1)
    chunks = []

    def spy(work, given, *, total):
        chunks.extend(list(chunk) for chunk in given)
        return in_order(work, chunks, total=total)

    monkeypatch.setattr("darkroom.data.prepared.in_order", spy)
    load_images(dataset, "train", Preprocess(height=9, width=9))
    assert chunks
    assert all(len(chunk) == 1 for chunk in chunks)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ArtifactError) as caught:
        append(pixel_cache(tmp_path / "file", SMALL), [1])
    assert str(tmp_path / "file") in caught.value.problem


@pytest.mark.parametrize("scaling", ["unit", "signed", "bytes"])
def test_every_scaling_shares_one_cache(tmp_path, scaling):
    append(pixel_cache(tmp_path, SMALL), range(3))
    other = pixel_cache(tmp_path, Preprocess(height=2, width=3, scaling=scaling))
    assert count_known(other, range(3)) == 3


@pytest.mark.parametrize(
    "other",
    [
        Preprocess(height=3, width=2),
        Preprocess(height=2, width=3, channels=1),
        Preprocess(height=2, width=3, resize="pad"),
    ],
)
def test_everything_else_has_a_cache_of_its_own(tmp_path, other):
    append(pixel_cache(tmp_path, SMALL), range(3))
    rows = pixel_cache(tmp_path, other).rows([key_of(number) for number in range(3)])
    assert rows.tolist() == [-1, -1, -1]


def other_decoder(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("darkroom.data.cache.DECODER", 999)


def other_pillow(patch: pytest.MonkeyPatch) -> None:
    other_version(patch, "pillow")


def other_simplejpeg(patch: pytest.MonkeyPatch) -> None:
    other_version(patch, "simplejpeg")


def other_version(patch: pytest.MonkeyPatch, library: str) -> None:
    known = importlib.metadata.version
    patch.setattr(
        importlib.metadata, "version", lambda name: "0.0.0" if name == library else known(name)
    )


@pytest.mark.parametrize("change", [other_decoder, other_pillow, other_simplejpeg])
def test_pixels_of_another_decoder_are_not_taken(tmp_path, monkeypatch, change):
    append(pixel_cache(tmp_path, SMALL), range(3))
    with monkeypatch.context() as patch:
        change(patch)
        assert count_known(pixel_cache(tmp_path, SMALL), range(3)) == 0
    assert count_known(pixel_cache(tmp_path, SMALL), range(3)) == 3  # control: by the same one
