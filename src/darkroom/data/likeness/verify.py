"""The second, finer comparison: candidates are laid over each other and their pixels compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.data.likeness.chunks import over_chunks
from darkroom.data.likeness.descriptor import shrink
from darkroom.data.likeness.registration import align, centred, no_warp, resample

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int, UInt8

    Pictures = Float[np.ndarray, "pairs side side"]
    Warps = Float[np.ndarray, "pairs 6"]
    Numbers = Float[np.ndarray, "pairs"]
    Rows = Int[np.ndarray, "pairs"]

_CHUNK = 512  # pairs
_KEPT = 0.95  # of the picture must agree; the rest may be a logo, a border or cut off
_BLUR = 5  # pixels; what is coarser is no detail
_EMPTY_STEP = 2.0  # grey levels between neighbours, below which ground is empty
_EMPTY = 0.5  # of a picture of 32 x 32; drawings have more, photographs hardly ever
_NOISE = 0.5  # grey levels; details fainter than this prove nothing
_INSIDE = 0.56  # of each side; the rest is left to frames when blocks are asked
_BLOCKS = 3  # to a side of what is inside
_BUSY = 2.0  # grey levels; blocks with fainter detail are not asked


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One look at pairs: how large, how many steps of alignment, and what must agree."""

    side: int  # pixels
    steps: int
    shape: float  # least correlation of brightness, -1..1
    detail: float  # least correlation of fine detail, -1..1, of pictures that lie alike
    per_reach: float  # how much more of it is asked of pictures that had to be moved by 1
    reach: float  # furthest that they may have to be moved, in halves of a side
    block: float = -1.0  # least median correlation of detail over the blocks that have any


LEVELS = (
    Level(side=16, steps=3, shape=0.85, detail=0.55, per_reach=0.0, reach=0.2),
    Level(side=32, steps=4, shape=0.94, detail=0.75, per_reach=1.2, reach=0.13, block=0.5),
    Level(side=64, steps=2, shape=0.94, detail=0.85, per_reach=1.0, reach=0.13, block=0.5),
)
_STRICT, _STRICT_SIDE = 0.997, 32  # least detail in common, at which level, of drawings
COARSE = LEVELS[0].side


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """How two pictures of each pair agree, laid over each other."""

    shape: Float[np.ndarray, "pairs"]  # correlation of brightness, -1..1
    detail: Float[np.ndarray, "pairs"]  # correlation of fine detail, -1..1
    reach: Float[np.ndarray, "pairs"]  # largest number of the warp, in halves of a side
    block: Float[np.ndarray, "pairs"]  # median of `detail` within the blocks that have any, -1..1


def verify_pairs(
    take: Callable[[Rows], UInt8[np.ndarray, "images height width channels"]],
    coarse: UInt8[np.ndarray, "images side side"],
    is_fine: Bool[np.ndarray, "images"],
    first: Rows,
    second: Rows,
) -> Numbers:
    """Decide for each pair whether both pictures are the same but for a small change.

    Args:
        take: Gives the prepared pixels of rows.
        coarse: Brightness of every image, 16 x 16.
        is_fine: Which images have detail to be looked at with 64 x 64.
        first: Row of one picture of each pair.
        second: Row of the other.

    Returns:
        The likeness of each pair: the correlation of its finest details, 0..1, rounded to four
        digits; 0 where the pair was refused.
    """

    def look(span: slice) -> Numbers:
        return _look(take, coarse, is_fine, first[span], second[span])

    parts = over_chunks(look, len(first), chunk=_CHUNK, what="comparing pictures")
    return np.concatenate(parts) if parts else np.zeros(0)


def _look(
    take: Callable[[Rows], UInt8[np.ndarray, "images height width channels"]],
    coarse: UInt8[np.ndarray, "images side side"],
    is_fine: Bool[np.ndarray, "images"],
    first: Rows,
    second: Rows,
) -> Numbers:
    likeness = np.zeros(len(first))
    left = np.arange(len(first))
    warps = no_warp(len(first))
    fixed, moving = coarse[first].astype(np.float32), coarse[second].astype(np.float32)
    for level in LEVELS:
        if level is LEVELS[-1]:
            fine = is_fine[first[left]] & is_fine[second[left]]
            left, warps = left[fine], warps[fine]
        if len(left) == 0:
            break
        if level.side > COARSE:
            fixed, moving = (shrink(take(rows[left]), level.side) for rows in (first, second))
        warps = align(fixed, moving, warps, level.steps)
        compared = compare_pictures(fixed, moving, warps)
        passed = is_same(compared, level)
        if level.side == _STRICT_SIDE:
            is_drawing = np.maximum(_empty_share(fixed), _empty_share(moving)) > _EMPTY
            passed &= ~is_drawing | (compared.detail >= _STRICT)
        likeness[left] = np.where(passed, np.round(compared.detail.astype(float), 4), 0.0)
        left, warps = left[passed], warps[passed]
    return likeness


