"""Orders: plain, balanced by class, and by a curriculum; their laws."""

from __future__ import annotations

import typing
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.errors import DataError, RecipeError
from darkroom.training.order import make_order, pool_share
from darkroom.training.recipe import Curriculum, Pacing, Recipe

shares = st.floats(0.01, 1)
curricula = st.builds(
    Curriculum,
    difficulty=st.just("brightness"),
    pacing=st.sampled_from(typing.get_args(Pacing)),
    start=shares,
    until=shares,
)
sizes = st.lists(st.integers(1, 30), min_size=1, max_size=4)


def one_hot(*counts: int) -> np.ndarray:
    return np.eye(len(counts), dtype=np.float32)[np.repeat(np.arange(len(counts)), counts)]


def ranks_of(images: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(images) / images


def easy_first(**settings) -> Recipe:
    usual = {"difficulty": "brightness", "start": 0.2, "until": 0.5}
    return Recipe(epochs=4, seed=3, curriculum=Curriculum(**(usual | settings)))


def is_fair(taken: np.ndarray, images: np.ndarray) -> bool:
    """Tell whether no image was taken twice before all were once, and so on."""
    counts = Counter(taken[np.isin(taken, images)].tolist())
    often = [counts[image] for image in images.tolist()]
    return max(often) - min(often) <= 1


@given(curricula, st.floats(0, 1), st.floats(0, 1))
def test_a_pool_never_shrinks_and_stays_between_its_start_and_all(curriculum, one, other):
    before, after = (pool_share(at, curriculum) for at in sorted((one, other)))
    assert curriculum.start <= before <= after <= 1


@given(curricula)
def test_a_pool_begins_at_its_start_and_is_whole_from_until_on(curriculum):
    assert pool_share(0, curriculum) == pytest.approx(curriculum.start)
    assert pool_share(curriculum.until, curriculum) == 1
    assert pool_share(1, curriculum) == 1


def test_the_four_pacings_grow_at_their_own_speed():
    half = {
        pacing: pool_share(0.25, Curriculum(difficulty="edges", pacing=pacing, start=0.1))
        for pacing in typing.get_args(Pacing)
    }
    assert half["step"] == 0.1
    assert half["exponential"] == pytest.approx(0.1**0.5)
    assert half["linear"] == pytest.approx(0.55)
    assert half["root"] == pytest.approx(0.505**0.5)


@given(st.integers(0, 2**32 - 1), st.integers(0, 500), st.integers(1, 60))
def test_a_plain_order_is_the_shuffle_by_seed_and_epoch(seed, epoch, images):
    order = make_order(Recipe(seed=seed), one_hot(images))(epoch)
    plain = np.random.default_rng((seed, epoch)).permutation(images)
    np.testing.assert_array_equal(order, plain)


@given(sizes, st.integers(0, 20))
def test_balanced_classes_come_equally_often_and_each_walks_all_its_images(counts, epoch):
    targets = one_hot(*counts)
    taken = make_order(Recipe(balance="sampling", seed=1), targets)(epoch)
    assert len(taken) == len(targets)
    drawn = np.bincount(targets[taken].argmax(axis=1), minlength=len(counts))
    assert drawn.max() - drawn.min() <= 1
    assert all(is_fair(taken, np.flatnonzero(column)) for column in targets.T)


def test_control_a_plain_order_is_not_balanced():
    targets = one_hot(30, 3)
    drawn = targets[make_order(Recipe(), targets)(0)].sum(axis=0)
    assert drawn.tolist() == [30, 3]


def test_a_class_without_images_takes_no_turn():
    targets = np.hstack([one_hot(9, 3), np.zeros((12, 1), np.float32)])
    taken = make_order(Recipe(balance="sampling"), targets)(0)
    assert targets[taken].sum(axis=0).tolist() == [6, 6, 0]


def test_every_image_of_a_common_class_is_met_within_a_few_epochs():
    order = make_order(Recipe(balance="sampling"), one_hot(40, 4))
    assert set(np.concatenate([order(epoch) for epoch in range(20)])) == set(range(44))


def test_of_several_labels_each_takes_its_turn_and_so_do_images_without_any():
    # 20 images with the first label, 4 of them with the second too, and 10 with none.
    targets = np.zeros((30, 2), np.float32)
    targets[:20, 0] = targets[:4, 1] = 1
    taken = make_order(Recipe(balance="sampling", seed=5), targets)(0)
    drawn = Counter(taken.tolist())
    assert sum(drawn[image] for image in range(20, 30)) == 10  # a third of the turns
    assert sum(drawn[image] for image in range(4)) >= 10  # its own turns, and some of the first's
    assert len(taken) == 30


@given(curricula, sizes, st.integers(0, 3), st.booleans())
def test_an_epoch_of_a_curriculum_is_whole_within_its_pool_and_has_every_class(
    curriculum, counts, epoch, balanced
):
    recipe = Recipe(
        epochs=4, curriculum=curriculum, balance="sampling" if balanced else "none", seed=2
    )
    targets = one_hot(*counts)
    ranks = ranks_of(len(targets))
    taken = make_order(recipe, targets, ranks=ranks)(epoch)
    assert len(taken) == len(targets)
    if balanced:
        drawn = np.bincount(targets[taken].argmax(axis=1), minlength=len(counts))
        assert drawn.max() - drawn.min() <= 1
    last = pool_share((epoch + 31 / 32) / 4, curriculum)
    for column in targets.T:
        images = np.flatnonzero(column)
        pool = images[np.argsort(ranks[images])][: int(np.ceil(last * len(images) - 1e-9))]
        of_class = taken[np.isin(taken, images)]
        assert set(of_class) <= set(pool)
        assert len(of_class)
        assert balanced or images[np.argmin(ranks[images])] in of_class


def test_images_of_a_pool_that_does_not_grow_are_taken_equally_often():
    recipe = easy_first(pacing="step", until=1.0)
    taken = make_order(recipe, one_hot(90), ranks=np.arange(90) / 90)(1)
    assert is_fair(taken, np.arange(18))
    assert set(taken) == set(range(18))


def test_the_first_images_are_the_easiest_of_every_class():
    targets = one_hot(200, 50)
    ranks = ranks_of(250)
    taken = make_order(easy_first(), targets, ranks=ranks)(0)[:7]  # before the pool first grows
    for column in targets.T:
        images = np.flatnonzero(column)
        easiest = images[np.argsort(ranks[images])][: len(images) // 5]
        assert set(taken) & set(images) <= set(easiest)


def test_the_pool_grows_within_an_epoch():
    ranks = np.arange(1_000) / 1_000
    order = make_order(easy_first(until=0.25), one_hot(1_000), ranks=ranks)
    hardest = [ranks[chunk].max() for chunk in np.split(order(0), 10)]
    assert hardest == sorted(hardest)
    assert 0.2 <= hardest[0] < 0.3
    assert hardest[-1] > 0.9


def test_no_class_is_missing_where_all_of_another_are_easier():
    targets = one_hot(80, 20)
    taken = make_order(easy_first(), targets, ranks=np.arange(100) / 100)(0)
    assert 10 <= targets[taken].sum(axis=0)[1] <= 30
    # The control: one pool of the easiest of all images would hold the first class alone.
    assert set(targets[:20].argmax(axis=1)) == {0}


def test_when_all_images_are_in_the_order_is_the_plain_one():
    recipe, targets = easy_first(), one_hot(30, 20)
    order = make_order(recipe, targets, ranks=ranks_of(50))
    plain = make_order(Recipe(seed=3), targets)
    np.testing.assert_array_equal(order(2), plain(2))
    assert not np.array_equal(order(1), plain(1))


def test_an_order_depends_on_seed_epoch_and_ranks_and_on_nothing_else():
    recipe, targets, ranks = easy_first(), one_hot(30, 20), ranks_of(50)
    order = make_order(recipe, targets, ranks=ranks)
    first = order(0)
    order(3)
    np.testing.assert_array_equal(first, order(0))
    np.testing.assert_array_equal(first, make_order(recipe, targets, ranks=ranks)(0))
    assert not np.array_equal(first, order(1))
    assert not np.array_equal(first, make_order(recipe, targets, ranks=ranks_of(50, 1))(0))


def test_images_of_one_difficulty_are_chosen_by_the_seed_and_not_by_their_names():
    targets, equal = one_hot(100), np.zeros(100)
    early = set(make_order(easy_first(), targets, ranks=equal)(0)[:3])
    assert not early <= set(range(20))


def test_numbers_to_predict_are_no_classes():
    targets = np.linspace(-1, 1, 40, dtype=np.float32)[:, None]
    order = make_order(easy_first(), targets, ranks=np.arange(40) / 40)
    assert set(order(0)[:4]) <= set(range(9))
    assert sorted(order(2)) == list(range(40))


@pytest.mark.parametrize(
    ("recipe", "ranks", "error", "told"),
    [
        (easy_first(), None, RecipeError, "ranks"),
        (Recipe(epochs=3), np.zeros(5), RecipeError, "curriculum"),
        (Recipe(curriculum=Curriculum(difficulty="edges")), np.zeros(5), RecipeError, "epochs"),
        (easy_first(), np.zeros(4), DataError, "4 of 5"),
        (easy_first(), np.array([0, 0, np.nan, 0, 0]), DataError, "4 of 5"),
    ],
)
def test_an_order_by_difficulty_that_cannot_be_is_refused(recipe, ranks, error, told):
    with pytest.raises(error) as refused:
        make_order(recipe, one_hot(5), ranks=ranks)
    assert told in refused.value.problem
