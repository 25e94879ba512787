"""What an explanation is worth: deletion, insertion, and what random weights would have drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.decision import log_odds
from darkroom.evaluation.explain.heat import CELLS, cell_means, grid, shown_where
from darkroom.evaluation.explain.redrawn import Redrawn
from darkroom.evaluation.explain.subject import Known, Subject

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt8

    from darkroom.evaluation.explain.heat import Heat

    Order = Int[np.ndarray, "orders cells"]
    Image = UInt8[np.ndarray, "height width channels"]

RANDOM_ORDERS = 19  # to beat all of them by chance happens once in 20 times
REDRAWS = 9  # networks with random weights that the answers are held against
_LIMIT = 4.7443  # the quantile of 99.9 % of Student's t with 8 degrees, times the root of 1 + 1/9


class Curves(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to a class as cells go and come in some orders."""

    deletion: Float[np.ndarray, "orders"]  # mean probability while they go, the first first
    insertion: Float[np.ndarray, "orders"]  # ... while they come
    # By how much the mean log odds while they come exceed those while they go: how soon an order
    # brings the class and takes it, also where its probability is nearly 0 or 1.
    gain: Float[np.ndarray, "orders"]


class Learned(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether the answers are better than those of random weights."""

    images: int  # whose labels are known
    own: float  # how well it tells each class from the others: 0.5 guesses, 1 is perfect
    redrawn: tuple[float, ...]  # the same with random weights, one for each draw
    limit: float  # where 99.9 % of such draws lie below

    @property
    def is_more(self) -> bool:
        """Whether random weights hardly ever answer as well."""
        return self.own > self.limit


def curves(subject: Subject, image: Image, one: int, orders: Order) -> Curves:
    """Take an image's cells away, and put them back, in some orders.

    A cell that is away has the median colour of the image.

    Args:
        subject: Answers.
        image: Prepared.
        one: The class whose probability is followed.
        orders: Each names every cell once, the first to go and to come first.

    Source: deletion and insertion, Petsiuk et al. 2018, arXiv:1806.07421.
    """
    cells = orders.shape[1]
    steps = _steps(cells)
    place = np.argsort(orders, axis=1)[:, None, :]
    going, coming = place >= steps[:, None], place < steps[:, None]
    kept = np.stack([going, coming]).reshape(-1, cells)
    shown = shown_where(image, kept, grid(image.shape[:2], CELLS))
    answers = subject.answer(shown)
    deletion, insertion, going_odds, coming_odds = (
        np.trapezoid(each, steps / cells, axis=1)
        for values in (answers, log_odds(answers, "multi-label"))
        for each in values[:, one].astype(np.float64).reshape(2, len(orders), -1)
    )
    return Curves(deletion=deletion, insertion=insertion, gain=coming_odds - going_odds)


def _steps(cells: int) -> Int[np.ndarray, "steps"]:
    """Say after how many cells to look: often at first, where most happens, then at each eighth."""
    doubled = 2 ** np.arange(int(np.log2(cells)) + 1)
    return np.unique([*doubled[doubled < cells / 8], *np.arange(9) * cells // 8])


def random_orders(cells: int, seed: int) -> Order:
    """Draw the orders that a heat map's has to beat."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(cells) for _ in range(RANDOM_ORDERS)])


def order_of(heat: Heat, seed: int) -> Order:
    """Put the cells of each map in order, the hottest first; equal ones at random."""
    means = cell_means(heat)
    shuffled = np.random.default_rng(seed).permutation(means.shape[1])
    return np.asarray(shuffled[np.argsort(-means[:, shuffled], axis=1, kind="stable")])


def likeness(one: Heat, other: Heat) -> Float[np.ndarray, "images"]:
    """Give the rank correlation of two maps of each image over their cells, -1..1.

    Where one of them is the same everywhere it is 0.
    """
    from scipy.stats import rankdata

    ranks = [rankdata(cell_means(heat), axis=1) for heat in (one, other)]
    left, right = (each - each.mean(axis=1, keepdims=True) for each in ranks)
    size = np.sqrt((left**2).sum(axis=1) * (right**2).sum(axis=1))
    both = (left * right).sum(axis=1)
    return np.asarray(np.divide(both, size, out=np.zeros_like(both), where=size > 0))


def hold_against_random_weights(subject: Subject, redrawn: Redrawn, known: Known) -> Learned:
    """Compare how well classes are told from each other with how random weights do.

    Args:
        subject: Whose answers are in question.
        redrawn: The same network with random weights.
        known: Images that no training has seen.
    """
    from scipy.special import expit, logit

    drawn = tuple(
        told_apart(redrawn.subject(number).answer(known.pixels), known.targets)
        for number in range(REDRAWS)
    )
    # On the scale of log odds, for what is told apart never exceeds 1.
    odds = logit(np.clip(drawn, 1e-6, 1 - 1e-6))
    limit = expit(odds.mean() + _LIMIT * odds.std(ddof=1))
    own = told_apart(subject.answer(known.pixels), known.targets)
    return Learned(images=len(known.pixels), own=own, redrawn=drawn, limit=float(limit))


def told_apart(
    probabilities: Float[np.ndarray, "images classes"], targets: Float[np.ndarray, "images classes"]
) -> float:
    """Say how well each class is told from the others, on average over the classes.

    Who always answers the same gets 0.5, however frequent that class is.

    Args:
        probabilities: 0..1.
        targets: Ones at each image's labels.

    Returns:
        The mean of a class's probability where it is right, and of the rest where it is not.

    Source: own, after balanced accuracy.
    """
    right, wrong = targets.sum(axis=0), (1 - targets).sum(axis=0)
    is_told = (right > 0) & (wrong > 0)
    where_right = (probabilities * targets).sum(axis=0) / np.maximum(right, 1)
    where_wrong = ((1 - probabilities) * (1 - targets)).sum(axis=0) / np.maximum(wrong, 1)
    return float(((where_right + where_wrong) / 2)[is_told].mean()) if is_told.any() else 0.5
