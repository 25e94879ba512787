"""Where a model is worse than elsewhere: accuracy by the value of a column, the worst first.

Whether each image was right and a few columns about the images come in. Each slice is held against
all other images; looking at many slices finds a bad one by luck, and is corrected for.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from scipy import special

from darkroom.errors import DataError
from darkroom.intervals import Estimate, Rate, wilson
from darkroom.wording import counted

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    Group = tuple[str, Bool[np.ndarray, "images"]]  # a value in words, and which images have it

LEAST = 10  # images of a slice; fewer say nothing
_MOST_VALUES = 20  # of a column of text; the most frequent
_QUARTERS = 4
_ROUNDING = 1e-9  # of the logarithm of a chance; tables as likely as the seen one count too
_CALLED = 0.05  # the corrected p-value below which a slice is called worse
UNKNOWN = "not known"

Column = Sequence[Any] | np.ndarray


class Slice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The images that share a value of a column."""

    column: str
    value: str  # in words: `0.31 .. 0.45` of numbers, both ends included
    images: int
    accuracy: Rate
    difference: Estimate  # its accuracy less that of all other images, -1..1; 95 %, not corrected
    p: float  # that the others are as good, corrected for the number of slices, 0..1
    is_worse: bool  # less accurate than the others, and that is hardly chance


class Slices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every slice that was compared."""

    rows: tuple[Slice, ...] = ()  # those that are worse first, each group by rising difference
    compared: int = 0  # slices that the p-values are corrected for
    left_out: tuple[str, ...] = ()  # columns and values that were not compared, and why

    @property
    def worse(self) -> tuple[Slice, ...]:
        """The slices that are less accurate than the other images, and not by chance."""
        return tuple(row for row in self.rows if row.is_worse)


def slice_metrics(correct: Bool[np.ndarray, "images"], columns: Mapping[str, Column]) -> Slices:
    """Compare the images of each value of each column with all others.

    Numbers are cut into quarters, text is taken by value; what is not known is a value of its own.

    Args:
        correct: Whether each image was right.
        columns: By name, one value per image; None or NaN is not known.

    Returns:
        The slices, worst first. With no slice that is really worse, at most 5 of 100 evaluations
        call any of theirs worse, however many are compared.

    Raises:
        DataError: A column has another length.

    Source: Fisher 1935, doi:10.2307/2342435; corrected after Holm 1979, jstor:4615733.
    """
    found: list[tuple[str, str, Bool[np.ndarray, "images"]]] = []
    left_out: list[str] = []
    for name, column in columns.items():
        if len(column) != len(correct):
            raise DataError(
                f"the column {name} has {len(column):,} values for {len(correct):,} images",
                hint="give one value per image, None where it is not known",
            )
        groups, why = _groups(column)
        found += [(name, words, inside) for words, inside in groups]
        left_out += [f"{name}: {reason}" for reason in why]
    corrected = holm([_fisher(correct, inside) for _, _, inside in found])
    rows = [
        _slice(name, words, correct, inside, p)
        for (name, words, inside), p in zip(found, corrected, strict=True)
    ]
    rows.sort(key=lambda row: (not row.is_worse, row.difference.value or 0.0))
    return Slices(rows=tuple(rows), compared=len(rows), left_out=tuple(left_out))


def difference_of_shares(one: Rate, other: Rate) -> Estimate:
    """Give how much larger one share is than another of different images.

    Args:
        one: With its Wilson interval.
        other: The same, of images that are not among those of `one`.

    Returns:
        The difference with its 95 % interval; not defined where one of the two is not.

    Source: the hybrid score interval (method 10), Newcombe 1998,
    doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I.
    """
    ends = (one.value, one.low, one.high, other.value, other.low, other.high)
    if any(end is None for end in ends):
        return Estimate(value=None)
    here, low, high, there, below, above = (end or 0.0 for end in ends)
    return Estimate(
        value=here - there,
        low=here - there - math.hypot(here - low, above - there),
        high=here - there + math.hypot(high - here, there - below),
    )


def holm(values: Sequence[float]) -> list[float]:
    """Correct p-values for their number, so that 5 of 100 such families hold one below 5 %.

    Args:
        values: Uncorrected, 0..1.

    Returns:
        The corrected ones in the same order, none above 1 and none below its own.

    Source: Holm 1979, jstor:4615733.
    """
    corrected = [0.0] * len(values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min((len(values) - rank) * values[place], 1.0))
        corrected[place] = largest
    return corrected


def _fisher(correct: Bool[np.ndarray, "images"], inside: Bool[np.ndarray, "images"]) -> float:
    """Give the two-sided p-value of Fisher's exact test, as `scipy.stats.fisher_exact` does.

    Source: Fisher 1935; Agresti 2013, "Categorical data analysis", 3.5.
    """
    size, right, total = len(correct), int(correct.sum()), int(inside.sum())
    hits = np.arange(max(0, right + total - size), min(right, total) + 1)  # that are possible
    chances = _log_choose(total, hits) + _log_choose(size - total, right - hits)
    chances -= _log_choose(size, np.array(right))
    seen = chances[int((correct & inside).sum()) - hits[0]]
    return min(float(np.exp(chances[chances <= seen + _ROUNDING]).sum()), 1.0)


def _log_choose(of: int, some: Int[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Give the logarithm of the number of ways to choose some."""
    ways: Float[np.ndarray, "..."] = (
        special.gammaln(of + 1) - special.gammaln(some + 1) - special.gammaln(of - some + 1)
    )
    return ways


