"""Guards: they name the step, the images and the way out; and they keep quiet when all is well."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from darkroom.backend import keras
from darkroom.errors import DataError, RecipeError
from darkroom.training.batches import PlainBatches, TrainingBatches
from darkroom.training.guards import (
    Rates,
    find_standstill,
    measure_chance,
    refuse_nonfinite,
    refuse_nonfinite_validation,
)
from darkroom.training.record import Epoch

NAMES = [f"{number:02d}.png" for number in range(24)]
RATES = Rates(by_step=np.linspace(0.1, 0.9, 9, dtype=np.float32))
ORDER = np.random.default_rng(5).permutation(24)


def made(inputs=None, targets=None, weights=None):
    inputs = np.zeros((24, 4, 4, 3), np.float32) if inputs is None else inputs
    targets = np.eye(3, dtype=np.float32)[np.arange(24) % 3] if targets is None else targets
    return TrainingBatches(
        lambda chosen, _: inputs[chosen], lambda _: ORDER, targets, batch_size=8, epochs=3,
        weights=weights,
    )  # fmt: skip


def refused(kind, steps, batches, rates=RATES):
    with pytest.raises(kind) as error:
        refuse_nonfinite(steps, batches, NAMES, rates)
    return error.value


def test_a_diverged_step_is_named_with_its_rate_and_first_images():
    error = refused(RecipeError, range(4, 5), made())
    assert "step 5 of 9" in error.problem
    assert "0.5" in error.problem
    assert ", ".join(NAMES[row] for row in ORDER[8:13]) + " and 3 more" in error.problem
    assert NAMES[ORDER[13]] not in error.problem


def test_of_several_steps_in_a_call_all_are_named():
    error = refused(RecipeError, range(3, 6), made())
    assert "steps 4..6" in error.problem
    assert "and 19 more" in error.problem  # no image twice, though the steps are a whole epoch


def test_the_hint_is_a_tenth_of_the_highest_rate_so_far_and_clipping_where_there_is_none():
    falling = Rates(by_step=RATES.by_step[::-1], setting="transfer.fine_tune_lr")
    hint = refused(RecipeError, range(6, 7), made(), falling).hint
    assert hint.startswith("--set transfer.fine_tune_lr=0.09,")
    assert "clip_norm" in hint
    known = msgspec.structs.replace(falling, usual=0.001)
    assert refused(RecipeError, range(6, 7), made(), known).hint.startswith(
        "--set transfer.fine_tune_lr=0.001,"
    )
    clipped = msgspec.structs.replace(RATES, clip_norm=1.0)
    assert refused(RecipeError, range(4, 5), made(), clipped).hint == "--set optimizer.peak_lr=0.05"


def test_a_first_step_is_not_blamed_on_the_rate():
    error = refused(RecipeError, range(1), made())
    assert "peak_lr" not in error.hint
    assert "precision=float32" in error.hint


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("what", ["pixels", "target", "weight"])
def test_an_image_that_is_no_number_is_named_instead_of_the_rate(what, value):
    odd = int(ORDER[17])
    inputs = np.zeros((24, 4, 4, 3), np.float32)
    targets, weights = np.ones((24, 1), np.float32), np.ones(24, np.float32)
    {"pixels": inputs, "target": targets, "weight": weights}[what][odd] = value
    batches = made(inputs, targets, weights)
    error = refused(DataError, range(5, 6), batches)
    assert NAMES[odd] in error.problem
    assert f"the {what}" in error.problem
    assert str(value) in error.problem
    assert NAMES[odd] in error.hint
    # The control: the steps before it hold numbers only.
    assert refused(RecipeError, range(3, 5), batches)


def test_features_are_not_called_pixels():
    rows = np.zeros((24, 7), np.float32)
    rows[ORDER[0]] = np.nan
    assert "features" in refused(DataError, range(1), made(rows)).problem


@pytest.mark.parametrize("odd", [None, 21])
def test_a_validation_that_is_no_number_names_its_own_image_or_the_rate(odd):
    targets = np.ones((24, 1), np.float32)
    if odd is not None:
        targets[odd] = np.inf
    valid = PlainBatches(lambda chosen, _: np.zeros((len(chosen), 5)), targets, batch_size=10)
    with pytest.raises(RecipeError if odd is None else DataError) as error:
        refuse_nonfinite_validation(6, valid, NAMES, RATES)
    expected = ("step 6 of 9", "0.6", "validation") if odd is None else ("21.png", "inf")
    assert all(word in error.value.problem for word in expected)


def epoch(loss, accuracy=None, *, error=None, number=3):
    return Epoch(
        number=number, loss=loss, accuracy=accuracy, error=error, valid_loss=loss, learning_rate=0.1
    )


def steady(steps, *, rate=0.1, usual=0.1):
    return Rates(by_step=np.full(steps, rate, np.float32), usual=usual)


def scored(rng, labels, classes, knows):
    """Score a network that knows a share of the classes' evidence, without training one."""
    logits = rng.normal(0, 0.5, (len(labels), classes))
    logits[np.arange(len(labels)), labels] += knows
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss = -np.log(shares[np.arange(len(labels)), labels]).mean()
    return float(loss), float((shares.argmax(axis=1) == labels).mean())


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("knows", [0.0, 0.3])
def test_random_labels_are_noticed_and_the_beginning_of_a_healthy_run_is_not(seed, knows):
    rng = np.random.default_rng((seed, 11))
    labels = rng.integers(0, 10, 3_000)
    targets = np.eye(10, dtype=np.float32)[labels]
    chance = measure_chance(targets, "single-label", "categorical-crossentropy")
    found = [
        find_standstill(
            epoch(*scored(rng, labels, 10, knows)), chance, steady(900), steps=300 + 50 * more
        )
        for more in range(4)
    ]
    if knows:
        assert found == [None] * 4
    else:
        assert any(found)


