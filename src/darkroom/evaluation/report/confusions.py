"""What is taken for what: a table whose cells open their images, or a list of the largest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from darkroom.evaluation.metrics import Metrics

MOST_CLASSES = 30  # of a table; of more the largest confusions are listed
_LISTED, _BESIDE = 30, 8  # confusions in a list that stands alone, and beside a table


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One true class and what it was taken for."""

    true: str
    taken: str
    images: int
    of_true: float | None  # share of the true class, 0..1; None: it has no image
    of_taken: float | None  # share of what was taken for that class; None: nothing was
    shades: tuple[int, int]  # 0..100, by true and by predicted class: how strong its colour is
    key: str  # under which its pictures are kept

    @property
    def is_right(self) -> bool:
        """Whether the class was taken for itself."""
        return self.true == self.taken


class Confusions(msgspec.Struct, frozen=True, kw_only=True):
    """The cells, row by row, and the largest of those that are wrong."""

    classes: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]  # empty when there are too many classes
    largest: tuple[Cell, ...]
    wrong: int  # images that were taken for another class
    pairs: int  # cells that hold them


def find_confusions(metrics: Metrics) -> Confusions | None:
    """Arrange the confusion matrix for reading; None when images have several labels."""
    counts = np.array(metrics.confusion, np.int64)
    if not counts.size:
        return None
    names = tuple(each.name for each in metrics.classes)
    by_true, by_taken = _shares(counts, 1), _shares(counts, 0)
    shades = _shades(by_true), _shades(by_taken)
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)

    def cell(true: int, taken: int) -> Cell:
        return Cell(
            true=names[true],
            taken=names[taken],
            images=int(counts[true, taken]),
            of_true=_known(by_true[true, taken]),
            of_taken=_known(by_taken[true, taken]),
            shades=(int(shades[0][true, taken]), int(shades[1][true, taken])),
            key=f"{true},{taken}",
        )

    is_table = len(names) <= MOST_CLASSES
    every = range(len(names))
    order = np.argsort(-wrong, axis=None, kind="stable")[: _BESIDE if is_table else _LISTED]
    return Confusions(
        classes=names,
        rows=tuple(tuple(cell(true, taken) for taken in every) for true in every)
        if is_table
        else (),
        largest=tuple(
            cell(*divmod(place, len(names))) for place in order.tolist() if wrong.flat[place]
        ),
        wrong=int(wrong.sum()),
        pairs=int((wrong > 0).sum()),
    )


def _shares(counts: Int[np.ndarray, "true taken"], axis: int) -> Float[np.ndarray, "true taken"]:
    whole = counts.sum(axis=axis, keepdims=True)
    nothing = np.full(counts.shape, np.nan)
    return np.asarray(np.divide(counts, whole, out=nothing, where=whole > 0))


def _shades(shares: Float[np.ndarray, "true taken"]) -> Int[np.ndarray, "true taken"]:
    """Say how strongly each cell is coloured, 0..100.

    Errors are rare: they have a colour of their own, full for the largest share among them.
    """
    known = np.nan_to_num(shares)
    right = np.diag(np.diag(known))
    wrong = known - right
    scaled = np.sqrt(wrong / max(float(wrong.max(initial=0.0)), 1e-12))
    return np.asarray(np.round(100 * (scaled + right)).astype(np.int64))


def _known(share: float) -> float | None:
    return None if np.isnan(share) else float(share)


def shown_cells(confusions: Confusions) -> Sequence[Cell]:
    """List the cells that hold images: the wrong ones first, the largest first."""
    cells = {cell.key: cell for cell in confusions.largest}
    cells |= {cell.key: cell for row in confusions.rows for cell in row if cell.images}
    return sorted(cells.values(), key=lambda cell: (cell.is_right, -cell.images))
