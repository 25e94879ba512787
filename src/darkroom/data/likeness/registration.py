"""Lay one picture over another: the small shift, turn, stretch and shear that fit them best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

    Pictures = Float[np.ndarray, "pairs side side"]
    Warps = Float[np.ndarray, "pairs 6"]

_F = np.float32
_OUTLIER = 0.5  # standard deviations of the picture, from where a pixel counts for little
_STEADY = 1e-2  # keeps a step finite where a picture has edges in one direction only
_FARTHEST = 0.2  # of half a side


def no_warp(pairs: int) -> Warps:
    """Give the warps that leave everything where it is."""
    return np.zeros((pairs, 6), _F)


def align(fixed: Pictures, moving: Pictures, warps: Warps, steps: int) -> Warps:
    """Improve affine warps so that the moving pictures lie over the fixed ones.

    Gauss-Newton steps of the inverse kind, with pixels that do not fit (a logo, a border) weighted
    down, and brightness and contrast brought into line in each step.

    Args:
        fixed: Grey levels.
        moving: Grey levels, the same size.
        warps: Where to start; the first row of the linear part less one, the shift, and so for
            the second row, in halves of a side.
        steps: How many.

    Returns:
        Warps from fixed to moving coordinates, each number within 0.2.

    Source: Baker and Matthews 2004, doi:10.1023/B:VISI.0000011205.11775.fd.
    """
    count, side = fixed.shape[:2]
    down, across = _coordinates(side)
    rise, run = np.gradient(fixed, axis=(1, 2))
    rise, run = rise * _F(side / 2), run * _F(side / 2)
    slopes = np.stack(
        [run * across, run * down, run, rise * across, rise * down, rise], axis=1
    ).reshape(count, 6, -1)
    trust = np.ones_like(fixed)
    for _ in range(steps):
        moved, inside = resample(moving, warps)
        weights = trust * inside
        left, right = centred(fixed, weights), centred(moved, weights)
        spread = deviation(left, weights)
        misfit = right * (spread / np.maximum(deviation(right, weights), _F(1))) - left
        trust = _F(1) / np.square(1 + np.square(misfit / np.maximum(spread * _F(_OUTLIER), _F(1))))
        weighed = slopes * (trust * inside).reshape(count, 1, -1)
        normal = weighed @ slopes.transpose(0, 2, 1)
        damping = _STEADY * np.trace(normal, axis1=1, axis2=2) / 6 + 1e-3
        normal += damping[:, None, None].astype(_F) * np.eye(6, dtype=_F)
        step = np.linalg.solve(normal, weighed @ misfit.reshape(count, -1, 1))[:, :, 0]
        warps = _composed(warps, np.clip(step, -0.1, 0.1))
    return warps


def resample(
    moving: Pictures, warps: Warps
) -> tuple[Pictures, Bool[np.ndarray, "pairs side side"]]:
    """Read the moving pictures where the warps point to.

    Returns:
        The pictures between the pixels, and where they are known at all.
    """
    count, side = moving.shape[:2]
    down, across = _coordinates(side)
    warp = warps[:, :, None, None]
    x = ((1 + warp[:, 0]) * across + warp[:, 1] * down + warp[:, 2] + 1) * _F(side / 2) - _F(0.5)
    y = (warp[:, 3] * across + (1 + warp[:, 4]) * down + warp[:, 5] + 1) * _F(side / 2) - _F(0.5)
    low, high = -0.75, side - 0.25
    inside = (x > low) & (x < high) & (y > low) & (y < high)
    x, y = np.clip(x, 0, _F(side - 1.001)), np.clip(y, 0, _F(side - 1.001))
    column, row = x.astype(np.int32), y.astype(np.int32)
    x -= column
    y -= row
    at = np.arange(count, dtype=np.int32)[:, None, None] * (side * side) + row * side + column
    flat = np.ascontiguousarray(moving).reshape(-1)
    above = flat[at] * (1 - x) + flat[at + 1] * x
    below = flat[at + side] * (1 - x) + flat[at + side + 1] * x
    return above * (1 - y) + below * y, inside


def centred(pictures: Pictures, weights: Pictures) -> Pictures:
    """Take its weighted mean from each picture."""
    total = np.maximum(weights.sum(axis=(1, 2), keepdims=True), _F(1))
    return np.asarray(pictures - (pictures * weights).sum(axis=(1, 2), keepdims=True) / total)


def deviation(pictures: Pictures, weights: Pictures) -> Float[np.ndarray, "pairs 1 1"]:
    """Give the weighted standard deviation of pictures that are centred."""
    total = np.maximum(weights.sum(axis=(1, 2), keepdims=True), _F(1))
    return np.asarray(
        np.sqrt((pictures * pictures * weights).sum(axis=(1, 2), keepdims=True) / total)
    )


def _coordinates(side: int) -> tuple[Float[np.ndarray, "side 1"], Float[np.ndarray, "side"]]:
    """Give the middles of the pixels, -1..1, down and across."""
    middles = (np.arange(side, dtype=_F) + _F(0.5)) / _F(side) * 2 - 1
    return middles[:, None], middles


def _composed(warps: Warps, steps: Warps) -> Warps:
    """Go back by a step before each warp."""
    whole = _matrices(warps) @ np.linalg.inv(_matrices(steps))
    found = whole[:, :2].reshape(-1, 6)
    found[:, [0, 4]] -= 1
    return np.asarray(np.clip(found, -_FARTHEST, _FARTHEST), _F)


def _matrices(warps: Warps) -> Float[np.ndarray, "pairs 3 3"]:
    matrices = np.tile(np.eye(3, dtype=_F), (len(warps), 1, 1))
    matrices[:, :2] += warps.reshape(-1, 2, 3)
    return matrices
