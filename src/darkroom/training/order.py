"""The order in which a training takes its images: shuffled, balanced by class, or easy ones first.

An order is a pure function of the seed, the number of the epoch and the images' difficulty.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from darkroom.errors import DataError, RecipeError
from darkroom.training.recipe import Curriculum, Recipe

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from darkroom.training.batches import Order

_CHUNKS = 32  # per epoch: so often a growing pool grows


def pool_share(progress: float, curriculum: Curriculum) -> float:
    """Give the share of the images that a curriculum draws from at a point of the training.

    Args:
        progress: 0 at the first step, 1 after the last.
        curriculum: Names the pacing, where it starts, and when all images are in.

    Returns:
        `start` to 1, never falling; exactly 1 from `until` on. `linear` grows evenly, `root`
        fast at first, `exponential` slowly at first, and `step` not before `until`.

    Source: step and exponential, Hacohen and Weinshall 2019, arXiv:1904.03626, the latter without
        its steps; root, Platanios et al. 2019, arXiv:1903.09848.
    """
    start, way = curriculum.start, min(progress / curriculum.until, 1.0)
    if way == 1.0:
        return 1.0
    share = {
        "linear": start + (1.0 - start) * way,
        "root": math.sqrt(start**2 + (1.0 - start**2) * way),
        "step": start,
        "exponential": math.pow(start, 1.0 - way),
    }[curriculum.pacing]
    return min(max(share, start), 1.0)  # rounding may leave the bounds


def make_order(
    recipe: Recipe,
    targets: Float[np.ndarray, "images classes"],
    *,
    ranks: Float[np.ndarray, "images"] | None = None,
) -> Order:
    """Make the function that says which images an epoch takes, one after the other.

    Without more, an epoch takes every image once. With `balance="sampling"` all classes take
    turns, and each walks its own images; of several labels each counts, and images without any
    label are one more class. A curriculum draws from the easiest share of every class, at least one
    image of each, so no class is missing from any epoch. In all of them no image is taken a second
    time in an epoch before all others that it stands among were taken once; with several labels it
    stands among the images of each.

    Args:
        recipe: Seed, balance and curriculum; with a curriculum `epochs` is settled.
        targets: Ones where an image has a class; or numbers in one column, which are no classes.
        ranks: How difficult each image is, 0 easiest to 1; with a curriculum.

    Returns:
        Epoch, from 0, to as many indices as there are images.

    Raises:
        RecipeError: There is a curriculum without ranks or epochs, or ranks without a curriculum.
        DataError: There are not as many ranks as images, or one is no number.
    """
    classes = _classes(targets)
    entries = np.zeros(len(targets))
    if recipe.curriculum is not None or ranks is not None:
        entries = _entries(classes, _checked(recipe, ranks, len(targets)), recipe.seed)
    together = classes if recipe.balance == "sampling" else [np.arange(len(targets))]
    walks = [images[np.argsort(entries[images], kind="stable")] for images in together]

    def order(epoch: int) -> Int[np.ndarray, "images"]:
        rng = np.random.default_rng((recipe.seed, epoch))
        turns = rng.permutation(len(walks)) if len(walks) > 1 else np.zeros(1, np.int64)
        queues = [_Queue(rng, walk, entries[walk]) for walk in walks]
        taken = []
        for start, stop, share in _chunks(recipe, epoch, len(targets)):
            counts = [_turns(stop, turn, len(walks)) - _turns(start, turn, len(walks))
                      for turn in turns.tolist()]  # fmt: skip
            drawn = np.concatenate(
                [queue.draw(count, share) for queue, count in zip(queues, counts, strict=True)]
            )
            taken.append(rng.permutation(drawn) if len(walks) > 1 else drawn)
        return np.concatenate(taken)

    return order


class _Queue:
    """Walks images in fresh shuffles; what comes in on the way is shuffled into what is left."""

    def __init__(
        self,
        rng: np.random.Generator,
        images: Int[np.ndarray, "images"],
        entries: Float[np.ndarray, "images"],
    ) -> None:
        self._rng, self._images, self._entries = rng, images, entries
        self._size, self._left = 0, images[:0]

    def draw(self, count: int, share: float) -> Int[np.ndarray, "count"]:
        """Take the next images of those that come in below a share."""
        size = int(np.searchsorted(self._entries, share))
        if size > self._size:
            waiting = np.append(self._left, self._images[self._size : size])
            # Sorted first: when all are in, this is the shuffle of an epoch without a curriculum.
            self._size, self._left = size, self._rng.permutation(np.sort(waiting))
        while len(self._left) < count:
            again = self._rng.permutation(np.sort(self._images[:size]))
            self._left = np.append(self._left, again)
        drawn, self._left = self._left[:count], self._left[count:]
        return drawn


def _chunks(recipe: Recipe, epoch: int, images: int) -> list[tuple[int, int, float]]:
    """Cut an epoch where its pool grows: first image, the one after the last, share."""
    curriculum, epochs = recipe.curriculum, recipe.epochs
    if curriculum is None or epochs is None or pool_share(epoch / epochs, curriculum) == 1.0:
        return [(0, images, 1.0)]
    cuts = [images * chunk // _CHUNKS for chunk in range(_CHUNKS + 1)]
    return [
        (start, stop, pool_share((epoch + start / images) / epochs, curriculum))
        for start, stop in itertools.pairwise(cuts)
    ]


def _turns(drawn: int, turn: int, of: int) -> int:
    """Count the turns that one of several has had after so many draws."""
    return (drawn + of - 1 - turn) // of


def _classes(targets: Float[np.ndarray, "images classes"]) -> list[Int[np.ndarray, "of_class"]]:
    """Give the images of each class that has some, then those without a class."""
    if targets.shape[1] == 1 and not np.isin(targets, (0, 1)).all():
        return [np.arange(len(targets))]
    has = np.column_stack([targets > 0, ~(targets > 0).any(axis=1)])
    return [np.flatnonzero(column) for column in has.T if column.any()]


def _entries(
    classes: Sequence[Int[np.ndarray, "of_class"]],
    ranks: Float[np.ndarray, "images"],
    seed: int,
) -> Float[np.ndarray, "images"]:
    """Give the share of its class, 0..1, that is easier than each image; of several, the least.

    What is equally difficult stands in an order drawn by the seed.
    """
    ties = np.random.default_rng(seed).permutation(len(ranks))
    entries = np.ones(len(ranks))
    for images in classes:
        easiest_first = images[np.lexsort((ties[images], ranks[images]))]
        shares = np.arange(len(images)) / len(images)
        entries[easiest_first] = np.minimum(entries[easiest_first], shares)
    return entries


def _checked(
    recipe: Recipe, ranks: Float[np.ndarray, "images"] | None, images: int
) -> Float[np.ndarray, "images"]:
    if recipe.curriculum is None or recipe.epochs is None or ranks is None:
        lacks = "curriculum" if recipe.curriculum is None else "epochs"
        raise RecipeError(
            f"an order by difficulty needs {'ranks' if ranks is None else lacks}, got none",
            hint="ranks=difficulty(dataset, recipe.curriculum), --set epochs=10",
        )
    if ranks.shape != (images,) or not np.isfinite(ranks).all():
        raise DataError(
            f"there are ranks of difficulty for {np.isfinite(ranks).sum():,} of {images:,} images",
            hint="ranks=difficulty(dataset, recipe.curriculum)",
        )
    return ranks