def _slice(
    column: str,
    words: str,
    correct: Bool[np.ndarray, "images"],
    inside: Bool[np.ndarray, "images"],
    p: float,
) -> Slice:
    accuracy = wilson(int((correct & inside).sum()), int(inside.sum()))
    difference = difference_of_shares(
        accuracy, wilson(int((correct & ~inside).sum()), int((~inside).sum()))
    )
    return Slice(
        column=column,
        value=words,
        images=int(inside.sum()),
        accuracy=accuracy,
        difference=difference,
        p=p,
        is_worse=p < _CALLED and (difference.value or 0.0) < 0,
    )


def _groups(column: Column) -> tuple[list[Group], list[str]]:
    """Cut a column into slices; say what of it is left out, and why."""
    listed = column.tolist() if isinstance(column, np.ndarray) else column
    values = [_plain(value) for value in listed]
    there = [value for value in values if value is not None]
    if not there:
        return [], ["nothing is known"]
    known = np.array([value is not None for value in values], np.bool_)
    if known.all() and len(set(there)) == 1:
        return [], [f"every image has the value {there[0]}"]
    if any(isinstance(value, str) for value in there):
        cut, why = _by_value([None if value is None else str(value) for value in values])
    else:
        numbers = np.array([np.nan if value is None else value for value in values], np.float64)
        cut, why = _quarters(numbers), []
    groups = cut if known.all() else [*cut, (UNKNOWN, ~known)]
    few = [(words, int(inside.sum())) for words, inside in groups if inside.sum() < LEAST]
    why += [f"{words}, only {counted(images, 'image', 'images')}" for words, images in few]
    return [group for group in groups if group[1].sum() >= LEAST], why


def _plain(value: object) -> str | float | None:
    """Make a value a number or text, or None where it is not known."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return str(value)


def _quarters(numbers: Float[np.ndarray, "images"]) -> list[Group]:
    """Cut numbers into four slices as equal as ties allow; equal numbers stay together."""
    distinct, counts = np.unique(numbers[~np.isnan(numbers)], return_counts=True)
    cuts = list(range(len(distinct) - 1))
    if len(distinct) > _QUARTERS:
        cuts = _cuts(np.cumsum(counts))
    firsts, lasts = [0, *(cut + 1 for cut in cuts)], [*cuts, len(distinct) - 1]
    lows, highs = distinct[firsts], distinct[lasts]
    return [
        (words, (numbers >= low) & (numbers <= high))
        for words, low, high in zip(_ranges(lows, highs), lows, highs, strict=True)
    ]


def _cuts(through: Int[np.ndarray, "numbers"]) -> list[int]:
    """Choose behind which numbers to cut, given how many images lie up to each.

    A cut stands where the images since the last one come nearest to a quarter of all; what would
    be left of less than half a quarter stays with the last slice.
    """
    quarter, passed = through[-1] / _QUARTERS, 0
    cuts: list[int] = []
    while len(cuts) < _QUARTERS - 1 and through[-1] - passed > 1.5 * quarter:
        beyond = np.flatnonzero(through[:-1] > passed)
        if not len(beyond):
            break
        cuts.append(int(beyond[np.abs(through[beyond] - passed - quarter).argmin()]))
        passed = int(through[cuts[-1]])
    return cuts


def _ranges(lows: Float[np.ndarray, "slices"], highs: Float[np.ndarray, "slices"]) -> list[str]:
    """Write ranges of numbers with as many digits as tell all their ends apart."""
    ends = np.unique(np.concatenate([lows, highs])).tolist()
    fewest = max(3, len(f"{max(map(abs, ends)):.0f}"))  # digits; with less it would be 1.2e+04
    form = next(
        form
        for form in (",.0f", *(f".{digits}g" for digits in range(min(fewest, 17), 18)))
        if len({format(end, form) for end in ends}) == len(ends)
        and (form != ",.0f" or all(end.is_integer() for end in ends))
    )
    told = [(format(low, form), format(high, form)) for low, high in zip(lows, highs, strict=True)]
    return [low if low == high else f"{low} .. {high}" for low, high in told]


def _by_value(values: Sequence[str | None]) -> tuple[list[Group], list[str]]:
    """Take the most frequent values of text; say how many there are beside them."""
    counts = Counter(value for value in values if value is not None)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    many = [value for value, images in ranked if images >= LEAST]
    beyond, few = many[_MOST_VALUES:], [value for value, images in ranked if images < LEAST]
    why = [
        f"{counted(len(left), 'value', 'values')} {told}, "
        f"{counted(sum(counts[value] for value in left), 'image', 'images')}"
        for left, told in (
            (beyond, f"beyond the {_MOST_VALUES} most frequent"),
            (few, f"of fewer than {LEAST} images"),
        )
        if left
    ]
    table = np.array(values, dtype=object)
    return [(value, np.asarray(table == value, np.bool_)) for value in many[:_MOST_VALUES]], why
