"""The parts that tell likeness: fingerprints, their index, registration, comparison, clusters."""

from __future__ import annotations

import random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.data.decode import decode_image
from darkroom.data.likeness.clusters import join_pairs
from darkroom.data.likeness.descriptor import fingerprint_images, is_plain, shrink
from darkroom.data.likeness.index import MOST_BITS, find_candidates
from darkroom.data.likeness.registration import align, no_warp
from darkroom.data.likeness.verify import COARSE, LEVELS, verify_pairs
from darkroom.data.preprocess import Preprocess, prepare_pixels
from tests.data.scenes import SMALL_CHANGES, draw_scene, encoded

SQUARE = Preprocess(height=64, width=64)


def pixels_of(*files: bytes, preprocess: Preprocess = SQUARE) -> np.ndarray:
    return np.stack([prepare_pixels(decode_image(data), preprocess) for data in files])


@pytest.fixture(scope="module")
def scenes() -> np.ndarray:
    return pixels_of(*(encoded(draw_scene(number)) for number in range(40)))


def distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.bitwise_count(one ^ other).sum(axis=1)


def likeness_of(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Compare the pictures of two stacks, each with the one at its place in the other."""
    both = np.concatenate([one, other])
    coarse = np.rint(shrink(both, COARSE)).astype(np.uint8)
    rows = np.arange(len(one))
    return verify_pairs(
        lambda chosen: both[chosen], coarse, np.ones(len(both), bool), rows, rows + len(one)
    )


def test_a_fingerprint_depends_on_nothing_but_its_picture(scenes):
    whole = fingerprint_images(scenes)
    alone = np.concatenate([fingerprint_images(scenes[n : n + 1]) for n in range(len(scenes))])
    assert np.array_equal(whole, alone)
    assert np.array_equal(whole[::-1], fingerprint_images(scenes[::-1]))


@pytest.mark.parametrize("change", SMALL_CHANGES)
def test_fingerprints_of_changed_copies_are_near(scenes, change):
    copies = pixels_of(*(SMALL_CHANGES[change](draw_scene(number)) for number in range(40)))
    assert (distance(fingerprint_images(scenes), fingerprint_images(copies)) <= MOST_BITS).all()


def test_control_fingerprints_of_other_pictures_are_far(scenes):
    prints = fingerprint_images(scenes)
    apart = distance(prints[:-1], prints[1:])
    assert (apart > MOST_BITS).mean() > 0.95
    assert 100 < apart.mean() < 140


@pytest.mark.parametrize("size", [(64, 64), (24, 50), (32, 31), (28, 28)])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_shape_has_a_fingerprint(size, channels):
    small = Preprocess(height=size[1], width=size[0], channels=channels)
    pixels = pixels_of(encoded(draw_scene(1)), encoded(draw_scene(2)), preprocess=small)
    prints = fingerprint_images(pixels)
    assert prints.shape == (2, 4)
    assert distance(prints[:1], prints[1:]) > MOST_BITS


def test_walls_are_plain_and_scenes_are_not(scenes):
    walls = np.full_like(scenes, 90)
    walls[:, ::2] += 3
    assert is_plain(walls).all()
    assert not is_plain(scenes).any()


def random_prints(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, (count, 4), np.uint64)


def flipped(prints: np.ndarray, share: float, seed: int = 1) -> np.ndarray:
    coins = np.random.default_rng(seed).random((len(prints), 256)) < share
    return prints ^ np.packbits(coins, axis=1).view(np.uint64)


def pairs_of(prints: np.ndarray) -> set[tuple[int, int]]:
    found = find_candidates(prints)
    return set(zip(found.first.tolist(), found.second.tolist(), strict=True))


def test_planted_pairs_are_found_among_many():
    prints = random_prints(20_000)
    prints[:500] = flipped(prints[500:1000], 0.1)
    found = pairs_of(prints)
    assert len({(row, row + 500) for row in range(500)} & found) >= 495
    assert len(found) <= 500


def test_control_a_single_table_would_miss_most(monkeypatch):
    monkeypatch.setattr("darkroom.data.likeness.index._TABLES", 1)
    monkeypatch.setattr("darkroom.data.likeness.index._MERGED_TABLES", 1)
    prints = random_prints(20_000)
    prints[:500] = flipped(prints[500:1000], 0.1)
    assert len(pairs_of(prints)) < 250


def test_pairs_do_not_depend_on_the_order_of_rows():
    prints = random_prints(3000)
    prints[:300] = flipped(prints[300:600], 0.08)
    order = np.random.default_rng(3).permutation(3000)
    shuffled = pairs_of(prints[order])
    back = {tuple(sorted((int(order[one]), int(order[other])))) for one, other in shuffled}
    assert back == pairs_of(prints)
    assert len(back) == 300


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_few_rows_are_compared_as_they_are(count):
    prints = np.repeat(random_prints(1), count, axis=0)
    assert len(pairs_of(prints)) == count * (count - 1) // 2


@pytest.mark.parametrize("share", [0.0, 0.02])
def test_a_crowd_that_looks_the_same_costs_no_more_than_its_windows(share):
    prints = flipped(np.repeat(random_prints(1), 3000, axis=0), share)
    found = find_candidates(prints)
    assert found.compared <= 64 * 32 * 3000
    assert len(found.first) <= 16 * 3000
    (cluster,) = join_pairs(
        (str(one), str(other)) for one, other in zip(found.first, found.second, strict=True)
    )
    assert len(cluster) == 3000


def test_comparisons_grow_no_faster_than_the_rows():
    few, many = (find_candidates(random_prints(count)).compared for count in (2_000, 32_000))
    assert many <= 2 * 16 * few


def test_a_known_shift_is_recovered(scenes):
    grey = shrink(scenes, 64)
    shift = 3  # pixels, of 58
    warps = align(grey[:, 3:-3, shift:-shift], grey[:, 3:-3, : -2 * shift], no_warp(40), 12)
    assert np.median(np.abs(warps[:, 2] - 2 * shift / 58)) < 0.01
    assert np.median(np.abs(warps[:, [0, 1, 3, 4, 5]])) < 0.01


def test_a_picture_is_wholly_like_itself(scenes):
    assert (likeness_of(scenes, scenes) > 0.99).all()


def test_other_pictures_are_refused(scenes):
    assert (likeness_of(scenes[:-1], scenes[1:]) == 0).all()


def test_one_scene_from_two_places_is_refused(scenes):
    moved = pixels_of(*(encoded(draw_scene(n).crop((24, 0, 96, 80))) for n in range(40)))
    assert (likeness_of(scenes, moved) == 0).mean() > 0.9


def framed(scenes: np.ndarray) -> np.ndarray:
    """Put pictures into one and the same white frame with round corners."""
    down, across = np.mgrid[-1:1:64j, -1:1:64j]
    outside = (np.abs(down) ** 8 + np.abs(across) ** 8) > 0.8**8
    return np.where(outside[:, :, None], np.uint8(250), scenes // 4 + 20)


def test_other_pictures_in_the_same_frame_are_refused(scenes):
    pictures = framed(scenes)
    assert not likeness_of(pictures[:20], pictures[20:]).any()
    assert (likeness_of(pictures, pictures) > 0.99).all()


def test_control_the_frame_alone_would_make_some_of_them_alike(scenes, monkeypatch):
    blind = tuple(msgspec.structs.replace(level, block=-1.0) for level in LEVELS)
    monkeypatch.setattr("darkroom.data.likeness.verify.LEVELS", blind)
    pictures = framed(scenes)
    assert likeness_of(pictures[:20], pictures[20:]).any()


def test_what_was_pasted_over_a_third_is_another_picture(scenes):
    spoilt = scenes.copy()
    spoilt[:, :, :22] = np.roll(scenes, 1, axis=0)[:, :, :22]
    assert (likeness_of(scenes, spoilt) == 0).all()


def test_likeness_is_the_same_whatever_stands_beside(scenes):
    copies = pixels_of(*(SMALL_CHANGES["cropped"](draw_scene(number)) for number in range(40)))
    together = likeness_of(scenes, copies)
    alone = [likeness_of(scenes[n : n + 1], copies[n : n + 1])[0] for n in range(0, 40, 8)]
    assert (together > 0).all()
    assert together[::8] == pytest.approx(alone, abs=1e-3)


def test_nothing_to_compare_gives_nothing(scenes):
    assert len(likeness_of(scenes[:0], scenes[:0])) == 0


LINKS = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh")), max_size=12)


@settings(deadline=None)
@given(LINKS, st.randoms())
def test_clusters_do_not_depend_on_the_order_of_pairs(links, shuffler: random.Random):
    clusters = join_pairs(links)
    mixed = [tuple(shuffler.sample(link, 2)) for link in shuffler.sample(links, len(links))]
    assert join_pairs(mixed) == clusters
    names = [name for cluster in clusters for name in cluster]
    assert len(names) == len(set(names))
    assert {name for link in links if link[0] != link[1] for name in link} == set(names)


def test_a_chain_is_one_cluster_and_an_island_another():
    assert join_pairs([("b", "a"), ("x", "y"), ("b", "c")]) == (("a", "b", "c"), ("x", "y"))
