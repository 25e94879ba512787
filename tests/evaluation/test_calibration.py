"""Calibration: the gap by hand, its interval by simulation, and the temperature."""

from __future__ import annotations

import math

import numpy as np
import pytest

from darkroom.decision import Decision, decide
from darkroom.errors import DataError
from darkroom.evaluation.calibration import (
    FEWEST_IMAGES,
    Calibration,
    calibration_gap,
    fit_temperature,
    measure_calibration,
)
from darkroom.records import from_json, to_json
from tests.evaluation.simulated import answers, label_answers

SINGLE = Decision(task="single-label")
MULTI = Decision(task="multi-label")


def cooled_gap(probabilities, targets, temperature):
    rule = Decision(task="single-label", temperature=temperature)
    return calibration_gap(decide(probabilities, rule).probabilities, targets.argmax(1))


def test_the_gap_of_bins_counted_by_hand():
    answers = np.array([[0.9, 0.1], [0.9, 0.1], [0.35, 0.65], [0.65, 0.35]])
    # Confidence 0.9, half right; confidence 0.65, all right.
    gap = calibration_gap(answers, np.array([0, 1, 1, 0]))
    assert gap == pytest.approx((2 * 0.4 + 2 * 0.35) / 4)


def test_the_gap_of_an_honest_network_falls_with_more_images_and_that_of_a_boaster_does_not():
    few, many = (answers(0, images) for images in (200, 20_000))
    assert calibration_gap(few[0], few[1].argmax(1)) > 0.02
    assert calibration_gap(many[0], many[1].argmax(1)) < 0.01
    boasted, targets = answers(0, 20_000, sharpness=3.0)
    assert calibration_gap(boasted, targets.argmax(1)) > 0.08


def test_the_right_edge_belongs_to_a_bin():
    rows = np.array([[0.8, 0.2], [0.81, 0.19]])
    assert calibration_gap(rows, np.array([0, 1]), bins=5) == pytest.approx((0.2 + 0.81) / 2)


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [
        (np.full((3, 2), 0.5), np.zeros(2, int)),
        (np.zeros((0, 2)), np.zeros(0, int)),
        (np.array([[np.nan, 0.5]]), np.zeros(1, int)),
    ],
)
def test_a_gap_of_what_does_not_belong_together_is_refused(probabilities, labels):
    with pytest.raises(DataError):
        calibration_gap(probabilities, labels)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 1.7, 3.0])
def test_the_temperature_is_found_that_made_it_dishonest(sharpness):
    found = fit_temperature(*answers(1, 4000, sharpness=sharpness), "single-label")
    assert found == pytest.approx(sharpness, rel=0.12)


@pytest.mark.parametrize("sharpness", [0.6, 1.0, 2.5])
def test_the_temperature_of_several_labels_is_found(sharpness):
    found = fit_temperature(*label_answers(1, 3000, sharpness=sharpness), "multi-label")
    assert found == pytest.approx(sharpness, rel=0.1)


def test_a_network_smoothed_in_training_is_sharpened():
    shares, targets = answers(2, 1000, apart=4.0)
    smoothed = 0.8 * shares + 0.2 / 3
    found = fit_temperature(smoothed, targets, "single-label")
    assert found < 0.8
    assert cooled_gap(smoothed, targets, found) < cooled_gap(smoothed, targets, 1.0) / 2


@pytest.mark.parametrize("sharpness", [0.5, 2.0])
def test_the_gap_shrinks_on_images_that_were_not_fitted_in_nine_of_ten_seeds(sharpness):
    shrinks = 0
    for seed in range(10):
        found = fit_temperature(*answers(seed, 500, sharpness=sharpness), "single-label")
        fresh = answers(100 + seed, 2000, sharpness=sharpness)
        shrinks += cooled_gap(*fresh, found) < cooled_gap(*fresh, 1.0)
    assert shrinks >= 9


def test_control_the_inverse_temperature_widens_the_gap():
    found = fit_temperature(*answers(0, 500, sharpness=2.0), "single-label")
    fresh = answers(100, 2000, sharpness=2.0)
    assert cooled_gap(*fresh, 1 / found) > cooled_gap(*fresh, 1.0)


def test_a_part_without_an_error_does_not_ask_for_certainty():
    targets = np.eye(2, dtype=np.float32)[np.arange(200) % 2]
    shares = np.where(targets > 0, 0.97, 0.03).astype(np.float32)
    found = fit_temperature(shares, targets, "single-label")
    assert 0.4 < found < 1
    assert decide(shares, Decision(task="single-label", temperature=found)).probabilities.max() < 1


def test_control_without_the_penalty_it_would_ask_for_certainty(monkeypatch):
    monkeypatch.setattr("darkroom.evaluation.calibration._USUAL", math.inf)
    targets = np.eye(2, dtype=np.float32)[np.arange(200) % 2]
    shares = np.where(targets > 0, 0.97, 0.03).astype(np.float32)
    assert fit_temperature(shares, targets, "single-label") < 0.2


def test_one_saturated_error_does_not_melt_everything():
    shares, targets = label_answers(3, 500)
    shares[0, 0], targets[0, 0] = 1.0, 0.0
    assert fit_temperature(shares, targets, "multi-label") == pytest.approx(1.0, rel=0.2)


