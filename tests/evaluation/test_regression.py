"""Errors of predicted numbers: the known formulas, honest intervals, what cannot be measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from darkroom.errors import DataError
from darkroom.evaluation.regression import RegressionMetrics, measure_regression
from darkroom.intervals import resampled
from darkroom.records import from_json, to_json


def numbers(seed: int, images: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = rng.normal(50, 10, images)
    return targets + rng.normal(1, 4, images), targets


def test_figures_made_by_hand():
    found = measure_regression(np.array([1.0, 2.0, 6.0]), np.array([2.0, 2.0, 4.0]), usual=3.0)
    assert found.images == 3
    assert found.mae.value == pytest.approx(1)
    assert found.mse.value == pytest.approx(5 / 3)
    assert found.rmse.value == pytest.approx((5 / 3) ** 0.5)
    assert found.r2.value == pytest.approx(1 - 5 / (8 / 3))
    assert found.bias.value == pytest.approx(1 / 3)
    assert found.always_mean.value == pytest.approx(1)
    assert found.headline().startswith("mean absolute error 1 (")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 80))
def test_figures_agree_with_scikit_learn(seed, images):
    values, targets = numbers(seed, images)
    found = measure_regression(values, targets, usual=50.0)
    assert found.mae.value == pytest.approx(sklearn_metrics.mean_absolute_error(targets, values))
    assert found.mse.value == pytest.approx(sklearn_metrics.mean_squared_error(targets, values))
    rmse = sklearn_metrics.root_mean_squared_error(targets, values)
    assert found.rmse.value == pytest.approx(rmse)
    assert found.r2.value == pytest.approx(sklearn_metrics.r2_score(targets, values))
    constant = sklearn_metrics.mean_absolute_error(targets, np.full(images, 50.0))
    assert found.always_mean.value == pytest.approx(constant)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(10, 60))
def test_every_figure_lies_within_its_interval_and_the_interval_within_its_bounds(seed, images):
    found = measure_regression(*numbers(seed, images), usual=50.0)
    for name in ("mae", "mse", "rmse", "r2", "bias", "always_mean"):
        estimate = getattr(found, name)
        assert estimate.low < estimate.value < estimate.high
        assert estimate.low >= 0 or name in ("r2", "bias")
    assert found.r2.high <= 1
    assert found.mse.low == pytest.approx(found.rmse.low**2)


def test_intervals_cover_the_truth_and_percentiles_are_too_short():
    rng, held, bare = np.random.default_rng(0), [], []
    for _ in range(300):
        targets = rng.normal(size=20)
        values = targets + rng.normal(scale=0.5, size=20)
        found = measure_regression(values, targets, usual=0.0)
        held.append(
            [found.rmse.low <= 0.5 <= found.rmse.high, found.r2.low <= 0.75 <= found.r2.high]
        )
        drawn = (next(resampled(20, draws=200)).T @ (values - targets) ** 2 / 20) ** 0.5
        low, high = np.quantile(drawn, [0.025, 0.975])
        bare.append(low <= 0.5 <= high)
    assert np.mean(held, axis=0).min() >= 0.91
    assert np.mean(bare) < 0.9  # the control


def test_r2_is_not_defined_when_the_targets_do_not_vary():
    found = measure_regression(np.arange(20.0), np.full(20, 7.0), usual=7.0)
    assert found.r2.value is None
    assert found.rmse.value is not None


def test_of_few_images_no_interval_is_given():
    one = measure_regression(np.array([3.0]), np.array([4.0]), usual=3.0)
    assert (one.mae.value, one.mae.low, one.rmse.value, one.rmse.low) == (1, None, 1, None)
    assert one.r2.value is None
    few = measure_regression(*numbers(1, 5), usual=50.0)
    assert few.r2.value is not None
    assert (few.r2.low, few.rmse.low, few.mse.low) == (None, None, None)


def test_answers_that_are_all_exact_have_no_error_and_no_interval():
    targets = np.arange(20.0)
    found = measure_regression(targets, targets, usual=9.5)
    assert (found.rmse.value, found.rmse.low) == (0, None)
    assert (found.r2.value, found.r2.low) == (1, None)
    assert (found.bias.value, found.bias.low) == (0, None)


def test_images_without_a_target_are_left_out_and_counted():
    values, targets = numbers(2)
    targets[[3, 7]] = np.nan
    known = np.isfinite(targets)
    found = measure_regression(values, targets, usual=50.0)
    assert (found.images, found.left_out) == (38, 2)
    whole = measure_regression(values[known], targets[known], usual=50.0)
    assert whole.left_out == 0
    assert (found.mae, found.r2) == (whole.mae, whole.r2)


def test_a_part_without_any_target_is_refused():
    with pytest.raises(DataError) as refused:
        measure_regression(np.ones(3), np.full(3, np.nan), usual=1.0)
    assert "3 images" in refused.value.problem
    assert "darkroom" in refused.value.hint


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_a_prediction_that_is_no_number_is_refused(odd):
    values, targets = numbers(2)
    values[[4, 5]] = odd
    with pytest.raises(DataError) as refused:
        measure_regression(values, targets, usual=50.0)
    assert "2 predictions" in refused.value.problem
    assert "--set" in refused.value.hint


@pytest.mark.parametrize("shape", [(4,), (5, 1)])
def test_columns_that_do_not_belong_together_are_refused(shape):
    with pytest.raises(DataError) as refused:
        measure_regression(np.ones(shape), np.ones(5), usual=1.0)
    assert "(5,)" in refused.value.problem


def test_without_a_usual_answer_a_constant_one_is_not_measured():
    found = measure_regression(*numbers(1), usual=np.nan)
    assert found.always_mean.value is None


def test_metrics_survive_their_text():
    found = measure_regression(*numbers(1), usual=50.0)
    assert from_json(to_json(found), RegressionMetrics, where="metrics.json") == found
