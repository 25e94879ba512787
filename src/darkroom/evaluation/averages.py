"""F1: of a class, and averaged over the classes of a part, with intervals.

Truth and choices come in, one column per class; rates go out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.intervals import NOT_DEFINED, Rate, percentile_interval, resampled, wilson

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

_DRAWS = 1000  # bootstrap resamples; the ends of an interval then vary by a tenth of its half


class Averages(msgspec.Struct, frozen=True, kw_only=True):
    """F1 over the classes that the part has images of; others are left out."""

    macro: Rate  # every class counts the same
    weighted: Rate  # every class counts by its images


def class_f1(hits: int, false: int, missed: int) -> Rate:
    """Give the harmonic mean of a class's precision and recall.

    F1 rises with F* = hits / (hits + false + missed), which is a plain share, so that Wilson's
    interval of the one gives that of the other.

    Args:
        hits: Images of the class that were taken for it.
        false: Other images that were.
        missed: Images of the class that were not.

    Source: Hand, Christen and Kirielle 2021, doi:10.1007/s10994-021-05964-1.
    """
    share = wilson(hits, hits + false + missed)
    if share.value is None or share.low is None or share.high is None:
        return NOT_DEFINED
    value, low, high = (2 * end / (1 + end) for end in (share.value, share.low, share.high))
    return Rate(value=value, low=low, high=high)


def average_f1(
    truth: Bool[np.ndarray, "images classes"], chosen: Bool[np.ndarray, "images classes"]
) -> Averages:
    """Average F1 over the classes that occur, with a percentile bootstrap over images.

    Args:
        truth: The labels of each image; at least one image.
        chosen: What was answered.

    Returns:
        Both averages; not defined where no image has a label. In a draw, too, a class of which no
        image was drawn is left out and never counts as 0.
    """
    occurs = truth.any(axis=0)
    if not occurs.any():
        return Averages(macro=NOT_DEFINED, weighted=NOT_DEFINED)
    true, taken = truth[:, occurs], chosen[:, occurs]
    # Counts in float32 are exact up to 16 million images, and multiplied much faster.
    table = np.concatenate([true & taken, true, taken], axis=1).astype(np.float32)
    macro, weighted = _averages(table.sum(axis=0, keepdims=True))
    drawn = [
        _averages(weights.T.astype(np.float32) @ table)
        for weights in resampled(len(truth), draws=_DRAWS)
    ]
    macro_drawn, weighted_drawn = (np.concatenate(each) for each in zip(*drawn, strict=True))
    return Averages(
        macro=percentile_interval(float(macro[0]), macro_drawn),
        weighted=percentile_interval(float(weighted[0]), weighted_drawn),
    )


def _averages(
    counts: Float[np.ndarray, "draws thrice_classes"],
) -> tuple[Float[np.ndarray, "draws"], Float[np.ndarray, "draws"]]:
    """Average F1 both ways, from hits, images and answers of every class; NaN without images."""
    hits, own, answers = np.split(counts.astype(np.float64), 3, axis=1)
    f1 = 2 * hits / np.maximum(own + answers, 1)
    occurs, total = (own > 0).sum(axis=1), own.sum(axis=1)
    macro = np.full(len(counts), np.nan)
    weighted = macro.copy()
    np.divide((f1 * (own > 0)).sum(axis=1), occurs, out=macro, where=occurs > 0)
    np.divide((f1 * own).sum(axis=1), total, out=weighted, where=total > 0)
    return macro, weighted
