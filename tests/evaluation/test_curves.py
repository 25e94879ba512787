"""Curves and areas: against scikit-learn, thinned without losing their shape, honest intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn import metrics as sklearn_metrics

from darkroom.evaluation.curves import MOST_POINTS, measure_areas, trace_curves, weighted_areas
from darkroom.intervals import percentile_interval, resampled


def scored(
    seed: int, images: int, *, share: float = 0.3, ahead: float = 1.0, levels: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw truth of both kinds and scores; few levels make ties."""
    rng = np.random.default_rng(seed)
    truth = rng.random(images) < share
    truth[:2] = [True, False]
    scores = norm.cdf(rng.normal(size=images) + ahead * truth)
    scores = np.round(scores * levels) / levels if levels else scores
    return scores.astype(np.float32), truth


def columns(seed: int, images: int, **how: float) -> tuple[np.ndarray, np.ndarray]:
    scores, truth = scored(seed, images, **how)
    return np.stack([scores, 1 - scores], axis=1), np.stack([truth, ~truth], axis=1)


DRAWN = st.tuples(st.integers(0, 10_000), st.integers(2, 200), st.sampled_from([0, 1, 3, 10]))


@settings(max_examples=60, deadline=None)
@given(DRAWN)
def test_areas_agree_with_scikit_learn_with_and_without_ties(drawn):
    seed, images, levels = drawn
    scores, truth = scored(seed, images, levels=levels)
    roc, average = weighted_areas(scores, truth, [np.ones((images, 1), np.int16)])
    assert abs(roc[0] - sklearn_metrics.roc_auc_score(truth, scores)) < 1e-9
    assert abs(average[0] - sklearn_metrics.average_precision_score(truth, scores)) < 1e-9


@settings(max_examples=40, deadline=None)
@given(DRAWN)
def test_areas_of_draws_agree_with_scikit_learn_given_the_weights(drawn):
    seed, images, levels = drawn
    scores, truth = scored(seed, images, levels=levels)
    weights = next(resampled(images, draws=5))
    roc, average = weighted_areas(scores, truth, [weights[:, :2], weights[:, 2:]])
    for draw, weight in enumerate(weights.T):
        if weight[truth].any() and weight[~truth].any():
            known = {"sample_weight": weight.astype(float)}
            assert abs(roc[draw] - sklearn_metrics.roc_auc_score(truth, scores, **known)) < 1e-9
            known_average = sklearn_metrics.average_precision_score(truth, scores, **known)
            assert abs(average[draw] - known_average) < 1e-9
        else:
            assert np.isnan([roc[draw], average[draw]]).all()


def test_the_mean_area_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    shares = rng.dirichlet(np.ones(4), 200) + np.eye(4)[labels] * 0.3
    shares /= shares.sum(axis=1, keepdims=True)
    mean = measure_areas(shares, np.eye(4)[labels] > 0).mean_roc
    known = sklearn_metrics.roc_auc_score(labels, shares, multi_class="ovr", average="macro")
    assert mean.value == pytest.approx(known, abs=1e-9)
    assert mean.low < mean.value < mean.high


@pytest.mark.parametrize("truth", [np.zeros(5, bool), np.ones(5, bool)])
def test_a_class_of_no_image_or_of_every_image_has_no_area_and_no_curve(truth):
    scores = np.linspace(0, 1, 5)[:, None]
    areas = measure_areas(scores, truth[:, None])
    assert areas.classes[0].roc.value is None
    assert areas.classes[0].average_precision.value is None
    assert areas.mean_roc.value is None
    curves = trace_curves(scores, truth[:, None], ["cat"])[0]
    assert (curves.name, curves.roc, curves.precision_recall) == ("cat", (), ())


def test_an_interval_does_not_collapse_where_all_is_ranked_right():
    scores, truth = np.linspace(0, 1, 40), np.arange(40) >= 30
    areas = measure_areas(scores[:, None], truth[:, None])
    bare = percentile_interval(
        1.0, weighted_areas(scores, truth, tuple(resampled(40, draws=400)))[0]
    )
    assert bare.low == 1  # the control: what a bootstrap alone would say
    for rate in (areas.classes[0].roc, areas.classes[0].average_precision, areas.mean_roc):
        assert rate.value == rate.high == 1
        assert rate.low < 0.95


