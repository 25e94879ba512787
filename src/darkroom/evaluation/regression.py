"""What a column of predicted numbers is worth: errors with intervals, beside a constant answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import msgspec
import numpy as np

from darkroom.errors import DataError
from darkroom.intervals import Estimate, mean_interval, ratio_interval, resampled
from darkroom.wording import counted

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

_DRAWS = 1000  # bootstrap resamples


class RegressionMetrics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every number of an evaluation of predicted numbers; units are those of the target."""

    SCHEMA: ClassVar[int] = 1

    images: int  # that were measured
    left_out: int = 0  # images whose target is no number
    mae: Estimate  # mean absolute error
    mse: Estimate  # mean squared error, unit squared
    rmse: Estimate  # root mean squared error
    r2: Estimate  # coefficient of determination, at most 1; 0: no better than the part's own mean
    bias: Estimate  # mean of predicted less true; above 0: it answers too much
    always_mean: Estimate  # the MAE of always answering the mean of the training part

    def headline(self) -> str:
        """Say the first number to read, with its interval."""
        return f"mean absolute error {self.mae}"


def measure_regression(
    values: Float[np.ndarray, "images"],
    targets: Float[np.ndarray, "images"],
    *,
    usual: float,
) -> RegressionMetrics:
    """Measure predicted numbers against true ones.

    With y the target, f the prediction and m the mean target of the n images:

    - mean absolute error, MAE = sum |y - f| / n
    - mean squared error, MSE = sum (y - f)^2 / n
    - root mean squared error, RMSE = sqrt(MSE)
    - coefficient of determination, R2 = 1 - sum (y - f)^2 / sum (y - m)^2
    - bias = sum (f - y) / n

    Args:
        values: One prediction per image.
        targets: The true numbers; images without one (NaN) are left out and counted.
        usual: The mean target of the training part, which a constant answer would be.

    Returns:
        Each with its 95 % interval: by Student's t for MAE and bias, else by a bootstrap over
        images in the logarithm, with MSE as the square of RMSE. R2 is not defined when the
        targets do not vary.

    Raises:
        DataError: The two differ in shape, a prediction is no number, or no target is one.

    Source: the definitions are those of scikit-learn; the first four stand on the slides of the
    AnacondaCon 2018 course.
    """
    known = _measurable(values, targets)
    truth = np.asarray(targets, np.float64)[known]
    errors = np.asarray(values, np.float64)[known] - truth
    rmse, r2 = _of_squares(errors, truth)
    has_usual = math.isfinite(usual)
    return RegressionMetrics(
        images=len(truth),
        left_out=len(targets) - len(truth),
        mae=mean_interval(np.abs(errors), least=0.0),
        mse=_mapped(rmse, lambda end: end**2),
        rmse=rmse,
        r2=r2,
        bias=mean_interval(errors),
        always_mean=mean_interval(np.abs(truth - usual) if has_usual else truth[:0], least=0.0),
    )


def _measurable(
    values: Float[np.ndarray, "images"], targets: Float[np.ndarray, "images"]
) -> Bool[np.ndarray, "images"]:
    """Tell which images have a target, or say why nothing can be measured."""
    if values.ndim != 1 or values.shape != targets.shape:
        raise DataError(
            f"{values.shape} predicted numbers do not belong to {targets.shape} targets",
            hint="evaluate the run again: darkroom evaluate RUN",
        )
    broken = int(np.count_nonzero(~np.isfinite(values)))
    if broken:
        raise DataError(
            counted(broken, "prediction is not a number", "predictions are not numbers"),
            hint="the training diverged; train again with --set optimizer.peak_lr=1e-3",
        )
    known = np.isfinite(targets)
    if not known.any():
        raise DataError(
            f"none of {counted(len(targets), 'image', 'images')} has a target to measure against",
            hint="look for what is missing: darkroom check SOURCE",
        )
    return np.asarray(known)


def _of_squares(
    errors: Float[np.ndarray, "images"], truth: Float[np.ndarray, "images"]
) -> tuple[Estimate, Estimate]:
    """Give the root mean squared error and R2, both from the same draws of images."""
    images = len(truth)
    apart = truth - truth.mean()  # so that their squares do not cancel
    table = np.stack([errors**2, apart, apart**2], axis=1)
    sums = [weights.T @ table for weights in resampled(images, draws=_DRAWS)]
    drawn = np.concatenate(sums) / images
    mse, variance = float(table[:, 0].mean()), float(table[:, 2].mean())
    rmse = ratio_interval(math.sqrt(mse), np.sqrt(drawn[:, 0]), images=images)
    if np.ptp(truth) == 0:
        return rmse, Estimate(value=None)
    spread = drawn[:, 2] - drawn[:, 1] ** 2
    varies = spread > 0  # in a draw of one image again and again nothing does
    unexplained = drawn[varies, 0] / spread[varies]
    left = ratio_interval(mse / variance, unexplained, images=images)
    return rmse, _mapped(left, lambda end: 1 - end)


def _mapped(estimate: Estimate, change: Callable[[float], float]) -> Estimate:
    """Change a value and the ends of its interval, which may turn over."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return Estimate(value=None if estimate.value is None else change(estimate.value))
    low, high = sorted((change(estimate.low), change(estimate.high)))
    return Estimate(value=change(estimate.value), low=low, high=high)
