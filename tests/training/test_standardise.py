"""Standardising takes its mean and deviation from the training part and from nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from darkroom.data import pixels as pixels_module
from darkroom.data.opening import open_dataset
from darkroom.data.pixels import Images, channel_statistics, load_images
from darkroom.data.preprocess import Preprocess, scale_pixels
from darkroom.errors import RecipeError
from darkroom.training.recipe import Recipe
from darkroom.training.train import plan

RECIPE = Recipe(image_size=8, scaling="standard")


def images_of(pixels: np.ndarray, rows: np.ndarray) -> Images:
    count = len(rows)
    return Images(
        pixels=pixels,
        rows=rows,
        targets=np.zeros((count, 2)),
        identities=np.zeros(count, np.uint64),
    )


@pytest.fixture
def parts(tmp_path, workspace):
    """Open a dataset whose test part is much brighter than its training part."""
    drawn = np.random.default_rng(0)
    for part, bright in (("train", 0), ("valid", 60), ("test", 120)):
        for number in range(6):
            folder = tmp_path / "photos" / part / ("day", "night")[number % 2]
            folder.mkdir(parents=True, exist_ok=True)
            noise = drawn.integers(0, 100, (8, 8, 3)) + bright + (0, 10, 30)
            Image.fromarray(noise.astype(np.uint8)).save(folder / f"{number}.png")
    return open_dataset(tmp_path / "photos", workspace=workspace)


@pytest.mark.parametrize("channels", [1, 3])
def test_statistics_are_those_of_numpy_in_float64(monkeypatch, channels):
    monkeypatch.setattr(pixels_module, "_COUNTED_BYTES", 1_000)  # many steps, the last one short
    pixels = np.random.default_rng(1).integers(0, 256, (50, 7, 9, channels), np.uint8)
    rows = np.random.default_rng(2).permutation(50)[:33]
    mean, std = channel_statistics(images_of(pixels, rows))
    taken = pixels[rows].astype(np.float64)
    np.testing.assert_allclose(mean, taken.mean(axis=(0, 1, 2)), rtol=1e-13)
    np.testing.assert_allclose(std, taken.std(axis=(0, 1, 2)), rtol=1e-13)


def test_the_recorded_mean_and_deviation_are_those_of_the_training_part_alone(parts):
    preprocess = plan(parts, RECIPE, (), ()).preprocess
    train = load_images(parts, "train", preprocess).take(slice(None)).astype(float)
    np.testing.assert_allclose(preprocess.mean, train.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(preprocess.std, train.std(axis=(0, 1, 2)), rtol=1e-12)
    scaled = scale_pixels(train.astype(np.uint8), preprocess)
    np.testing.assert_allclose(scaled.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(axis=(0, 1, 2)), 1, atol=1e-5)


def test_control_all_parts_together_have_another_mean(parts):
    preprocess = plan(parts, RECIPE, (), ()).preprocess
    names = ("train", "valid", "test")
    everything = [load_images(parts, name, preprocess).take(slice(None)) for name in names]
    means = np.concatenate(everything).mean(axis=(0, 1, 2))
    assert (np.abs(means - preprocess.mean) > 20).all()


def test_other_images_in_the_test_part_change_nothing(parts, tmp_path, workspace):
    before = plan(parts, RECIPE, (), ()).preprocess
    for path in (tmp_path / "photos" / "test").rglob("*.png"):
        Image.new("RGB", (8, 8), (255, 0, int(path.stem))).save(path)
    again = open_dataset(tmp_path / "photos", workspace=workspace)
    assert plan(again, RECIPE, (), ()).preprocess == before


def test_control_other_images_in_the_training_part_change_the_mean(parts, tmp_path, workspace):
    before = plan(parts, RECIPE, (), ()).preprocess
    for path in (tmp_path / "photos" / "train").rglob("*.png"):
        Image.new("RGB", (8, 8), (255, 0, int(path.stem))).save(path)
    again = open_dataset(tmp_path / "photos", workspace=workspace)
    with pytest.raises(RecipeError, match="std"):  # red is 255 everywhere now
        plan(again, RECIPE, (), ())
    assert before.mean[0] < 100


def test_the_plan_decodes_scaled_and_takes_the_background_of_the_recipe(parts):
    preprocess = plan(parts, Recipe(image_size=8, background=(0, 0, 0)), (), ()).preprocess
    expected = Preprocess(height=8, width=8, decode="scaled", background=(0, 0, 0))
    assert (preprocess.decode, preprocess.background) == (expected.decode, expected.background)


def test_a_background_that_is_no_colour_is_refused():
    with pytest.raises(RecipeError, match="background"):
        Recipe(background=(0, 300, 0))