def is_same(compared: Compared, level: Level) -> Bool[np.ndarray, "pairs"]:
    """Hold what was measured against what a level asks for."""
    asked = level.detail + level.per_reach * compared.reach
    return np.asarray(
        (np.round(compared.shape, 4) >= level.shape)
        & (np.round(compared.detail, 4) >= asked)
        & (compared.reach <= level.reach)
        & (np.round(compared.block, 4) >= level.block)
    )


def compare_pictures(fixed: Pictures, moving: Pictures, warps: Warps) -> Compared:
    """Correlate pictures that were laid over each other, where they agree best.

    Args:
        fixed: Grey levels.
        moving: Grey levels, the same size.
        warps: From `align`.

    Source: own; least trimmed squares, Rousseeuw 1984, doi:10.2307/2288718.
    """
    moved, inside = resample(moving, warps)
    weights = inside.astype(np.float32)
    for _ in range(2):
        misfit = np.abs(_standardised(fixed, weights) - _standardised(moved, weights))
        misfit[~inside] = np.inf
        flat = misfit.reshape(len(misfit), -1)
        rank = min(int(flat.shape[1] * _KEPT), flat.shape[1] - 1)
        limit = np.partition(flat, rank, axis=1)[:, rank, None, None]
        weights = (inside & (misfit <= limit)).astype(np.float32)
    around = np.maximum(_blurred(weights), np.float32(1e-3))  # what is left out must not bleed in
    fine = [picture - _blurred(picture * weights) / around for picture in (fixed, moved)]
    return Compared(
        shape=_correlation(centred(fixed, weights), centred(moved, weights), weights),
        detail=_correlation(fine[0], fine[1], weights),
        reach=np.abs(warps).max(axis=1),
        block=_median_block(fine[0], fine[1], weights),
    )


def _median_block(one: Pictures, other: Pictures, weights: Pictures) -> Numbers:
    """Correlate within blocks inside, so that one strong edge cannot speak for a whole picture.

    Two photographs in the same frame agree along the frame and nowhere else.
    """
    side = round(one.shape[1] * _INSIDE / _BLOCKS)
    low = (one.shape[1] - _BLOCKS * side) // 2
    inside = slice(low, low + _BLOCKS * side)

    def summed(values: Pictures) -> Float[np.ndarray, "pairs blocks"]:
        cut = values[:, inside, inside].reshape(len(values), _BLOCKS, side, _BLOCKS, side)
        return np.asarray(cut.sum(axis=(2, 4)).reshape(len(values), -1))

    together, pixels = summed(one * other * weights), summed(weights)
    alone = [summed(picture * picture * weights) for picture in (one, other)]
    is_busy = np.maximum(*alone) > _BUSY**2 * np.maximum(pixels, 1)
    faint = _NOISE**2 * np.maximum(pixels, 1)
    agree = together / np.sqrt((alone[0] + faint) * (alone[1] + faint))
    busy = np.ma.masked_array(agree, ~is_busy)
    return np.asarray(np.ma.filled(np.ma.median(busy, axis=1), 1.0))  # type: ignore[no-untyped-call]


def _standardised(pictures: Pictures, weights: Pictures) -> Pictures:
    middle = centred(pictures, weights)
    total = np.maximum(weights.sum(axis=(1, 2), keepdims=True), np.float32(1))
    spread = np.sqrt((middle * middle * weights).sum(axis=(1, 2), keepdims=True) / total)
    return np.asarray(middle / np.maximum(spread, np.float32(1)))


def _correlation(one: Pictures, other: Pictures, weights: Pictures) -> Numbers:
    together = (one * other * weights).sum(axis=(1, 2))
    faint = _NOISE**2 * np.maximum(weights.sum(axis=(1, 2)), 1)
    alone = [(picture * picture * weights).sum(axis=(1, 2)) + faint for picture in (one, other)]
    return np.asarray(together / np.sqrt(alone[0] * alone[1]))


def _blurred(pictures: Pictures) -> Pictures:
    """Average each pixel with those around it, 5 x 5."""
    side, reach = pictures.shape[1], _BLUR // 2
    padded = np.pad(pictures, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    rows = padded[:, :side]
    for shift in range(1, _BLUR):
        rows = rows + padded[:, shift : shift + side]
    whole = rows[:, :, :side]
    for shift in range(1, _BLUR):
        whole = whole + rows[:, :, shift : shift + side]
    return np.asarray(whole / np.float32(_BLUR * _BLUR))


def _empty_share(pictures: Pictures) -> Numbers:
    """Give the share of pixels that are like their neighbours: paper, not a photograph."""
    down = np.abs(np.diff(pictures, axis=1))[:, :, :-1]
    across = np.abs(np.diff(pictures, axis=2))[:, :-1]
    return np.asarray((np.maximum(down, across) < _EMPTY_STEP).mean(axis=(1, 2)))
