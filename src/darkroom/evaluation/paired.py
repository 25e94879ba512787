"""Two sets of answers for the same images: how far apart they are, and whether that is chance.

One row of truth values per set comes in, whether each image was right; estimates and p-values go
out. Images on which both were right or both wrong say nothing about which is better.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import special  # `scipy.stats` has the same and takes a second to import

from darkroom.errors import DataError
from darkroom.intervals import Estimate

if TYPE_CHECKING:
    from jaxtyping import Bool

_Z95 = 1.959963984540054  # the normal quantile of 97.5 %
_Z80 = 0.8416212335729143  # ... of 80 %


def paired_difference(
    one: Bool[np.ndarray, "images"], other: Bool[np.ndarray, "images"]
) -> Estimate:
    """Give the share right in `one` less the share right in `other`.

    Args:
        one: Whether each image was right.
        other: The same of other answers, for the same images in the same order.

    Returns:
        The difference, -1..1, above 0 where `one` is better, with its 95 % interval; not defined
        without images.

    Raises:
        DataError: The two are of unequal length.

    Source: the Wald interval adjusted by one image in either direction, Bonett and Price 2012,
    doi:10.3102/1076998611411915. The value itself is not adjusted.
    """
    ahead, behind = _discordant(one, other)
    images = len(one)
    if images == 0:
        return Estimate(value=None)
    up, down = (ahead + 1) / (images + 2), (behind + 1) / (images + 2)
    reach = _Z95 * math.sqrt((up + down - (up - down) ** 2) / (images + 2))
    return Estimate(
        value=(ahead - behind) / images,
        low=max(up - down - reach, -1.0),
        high=min(up - down + reach, 1.0),
    )


def mcnemar(one: Bool[np.ndarray, "images"], other: Bool[np.ndarray, "images"]) -> float:
    """Say how surprising the difference between two sets of answers is if neither is better.

    Args:
        one: Whether each image was right.
        other: The same of other answers, for the same images in the same order.

    Returns:
        The two-sided mid-p value of McNemar's exact test, 0..1; 1 where the two were right on the
        same images, for nothing speaks against chance there.

    Raises:
        DataError: The two are of unequal length.

    Source: Fagerland, Lydersen and Laake 2013, doi:10.1186/1471-2288-13-91.
    """
    ahead, behind = _discordant(one, other)
    count, fewer = ahead + behind, min(ahead, behind)
    if count == 0:
        return 1.0
    # Twice the smaller tail, half of the probability of what was seen itself left out of each; of
    # equal counts the tails overlap, and that probability is counted once.
    below = float(special.bdtr(fewer - 1, count, 0.5)) if fewer else 0.0
    up_to = float(special.bdtr(fewer, count, 0.5))
    if ahead == behind:
        return 1.0 - (up_to - below) / 2
    return min(up_to + below, 1.0)


def images_to_tell(
    one: Bool[np.ndarray, "images"], other: Bool[np.ndarray, "images"]
) -> int | None:
    """Say how many images would tell which is better, were the difference as it was measured.

    Args:
        one: Whether each image was right.
        other: The same of other answers, for the same images in the same order.

    Returns:
        Images with which 80 of 100 tests of this size call the difference at 5 %; None when no
        difference was measured, which no number of images can tell.

    Raises:
        DataError: The two are of unequal length.

    Source: Connor 1987, doi:10.2307/2531961.
    """
    ahead, behind = _discordant(one, other)
    if ahead == behind:
        return None
    images = len(one)
    apart, difference = (ahead + behind) / images, (ahead - behind) / images
    spread = math.sqrt(max(apart - difference**2, 0.0))
    return math.ceil(((_Z95 * math.sqrt(apart) + _Z80 * spread) / difference) ** 2)


def _discordant(
    one: Bool[np.ndarray, "images"], other: Bool[np.ndarray, "images"]
) -> tuple[int, int]:
    """Count the images that only `one` has right, and those that only `other` has."""
    if one.shape != other.shape:
        raise DataError(
            f"{len(one):,} answers cannot be paired with {len(other):,}",
            hint="evaluate both on the same part of the same dataset",
        )
    return int(np.count_nonzero(one & ~other)), int(np.count_nonzero(other & ~one))
