from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from darkroom.data.two_samples import LEAST_IMAGES, auc_with_variance, tell_apart


def drawn(count: int, seed: int, features: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Draw two samples of one kind; return the features and which are of the second."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2 * count, features)), rng.permutation(2 * count) < count


def told(values, is_second, strata=None, groups=None):
    count = len(values)
    table = pl.DataFrame(values, schema=[f"f{n}" for n in range(values.shape[1])])
    return tell_apart(
        table,
        is_second,
        strata=strata or ["one"] * count,
        groups=groups or [str(n) for n in range(count)],
    )


def test_samples_of_one_kind_are_not_told_apart():
    found = [told(*drawn(200, seed)).auc for seed in range(30)]
    assert np.mean([auc.value for auc in found]) == pytest.approx(0.5, abs=0.02)
    assert np.mean([auc.low <= 0.5 <= auc.high for auc in found]) >= 0.8
    assert max(auc.low for auc in found) < 0.6


def test_a_shifted_feature_is_found_and_named_with_its_medians():
    values, is_second = drawn(400, 1)
    values[is_second, 3] += 2
    found = told(values, is_second)
    assert found.auc.low > 0.8
    assert found.telling == "f3"
    assert found.telling_auc > 0.8
    assert found.medians == pytest.approx((0, 2), abs=0.3)


def test_a_wider_spread_is_found_too():
    values, is_second = drawn(400, 2)
    values[is_second, 0] *= 3
    assert told(values, is_second).auc.low > 0.6


def test_another_mix_of_strata_is_no_difference():
    rng = np.random.default_rng(0)
    is_second = rng.random(2000) < 0.5
    stratum = rng.random(2000) < np.where(is_second, 0.8, 0.2)
    values = rng.normal(size=(2000, 3)) + 3 * stratum[:, None]
    held_equal = told(values, is_second, strata=[str(kind) for kind in stratum])
    assert held_equal.auc.low < 0.5 < held_equal.auc.high
    control = told(values, is_second)
    assert control.auc.low > 0.7


def test_what_is_learned_of_a_group_is_not_asked_of_it():
    rng = np.random.default_rng(0)
    group = rng.integers(0, 40, 800)
    is_second = (group % 2).astype(bool)
    values = rng.normal(size=(40, 3))[group] + 0.01 * rng.normal(size=(800, 3))
    found = told(values, is_second, groups=[str(number) for number in group])
    assert found.auc.value < 0.65
    control = told(values, is_second)
    assert control.auc.value > found.auc.value


@pytest.mark.parametrize(("count", "is_told"), [(LEAST_IMAGES - 1, False), (LEAST_IMAGES, True)])
def test_few_images_tell_nothing(count, is_told):
    assert (told(*drawn(count, 0)) is not None) == is_told


@pytest.mark.parametrize("count", [1, 2, 9])
def test_few_groups_tell_nothing(count):
    values, is_second = drawn(200, 0)
    groups = [str(n % count) for n in range(400)]
    assert told(values, is_second, groups=groups) is None


def test_nulls_and_constants_do_no_harm():
    values, is_second = drawn(100, 3)
    table = pl.DataFrame(
        {
            "gone": [None] * 200,
            "constant": [1.0] * 200,
            "some": [None, 1.0] * 100,
            "f": values[:, 0],
        },
        schema_overrides={"gone": pl.Float32},
    )
    found = tell_apart(table, is_second, strata=["one"] * 200, groups=[str(n) for n in range(200)])
    assert found is not None
    assert found.auc.low < 0.6


def test_the_same_images_give_the_same_answer():
    assert told(*drawn(100, 4)) == told(*drawn(100, 4))


@pytest.mark.parametrize("decimals", [0, 8])
def test_the_area_is_that_of_scikit_learn_also_with_ties(decimals):
    rng = np.random.default_rng(5)
    truth = rng.random(300) < 0.4
    scores = np.round(rng.normal(size=300) + truth, decimals)
    assert auc_with_variance(scores, truth)[0] == pytest.approx(roc_auc_score(truth, scores))


def test_the_variance_of_the_area_is_what_repeating_shows():
    rng = np.random.default_rng(6)
    truth = np.arange(200) < 80
    repeats = [auc_with_variance(rng.normal(size=200) + truth, truth) for _ in range(400)]
    areas, variances = np.array(repeats).T
    assert np.sqrt(variances.mean()) == pytest.approx(areas.std(), rel=0.1)
