"""Batches: every image once an epoch, in an order and with an augmentation of their own."""

from __future__ import annotations

import numpy as np
import pytest

from darkroom.backend import keras
from darkroom.data.augment import augment_images, draw_uniform
from darkroom.data.pixels import Images, load_images
from darkroom.data.preprocess import Preprocess, scale_pixels
from darkroom.training.batches import (
    PlainBatches,
    TrainingBatches,
    as_input,
    fair_batch,
    take_pixels,
    take_rows,
    take_varied_pixels,
)
from darkroom.training.order import make_order
from darkroom.training.recipe import Augment, Recipe

PREPROCESS = Preprocess(height=6, width=5, scaling="bytes")


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return Images(
        pixels=rng.integers(0, 256, (23, 6, 5, 3), dtype=np.uint8),
        rows=np.arange(23)[::-1].copy(),
        targets=np.eye(23, dtype=np.float32),
        identities=rng.integers(0, 2**63, 23).astype(np.uint64),
    )


def batches(images, **changes):
    augment = Augment(flip=changes.pop("flip", False), shift=changes.pop("shift", 0.0))
    recipe = Recipe(epochs=3, seed=changes.pop("seed", 7), augment=augment)
    return TrainingBatches(
        take_varied_pixels(images, PREPROCESS, recipe),
        make_order(recipe, images.targets),
        images.targets,
        **({"batch_size": 5, "epochs": 3} | changes),
    )


def epoch_of(made, epoch):
    return [made[epoch * made.steps_per_epoch + step] for step in range(made.steps_per_epoch)]


def test_an_epoch_holds_every_image_once_with_its_own_target_and_is_filled_up(images):
    made = batches(images)
    assert made.num_batches == 15
    for epoch in range(3):
        pixels, targets = (
            np.concatenate(column) for column in zip(*epoch_of(made, epoch), strict=True)
        )
        order = targets.argmax(axis=1)
        assert sorted(order[:23]) == list(range(23))
        assert list(order[23:]) == list(order[:2])
        np.testing.assert_array_equal(pixels, images.pixels[images.rows[order]])


def test_a_batch_larger_than_half_of_the_part_is_filled_up_too(images):
    made = batches(images, batch_size=20)
    assert [len(made[step][0]) for step in range(2)] == [20, 20]
    np.testing.assert_array_equal(made.chosen(1)[3:], made.chosen(0)[:17])


def test_weights_come_with_the_images_they_belong_to(images):
    weights = np.arange(23, dtype=np.float32)
    _, targets, given = batches(images, weights=weights)[7]
    np.testing.assert_array_equal(given, targets.argmax(axis=1))


def test_order_is_a_function_of_seed_and_epoch(images):
    first, second = epoch_of(batches(images), 0), epoch_of(batches(images), 1)
    assert not np.array_equal(first[0][1], second[0][1])
    assert not np.array_equal(first[0][1], epoch_of(batches(images, seed=8), 0)[0][1])


def test_a_step_is_the_same_whatever_was_asked_before(images):
    settings = {"flip": True, "shift": 0.4}
    walked, jumped = batches(images, **settings), batches(images, **settings)
    steps = [walked[step] for step in range(walked.num_batches)]
    for step in (11, 2, 14, 2):
        for one, other in zip(jumped[step], steps[step], strict=True):
            np.testing.assert_array_equal(one, other)


def test_augmentation_belongs_to_the_image_not_to_its_neighbours(images):
    pixels, names = images.pixels, images.identities
    settings = {"flip": True, "shift": 0.4, "position": (1, 2)}
    whole = augment_images(pixels, names, **settings)
    alone = np.concatenate(
        [augment_images(pixels[[row]], names[[row]], **settings) for row in range(len(pixels))]
    )
    np.testing.assert_array_equal(whole, alone)
    # The control: identities in another order give other images.
    assert not np.array_equal(whole, augment_images(pixels, names[::-1], **settings))


def test_augmentation_changes_with_the_epoch_and_leaves_its_input_alone(images):
    before = images.pixels.copy()
    one = augment_images(images.pixels, images.identities, flip=True, shift=0.4, position=(1, 2))
    other = augment_images(images.pixels, images.identities, flip=True, shift=0.4, position=(1, 3))
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(images.pixels, before)


