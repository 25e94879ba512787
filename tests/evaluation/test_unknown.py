"""None of these: the promise on false alarms, the area under the curve, and what is caught."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from darkroom.decision import Decision, sureness
from darkroom.errors import DataError
from darkroom.evaluation.unknown import (
    Unknown,
    area_between,
    fit_unknown,
    images_needed,
    measure_unknown,
    share_promised,
)
from darkroom.records import from_json, to_json


def drawn(seed: int, images: int, evenness: float = 0.3, classes: int = 5) -> np.ndarray:
    """Draw probabilities; the more even, the less sure."""
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(classes, evenness), images).astype(np.float32)


def rule(fitted, **rest) -> Decision:
    by, limit = fitted
    return Decision(task="single-label", abstain_by=by, abstain_below=limit, **rest)


def broken_promises(fit, share: float, valid: int, draws: int = 200) -> float:
    """Give the share of validation parts whose rule refuses more of all known images."""
    everyone = np.sort(sureness(drawn(10**6, 200_000), "confidence"))
    limits = [fit(drawn(seed, valid), share) for seed in range(draws)]
    return float((np.searchsorted(everyone, limits) / len(everyone) > share).mean())


def ours(known, share):
    by, limit = fit_unknown(known, {}, false_alarms=share)
    assert by == "confidence"
    return limit


def plain_quantile(known, share):
    return np.quantile(sureness(known, "confidence"), share)


@pytest.mark.parametrize(("share", "valid"), [(0.05, 400), (0.1, 200), (0.05, 2000)])
def test_the_promise_is_kept_for_all_images_by_95_of_100_validation_parts(share, valid):
    assert broken_promises(ours, share, valid) <= 0.09  # 5 %, and what 200 draws leave open


def test_control_the_plain_quantile_breaks_every_other_promise():
    assert broken_promises(plain_quantile, 0.05, 400) > 0.35


def test_the_promise_is_not_kept_by_refusing_nothing():
    known, fresh = drawn(0, 2000), drawn(1, 5000)
    found = measure_unknown(
        fresh, {}, rule(fit_unknown(known, {}, false_alarms=0.1)), false_alarms_wanted=0.1
    )
    assert 0.06 < found.false_alarms.value < 0.11


@pytest.mark.parametrize(("share", "needed"), [(0.05, 400), (0.1, 200), (1.0, 20), (0.0, None)])
def test_a_promise_needs_twenty_false_alarms(share, needed):
    assert images_needed(share) == needed


def test_so_many_images_can_promise_the_share_that_is_said_and_none_below_it():
    assert share_promised(20) is None
    assert share_promised(80) == 0.25
    for images in range(21, 3_000):
        share = share_promised(images)
        assert images_needed(share) <= images
        assert share == 0.01 or images_needed(share - 0.01) > images


def test_a_validation_part_that_is_too_small_gives_no_rule():
    assert fit_unknown(drawn(0, 399), {}, false_alarms=0.05) is None
    assert fit_unknown(drawn(0, 400), {}, false_alarms=0.05) is not None
    assert fit_unknown(drawn(0, 400), {}, false_alarms=0.0) is None
    assert fit_unknown(np.zeros((0, 3)), {}, false_alarms=0.5) is None


def test_equally_sure_images_are_not_refused_beyond_the_promise():
    known = np.full((500, 2), 0.5)
    by, limit = fit_unknown(known, {}, false_alarms=0.1)
    assert limit == 0.5
    found = measure_unknown(known, {}, rule((by, limit)), false_alarms_wanted=0.1)
    assert found.false_alarms.hits == 0


def test_the_sureness_is_taken_that_separates_better():
    # All are 60 % confident; what is known has one rival, what is not has many.
    rng = np.random.default_rng(0)
    best = rng.uniform(0.58, 0.62, (500, 1))
    known = np.concatenate([best, 1 - best, np.zeros((500, 3))], axis=1)
    others = np.concatenate([best, np.repeat((1 - best) / 4, 4, axis=1)], axis=1)
    by, _ = fit_unknown(known, {"rivals": others}, false_alarms=0.1)
    assert by == "certainty"
    by, _ = fit_unknown(known, {"unsure": known - 0.3 * np.eye(5)[0]}, false_alarms=0.1)
    assert by == "confidence"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 40), st.integers(1, 40), st.integers(1, 8))
def test_the_area_is_that_of_scikit_learn_ties_and_all(seed, one, other, levels):
    rng = np.random.default_rng(seed)
    known, others = (rng.integers(0, levels, count) / 8 for count in (one, other))
    found = area_between(known, others)
    truth = np.r_[np.ones(one), np.zeros(other)]
    assert found.value == pytest.approx(roc_auc_score(truth, np.r_[known, others]))
    assert 0 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize("apart", [0.0, 1.0, 3.0])
@pytest.mark.parametrize(("one", "other"), [(30, 30), (300, 60)])
def test_the_interval_of_the_area_holds_the_truth(one, other, apart):
    true, held = norm.cdf(apart / np.sqrt(2)), 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        found = area_between(rng.normal(apart, 1, one), rng.normal(0, 1, other))
        held += found.low <= true <= found.high
    assert held / 200 >= 0.91


def test_where_nothing_overlaps_the_interval_stays_open():
    found = area_between(np.array([0.8, 0.9, 0.95]), np.array([0.1, 0.2, 0.3]))
    assert (found.value, found.high) == (1.0, 1.0)
    assert 0.4 < found.low < 0.8
    turned = area_between(np.array([0.1, 0.2, 0.3]), np.array([0.8, 0.9, 0.95]))
    assert (turned.low, turned.high) == (0.0, pytest.approx(1 - found.low))


def test_an_area_beside_nothing_is_not_defined():
    assert area_between(np.ones(3), np.zeros(0)).value is None
    assert area_between(np.zeros(0), np.ones(3)).value is None


def test_false_alarms_and_what_is_caught_are_measured_by_kind():
    known, others = drawn(0, 1000), {"noise": drawn(1, 300, 3.0), "twins": drawn(2, 200)}
    decision = rule(fit_unknown(drawn(3, 1000), others, false_alarms=0.1))
    found = measure_unknown(known, others, decision, false_alarms_wanted=0.1)
    noise, twins = found.kinds
    assert (noise.name, noise.images, twins.images) == ("noise", 300, 200)
    assert noise.caught.value > 0.4
    assert noise.roc_area.low > 0.8
    assert found.false_alarms.low < 0.1
    assert found.threshold == decision.abstain_below
    assert from_json(to_json(found), Unknown, where="x") == found


def test_control_what_is_drawn_as_the_known_images_is_caught_as_often_as_they_are():
    known, others = drawn(0, 2000), {"twins": drawn(2, 2000)}
    decision = rule(fit_unknown(drawn(3, 1000), others, false_alarms=0.1))
    (twins,) = measure_unknown(known, others, decision, false_alarms_wanted=0.1).kinds
    assert twins.roc_area.low < 0.5 < twins.roc_area.high
    assert twins.caught.low < 0.1


def test_the_temperature_of_the_decision_comes_before_its_rule():
    known = np.array([[0.8, 0.2]])
    decision = rule(("confidence", 0.7), temperature=4.0)
    assert measure_unknown(known, {}, decision, false_alarms_wanted=0.1).false_alarms.hits == 1


def test_without_a_rule_nothing_is_said_of_what_it_refuses():
    plain = Decision(task="single-label")
    found = measure_unknown(drawn(0, 50), {"a": drawn(1, 50)}, plain, false_alarms_wanted=0.05)
    assert found.threshold is None
    assert found.false_alarms.value is None
    assert found.kinds[0].caught.value is None
    assert found.kinds[0].roc_area.value is not None


def test_the_curve_rises_from_nothing_to_everything_and_kinds_count_the_same():
    known = drawn(0, 500)
    others = {"few and sure": drawn(1, 20, 0.05), "many and unsure": drawn(2, 2000, 5.0)}
    found = measure_unknown(
        known, others, Decision(task="single-label"), false_alarms_wanted=0.05
    ).points
    alarms, caught = zip(*found, strict=True)
    assert found[0][0] == 0.0
    assert found[-1] == (1.0, 1.0)
    assert list(alarms) == sorted(alarms)
    assert list(caught) == sorted(caught)
    at_5 = caught[np.argmin(np.abs(np.array(alarms) - 0.05))]
    assert 0.2 < at_5 < 0.6  # most of the one kind, little of the other
    assert len(found) <= 101


def test_without_outliers_there_is_no_curve():
    plain = Decision(task="single-label")
    assert measure_unknown(drawn(0, 50), {}, plain, false_alarms_wanted=0.05).points == ()


@pytest.mark.parametrize("task", ["multi-label", "regression"])
def test_other_tasks_have_no_unknown_images(task):
    with pytest.raises(DataError) as refused:
        measure_unknown(drawn(0, 50), {}, Decision(task=task), false_alarms_wanted=0.05)
    assert task in refused.value.problem


@pytest.mark.parametrize("place", ["known", "outliers"])
def test_probabilities_that_are_no_numbers_are_refused(place):
    tables = {"known": drawn(0, 500), "outliers": drawn(1, 50)}
    tables[place][0, 0] = np.nan
    known, others = tables["known"], {"noise": tables["outliers"]}
    with pytest.raises(DataError):
        fit_unknown(known, others, false_alarms=0.05)
    with pytest.raises(DataError):
        measure_unknown(known, others, Decision(task="single-label"), false_alarms_wanted=0.05)