@pytest.mark.parametrize(
    ("probabilities", "targets", "task"),
    [
        (*answers(0, FEWEST_IMAGES - 1), "single-label"),
        (answers(0, 80)[0], np.eye(3)[np.zeros(80, int)], "single-label"),
        (np.ones((80, 1)), np.ones((80, 1)), "single-label"),
        (label_answers(0, 80)[0], np.zeros((80, 3)), "multi-label"),
        (np.zeros((0, 3)), np.zeros((0, 3)), "single-label"),
    ],
    ids=["too few", "one class occurs", "one class", "no label occurs", "no images"],
)
def test_where_nothing_can_be_said_there_is_no_temperature(probabilities, targets, task):
    assert fit_temperature(probabilities, targets, task) is None


def test_control_one_image_more_and_a_second_class_are_enough():
    assert fit_temperature(*answers(0, FEWEST_IMAGES), "single-label") is not None


@pytest.mark.parametrize(
    ("asked", "rule"), [(measure_calibration, SINGLE), (fit_temperature, "single-label")]
)
def test_probabilities_that_are_no_numbers_are_refused(asked, rule):
    shares, targets = answers(0, 100)
    shares[7, 1] = np.nan
    with pytest.raises(DataError, match="1 probabilities"):
        asked(shares, targets, rule)


def test_calibration_is_measured_before_and_after_and_comes_back_from_json():
    shares, targets = answers(0, 2000, sharpness=2.0)
    rule = Decision(task="single-label", temperature=2.0, thresholds=(0.1, 0.8, 0.1))
    found = measure_calibration(shares, targets, rule)
    assert found.gap_before.value == pytest.approx(calibration_gap(shares, targets.argmax(1)))
    assert found.gap.value < found.gap_before.value / 2
    assert found.gap_before.low > 0.04
    assert sum(each.images for each in found.bins) == found.images == 2000
    assert all(each.low < each.confidence <= each.high for each in found.bins)
    assert sum(each.accuracy.hits for each in found.bins) == sum(
        each.accuracy.hits for each in found.bins_before
    )
    assert from_json(to_json(found), Calibration, where="x") == found


def covered(sharpness: float, images: int, true: float, draws: int = 40) -> float:
    held = 0
    for seed in range(draws):
        gap = measure_calibration(*answers(seed, images, sharpness=sharpness), SINGLE).gap
        held += gap.low <= true <= gap.high
    return held / draws


@pytest.mark.parametrize(("sharpness", "images"), [(1.0, 60), (1.0, 1000), (2.0, 300)])
def test_the_interval_holds_the_true_gap_although_the_value_is_biased(sharpness, images):
    true = 0.0
    if sharpness != 1:
        shares, targets = answers(10**6, 200_000, sharpness=sharpness)
        true = calibration_gap(shares, targets.argmax(1))
    assert covered(sharpness, images, true) >= 0.9


def test_control_the_interval_does_not_hold_just_anything():
    assert covered(2.0, 1000, 0.0, draws=10) < 0.1
    assert covered(1.0, 1000, 0.1, draws=10) < 0.1


def test_where_nothing_went_wrong_confidence_may_still_be_too_high():
    targets = np.eye(2)[np.arange(30) % 2]
    shares = np.where(targets > 0, 0.999, 0.001)
    found = measure_calibration(shares, targets, SINGLE)
    assert found.gap.value == pytest.approx(0.001, abs=1e-6)
    assert found.gap.high > 0.03  # 30 of 30 right is what 95 % accuracy gives now and then


def test_several_labels_are_held_against_the_share_that_carry_them():
    shares = np.array([[0.1, 0.9], [0.1, 0.9], [0.1, 0.9], [0.1, 0.9]])
    targets = np.array([[0, 1], [1, 1], [0, 1], [0, 0]], float)
    found = measure_calibration(shares, targets, MULTI)
    assert [(each.images, each.accuracy.hits) for each in found.bins] == [(4, 1), (4, 3)]
    assert found.gap.value == pytest.approx(0.15)
    assert found.images == 4


def test_labels_that_err_together_widen_the_interval():
    rng = np.random.default_rng(0)
    shares = rng.uniform(0.1, 0.9, (200, 1)).repeat(10, axis=1)
    luck = rng.random((200, 1)).repeat(10, axis=1)
    together = measure_calibration(shares, (luck < shares).astype(float), MULTI)
    apart = measure_calibration(shares, (rng.random((200, 10)) < shares).astype(float), MULTI)
    width = (together.gap.high - together.gap.low) / (apart.gap.high - apart.gap.low)
    assert width > 2


@pytest.mark.parametrize(
    ("columns", "decision"),
    [(1, SINGLE), (1, Decision(task="regression"))],
    ids=["class", "number"],
)
def test_where_there_is_nothing_to_be_confident_about_calibration_is_not_defined(columns, decision):
    assert measure_calibration(np.ones((5, columns)), np.ones((5, columns)), decision) is None


def test_calibration_of_no_images_is_refused():
    with pytest.raises(DataError):
        measure_calibration(np.zeros((0, 3)), np.zeros((0, 3)), SINGLE)


def test_a_class_that_does_not_occur_changes_nothing_for_the_others():
    shares, targets = answers(0, 300)
    wider = np.pad(shares, ((0, 0), (0, 1))), np.pad(targets, ((0, 0), (0, 1)))
    one, other = (measure_calibration(*each, SINGLE) for each in ((shares, targets), wider))
    assert one.gap == other.gap