def test_mirroring_alone_gives_each_image_or_its_mirror_about_half_of_the_time():
    pixels = np.random.default_rng(1).integers(0, 256, (400, 4, 4, 1), dtype=np.uint8)
    names = np.arange(400, dtype=np.uint64) * np.uint64(977)
    out = augment_images(pixels, names, flip=True, shift=0.0, position=(0, 0))
    same = (out == pixels).all(axis=(1, 2, 3))
    mirrored = (out == pixels[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same | mirrored).all()
    assert 150 < mirrored.sum() < 250


def test_a_move_keeps_the_pixels_that_stay_in_view():
    pixels = np.zeros((64, 8, 8, 1), np.uint8)
    pixels[:, 4, 4] = 255
    out = augment_images(pixels, np.arange(64, dtype=np.uint64), flip=False, shift=0.25,
                         position=(3, 1))  # fmt: skip
    assert (out.reshape(64, -1).max(axis=1) == 255).all()
    places = {tuple(np.argwhere(image[:, :, 0] == 255)[0]) for image in out}
    assert all(2 <= y <= 6 and 2 <= x <= 6 for y, x in places)
    assert len(places) > 10


def test_draws_are_uniform_and_unrelated_between_counters():
    names = np.arange(20_000, dtype=np.uint64)
    one, other = draw_uniform(names, 1, 2), draw_uniform(names, 1, 3)
    assert 0 <= one.min() < 0.01
    assert 0.99 < one.max() < 1
    assert abs(one.mean() - 0.5) < 0.01
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03


def test_plain_batches_are_the_part_in_order(images):
    plain = PlainBatches(take_pixels(images, PREPROCESS), images.targets, batch_size=10)
    assert plain.num_batches == 3
    pixels = np.concatenate([plain[step][0] for step in range(3)])
    np.testing.assert_array_equal(pixels, scale_pixels(images.take(slice(None)), PREPROCESS))
    targets = np.concatenate([plain[step][1] for step in range(3)])
    np.testing.assert_array_equal(targets, images.targets)


def test_rows_are_the_same_in_every_epoch():
    rows = np.arange(12).reshape(6, 2)
    take, chosen = take_rows(rows), np.array([4, 1])
    np.testing.assert_array_equal(take(chosen, 0), rows[chosen])
    np.testing.assert_array_equal(take(chosen, 5), rows[chosen])


@pytest.mark.parametrize(("side", "images"), [(4, 256), (224, 16), (2_000, 8)])
def test_a_part_is_judged_in_batches_that_fit_the_caches(side, images):
    assert fair_batch(lambda chosen, _: np.zeros((len(chosen), side, side, 3))) == images


def test_a_part_is_loaded_in_the_order_of_its_index(dataset):
    preprocess = Preprocess(height=12, width=12)
    loaded = load_images(dataset, "valid", preprocess)
    again = load_images(dataset, "valid", preprocess)
    assert len(loaded) == dataset.counts["valid"]
    np.testing.assert_array_equal(loaded.targets.argmax(axis=1), dataset.label_indices("valid"))
    np.testing.assert_array_equal(loaded.take(slice(None)), again.take(slice(None)))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's own pipeline")
def test_the_pipeline_feeds_the_same_batches_without_the_thread_that_delays_its_end(images):
    made = batches(images, flip=True, shift=0.2)
    pipeline = as_input(made)
    assert pipeline.options().autotune.enabled is False
    fed = list(pipeline.as_numpy_iterator())
    assert len(fed) == made.num_batches
    for step, (pixels, targets) in enumerate(fed):
        np.testing.assert_array_equal(pixels, made[step][0])
        np.testing.assert_array_equal(targets, made[step][1])


def test_what_is_fed_can_begin_at_any_step(images):
    made = batches(images, flip=True, shift=0.2)
    if keras.backend.backend() == "tensorflow":
        fed = list(as_input(made, 11).as_numpy_iterator())
    else:
        late = as_input(made, 11)
        fed = [late[step] for step in range(late.num_batches)]
    assert len(fed) == 4
    for step, (pixels, targets) in enumerate(fed, start=11):
        np.testing.assert_array_equal(pixels, made[step][0])
        np.testing.assert_array_equal(targets, made[step][1])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's pipelines")
def test_no_generator_pins_the_memory_of_the_process(images):
    """With the control: TensorFlow changes the C library's thresholds when it meets one."""
    import tensorflow as tf

    def operations(pipeline):
        return tf.raw_ops.DatasetToGraphV2(input_dataset=pipeline._variant_tensor).numpy()

    made = batches(images)
    generated = tf.data.Dataset.from_generator(
        lambda: iter([made[0]]),
        output_signature=(tf.TensorSpec(None, tf.float32), tf.TensorSpec(None, tf.float32)),
    )
    assert b"GeneratorDataset" in operations(generated)
    assert b"GeneratorDataset" not in operations(as_input(made))