def test_what_is_said_holds_the_figures_and_the_next_step():
    targets = np.eye(2, dtype=np.float32)[[0] * 80 + [1] * 20]
    chance = measure_chance(targets, "single-label", "categorical-crossentropy")
    found = find_standstill(epoch(0.52, 0.80), chance, steady(900), steps=400)
    assert found.severity == "warning"
    assert "400 steps" in found.what
    assert "80.0 % (" in found.what
    assert "0.520" in found.what
    assert "0.500" in found.what
    assert "find-lr" in found.next_step
    # A loss below that of any constant answer is knowledge, though accuracy does not show it yet.
    assert find_standstill(epoch(0.42, 0.80), chance, steady(900), steps=400) is None


def test_a_young_training_is_given_time_and_a_short_one_is_judged_at_its_end():
    chance = measure_chance(np.eye(3, dtype=np.float32), "single-label", "focal")
    assert find_standstill(epoch(1.2, 1 / 3), chance, steady(900), steps=299) is None
    assert find_standstill(epoch(1.2, 1 / 3), chance, steady(900), steps=300) is not None
    assert find_standstill(epoch(1.2, 1 / 3), chance, steady(40), steps=20) is None
    short = find_standstill(epoch(1.2, 1 / 3, number=5), chance, steady(40), steps=40)
    assert short.next_step == "train for longer: --set epochs=38"


@pytest.mark.parametrize(("rate", "named"), [(20.0, "=0.1 is usual, 20 was"), (0.4, "epochs=")])
def test_a_rate_far_above_the_usual_one_is_lowered_before_the_training_is_made_longer(rate, named):
    chance = measure_chance(np.eye(3, dtype=np.float32), "single-label", "focal")
    found = find_standstill(epoch(1.2, 1 / 3), chance, steady(40, rate=rate), steps=40)
    assert named in found.next_step


def test_numbers_are_held_against_their_median():
    targets = np.random.default_rng(1).lognormal(size=(500, 1)).astype(np.float32)
    chance = measure_chance(targets, "regression", "mse")
    constant = np.abs(targets - np.median(targets)).mean()
    assert chance.error == pytest.approx(constant, rel=1e-6)
    assert find_standstill(epoch(9, error=constant), chance, steady(900), steps=400) is not None
    assert find_standstill(epoch(9, error=constant * 0.9), chance, steady(900), steps=400) is None


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize(
    ("task", "loss", "keras_loss"),
    [
        ("single-label", "categorical-crossentropy", keras.losses.CategoricalCrossentropy),
        ("multi-label", "binary-crossentropy", keras.losses.BinaryCrossentropy),
    ],
)
def test_no_constant_answer_has_a_smaller_loss_than_chance(task, loss, keras_loss, smoothing):
    rng = np.random.default_rng(3)
    targets = np.eye(3, dtype=np.float32)[rng.choice(3, 300, p=[0.7, 0.2, 0.1])]
    if task == "multi-label":
        targets = np.maximum(targets, targets[::-1])
    weights = (1 + targets[:, 1]).astype(np.float32)
    chance = measure_chance(targets, task, loss, label_smoothing=smoothing, weights=weights)
    measured = keras_loss(label_smoothing=smoothing)

    def constant(answer):
        answers = np.repeat(answer[None].astype(np.float32), len(targets), axis=0)
        return float(measured(targets, answers, sample_weight=weights))

    soft = weights @ targets / weights.sum()
    aim = 1 / 3 if task == "single-label" else 1 / 2
    best = soft * (1 - smoothing) + smoothing * aim
    assert constant(best) == pytest.approx(chance.loss, rel=1e-4)
    for _ in range(20):
        moved = np.clip(best * rng.uniform(0.8, 1.25, 3), 0.001, 0.999)
        moved = moved / moved.sum() if task == "single-label" else moved
        assert constant(moved) >= chance.loss - 1e-6