@pytest.mark.parametrize("area", [0.9, 0.98])
def test_intervals_of_areas_cover_the_truth_and_those_of_a_bootstrap_alone_do_not(area):
    ahead = norm.ppf(area) * np.sqrt(2)
    held, bare = [], []
    for seed in range(200):
        scores, truth = scored(seed, 100, share=0.1, ahead=ahead)
        rate = measure_areas(scores[:, None], truth[:, None]).classes[0].roc
        held.append(rate.low <= area <= rate.high)
        drawn, _ = weighted_areas(scores, truth, tuple(resampled(100, draws=100)))
        low, high = np.nanquantile(drawn, [0.025, 0.975])
        bare.append(low <= area <= high)
    assert np.mean(held) >= 0.94
    assert np.mean(bare) < 0.9


def furthest_off(whole: np.ndarray, kept: np.ndarray) -> float:
    """Say how far any point of a curve lies from the kept line."""
    start, along = kept[:-1], np.diff(kept, axis=0)
    away = whole[:, None] - start
    share = (away * along).sum(axis=2) / np.maximum((along**2).sum(axis=1), 1e-12)
    off = away - np.clip(share, 0, 1)[..., None] * along
    return float(np.hypot(off[..., 0], off[..., 1]).min(axis=1).max())


def whole_curves(scores: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    false, true, _ = sklearn_metrics.roc_curve(truth, scores)
    precision, recall, _ = sklearn_metrics.precision_recall_curve(truth, scores)
    return np.stack([false, true], axis=1), np.stack([recall, precision], axis=1)[::-1]


@pytest.mark.parametrize("ahead", [0.0, 1.0, 3.0])
def test_thinned_curves_keep_their_shape(ahead):
    probabilities, truth = columns(3, 1500, ahead=ahead)
    curves = trace_curves(probabilities, truth, ["cat", "dog"])[0]
    roc, precision_recall = whole_curves(probabilities[:, 0], truth[:, 0])
    for whole, kept in ((roc, curves.roc), (precision_recall, curves.precision_recall)):
        assert len(kept) <= MOST_POINTS
        assert furthest_off(whole, np.array(kept)) < 0.01


@pytest.mark.parametrize("levels", [2, 5, 60])
def test_short_curves_are_those_of_scikit_learn_point_by_point(levels):
    rng = np.random.default_rng(levels)
    scores, truth = rng.integers(0, levels, 80) / levels, rng.random(80) < 0.4
    both = np.stack([scores, 1 - scores], axis=1), np.stack([truth, ~truth], axis=1)
    curves = trace_curves(*both, ["cat", "dog"])[0]
    drawn = (curves.roc, curves.precision_recall)
    for whole, kept in zip(whole_curves(scores, truth), drawn, strict=True):
        assert furthest_off(whole, np.array(kept)) < 1e-3
        assert furthest_off(np.array(kept), whole) < 1e-3


def test_keeping_every_tenth_point_would_lose_the_shape():
    probabilities, truth = columns(3, 1500, ahead=1.0)
    _, whole = whole_curves(probabilities[:, 0], truth[:, 0])
    kept = whole[:: len(whole) // (MOST_POINTS - 2)]
    assert len(kept) <= MOST_POINTS
    assert furthest_off(whole, kept) > 0.1  # the control


@settings(max_examples=40, deadline=None)
@given(DRAWN)
def test_curves_begin_and_end_where_they_must_and_rise(drawn):
    seed, images, levels = drawn
    probabilities, truth = columns(seed, images, levels=levels)
    for curves in trace_curves(probabilities, truth, ["cat", "dog"]):
        assert (curves.roc[0], curves.roc[-1]) == ((0, 0), (1, 1))
        assert (curves.precision_recall[0], curves.precision_recall[-1][0]) == ((0, 1), 1)
        assert (np.diff(curves.roc, axis=0) >= 0).all()
        assert (np.diff(curves.precision_recall, axis=0)[:, 0] >= 0).all()
        points = np.array(curves.roc + curves.precision_recall)
        assert (points == np.round(points, 4)).all()


def test_few_points_are_kept_as_they_are():
    scores, truth = np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, False, True, False])
    curves = trace_curves(scores[:, None], truth[:, None], ["cat"])[0]
    assert curves.roc == ((0, 0), (0, 0.5), (0.5, 0.5), (0.5, 1), (1, 1))
    assert curves.precision_recall == ((0, 1), (0.5, 1), (0.5, 0.5), (1, 0.6667), (1, 0.5))
