"""The same three answers where numbers are predicted, and how the errors lie over the targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from darkroom.evaluation.report.brief import Answer
from darkroom.wording import counted

if TYPE_CHECKING:
    from darkroom.evaluation.evaluation import EvaluationRecord
    from darkroom.evaluation.regression import RegressionMetrics
    from darkroom.intervals import Estimate

_RANGES = 4  # of the target, with about as many images each
_FEWEST = 8  # images of a range


class TargetRange(msgspec.Struct, frozen=True, kw_only=True):
    """The images whose targets lie in one range."""

    low: float  # in the target's unit, as all of these
    high: float
    images: int
    error: float  # mean absolute
    bias: float  # mean of predicted less target
    largest: float  # absolute


def target_ranges(predictions: pl.DataFrame) -> tuple[TargetRange, ...]:
    """Cut the targets into quarters and measure the errors in each; fewer where images are few."""
    known = predictions.filter(pl.col("target").is_finite()).sort("target", "image")
    pieces = min(max(len(known) // _FEWEST, 1), _RANGES)
    cuts = np.array_split(np.arange(len(known)), pieces) if len(known) else []
    return tuple(_range(known[cut]) for cut in cuts)


def _range(rows: pl.DataFrame) -> TargetRange:
    targets = rows["target"].to_numpy()
    errors = rows["error"].to_numpy().astype(np.float64)
    return TargetRange(
        low=float(targets[0]),
        high=float(targets[-1]),
        images=len(rows),
        error=float(np.abs(errors).mean()),
        bias=float(errors.mean()),
        largest=float(np.abs(errors).max()),
    )


def brief_of_numbers(
    record: EvaluationRecord, metrics: RegressionMetrics, predictions: pl.DataFrame
) -> tuple[Answer, Answer, Answer]:
    """Answer the three questions about numbers.

    Args:
        record: What was evaluated.
        metrics: Without the images that leaked, if there are any.
        predictions: Of the part.
    """
    return (
        _how_good(record, metrics),
        _where_wrong(metrics, predictions),
        _whom_to_trust(target_ranges(predictions)),
    )


def _how_good(record: EvaluationRecord, metrics: RegressionMetrics) -> Answer:
    mae, usual = metrics.mae, metrics.always_mean
    images = counted(metrics.images, f"{record.part} image", f"{record.part} images")
    if mae.value is None:
        return Answer(question="How good is it?", key="not defined", words=(f"Of {images}.",))
    words = [f"On {images} it is off by {mae.value:.3g} on average."]
    if mae.low is not None and mae.high is not None:
        words.append(f"On new images of the same kind expect {_between(mae)}.")
    if usual.value is not None:
        words.append(
            f"Always answering the mean of the training part would be off by {usual.value:.3g}."
        )
    if metrics.left_out:
        left_out = counted(metrics.left_out, "image has", "images have")
        words.append(f"{left_out} no target and could not be measured.")
    if metrics.r2.value is not None:
        words.append(
            f"It accounts for {100 * metrics.r2.value:.0f} % of the spread of the targets (R²)."
            if metrics.r2.value >= 0
            else "It is worse than always answering the mean of these images (R² is below 0)."
        )
    return Answer(question="How good is it?", key=f"Off by {mae.value:.3g}", words=tuple(words))


def _where_wrong(metrics: RegressionMetrics, predictions: pl.DataFrame) -> Answer:
    question = "Where is it wrong?"
    known = predictions.filter(pl.col("error").is_finite())
    if not len(known):
        return Answer(question=question, key="not defined", words=("No image has a target.",))
    worst = known.sort(pl.col("error").abs(), descending=True).row(0, named=True)
    tenth = float(np.quantile(np.abs(known["error"].to_numpy().astype(np.float64)), 0.9))
    words = [
        f"The largest error is {worst['error']:+.3g}: {worst['value']:.4g} instead of "
        f"{worst['target']:.4g} on {worst['image']}.",
        f"One image in ten is off by more than {tenth:.3g}.",
        *_leaning(metrics.bias),
    ]
    return Answer(question=question, key=f"at most {abs(worst['error']):.3g}", words=tuple(words))


def _leaning(bias: Estimate) -> list[str]:
    if bias.value is None or bias.low is None or bias.high is None:
        return []
    if bias.low <= 0 <= bias.high:
        return ["It leans neither to high nor to low answers."]
    way = "high" if bias.value > 0 else "low"
    return [f"On average it answers too {way}, by {abs(bias.value):.3g} ({_between(bias)})."]


def _whom_to_trust(ranges: tuple[TargetRange, ...]) -> Answer:
    question = "Whom to trust?"
    if len(ranges) < 2:
        return Answer(
            question=question,
            key="not defined",
            words=("There are too few images to tell ranges of the target apart.",),
        )
    best, worst = (choose(ranges, key=lambda each: each.error) for choose in (min, max))
    return Answer(
        question=question,
        key=f"from {best.low:.3g} to {best.high:.3g}",
        words=(
            f"It errs least where the target lies in {best.low:.3g} .. {best.high:.3g}: by "
            f"{best.error:.3g} on average.",
            f"It errs most in {worst.low:.3g} .. {worst.high:.3g}: by {worst.error:.3g}.",
        ),
    )


def _between(estimate: Estimate) -> str:
    return f"{estimate.low:.3g} .. {estimate.high:.3g}"
