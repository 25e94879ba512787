"""What a search may try: read, typed, checked, and made when nothing is said."""

from __future__ import annotations

import tomllib

import pytest

from darkroom.errors import RecipeError
from darkroom.training.recipe import Augment, Optimizer, Recipe
from darkroom.training.space import (
    Range,
    as_typed,
    check_space,
    default_space,
    read_space,
    starting_point,
    takes_whole_numbers,
    with_settings,
)

RATE = Range(low=1e-4, high=1e-1, log=True)
SETTLED = Recipe(
    batch_size=64,
    optimizer=Optimizer(name="sgd", peak_lr=0.3, weight_decay=0.01),
    augment=Augment(shift=0.125),
)


@pytest.mark.parametrize(
    ("written", "space"),
    [
        (
            '"optimizer.peak_lr" = { low = 1e-4, high = 1e-1, log = true }',
            {"optimizer.peak_lr": RATE},
        ),
        (
            "optimizer.peak_lr = { low = 1e-4, high = 1e-1, log = true }",
            {"optimizer.peak_lr": RATE},
        ),
        ("batch_size = [32, 64]", {"batch_size": (32, 64)}),
        ('model = ["mlp", "cnn_simple"]', {"model": ("mlp", "cnn_simple")}),
        ("augment.flip = [true, false]", {"augment.flip": (True, False)}),
        ("dropout = { low = 0, high = 0.5 }", {"dropout": Range(low=0.0, high=0.5)}),
        ("", {}),
    ],
)
def test_a_space_is_read_from_a_table(written, space):
    assert read_space(tomllib.loads(written)) == space


@pytest.mark.parametrize(
    ("typed", "space"),
    [
        ("optimizer.peak_lr=1e-4..1e-1:log", {"optimizer.peak_lr": RATE}),
        ("dropout = 0..0.5", {"dropout": Range(low=0.0, high=0.5)}),
        ("batch_size=32,64", {"batch_size": (32, 64)}),
        ("model=mlp,cnn_simple", {"model": ("mlp", "cnn_simple")}),
        ("augment.flip=true,false", {"augment.flip": (True, False)}),
    ],
)
def test_a_setting_is_typed(typed, space):
    assert read_space({}, [typed]) == space


def test_what_is_typed_stands_above_the_table_and_none_takes_a_setting_out():
    table = {"batch_size": [32, 64], "dropout": {"low": 0.0, "high": 0.5}}
    assert read_space(table, ["batch_size=8,16", "dropout=none"]) == {"batch_size": (8, 16)}


@pytest.mark.parametrize(
    ("table", "fact"),
    [
        ({"optimizer.peak": [1e-3, 1e-2]}, "optimizer.peak_lr"),
        ({"batchsize": [8, 16]}, "batch_size"),
        ({"batch_size": 32}, "neither a range nor a list"),
        ({"dropout": {"low": 0.1, "hihg": 0.5}}, "high"),
        ({"dropout": {"low": 0.1}}, "high"),
        ({"dropout": {"low": 0.5, "high": 0.1}}, "0.5..0.1"),
        ({"optimizer.peak_lr": {"low": 0, "high": 1, "log": True}}, "0..1"),
        ({"batch_size": [8.5, 16]}, "batch_size"),
        ({"optimizer.name": ["sgd", "adamm"]}, "adamm"),
        ({"optimizer.peak_lr": [0.1, -1.0]}, "-1"),
        ({"epochs": {"low": 0, "high": 8}}, "epochs = 0"),
        ({"batch_size": [32]}, "one value"),
        ({"batch_size": []}, "one value"),
        ({"seed": [1, 2, 3]}, "luck"),
    ],
)
def test_a_space_that_no_recipe_can_follow_is_refused(table, fact):
    with pytest.raises(RecipeError) as refused:
        read_space(table)
    assert fact in str(refused.value)


@pytest.mark.parametrize(
    "typed", ["batch_size=a,b", "model=mlp,nonsense", "optimizer.name=sgd,adem"]
)
def test_what_no_trial_could_take_is_refused_by_its_name_before_the_first(typed):
    with pytest.raises(RecipeError) as refused:
        read_space({}, [typed])
    assert typed.partition("=")[0] in refused.value.problem
    assert "--set" not in str(refused.value)


@pytest.mark.parametrize("typed", ["batch_size", "dropout=0..", "dropout=0..1:lin", "dropout=a..b"])
def test_what_is_typed_wrongly_is_refused_with_a_right_one(typed):
    with pytest.raises(RecipeError) as refused:
        read_space({}, [typed])
    assert typed.partition("=")[0] in refused.value.problem
    assert "--space" in refused.value.hint


@pytest.mark.parametrize(
    ("name", "is_whole"),
    [
        ("batch_size", True),
        ("epochs", True),
        ("optimizer.drops", True),
        ("transfer.fine_tune_epochs", True),
        ("optimizer.peak_lr", False),
        ("dropout", False),
        ("optimizer.name", False),
        ("class_weights.ball", False),
        ("curriculum.start", False),
    ],
)
def test_whole_numbers_are_told_by_the_recipe(name, is_whole):
    assert takes_whole_numbers(name) is is_whole


def test_settings_are_put_into_a_recipe_as_they_would_be_typed():
    settings = {"batch_size": 32, "optimizer.peak_lr": 0.0123, "augment.flip": False}
    recipe = with_settings(Recipe(seed=4), settings)
    assert (recipe.batch_size, recipe.optimizer.peak_lr) == (32, 0.0123)
    assert (recipe.augment.flip, recipe.seed) == (False, 4)
    assert as_typed(settings) == ["batch_size=32", "optimizer.peak_lr=0.0123", "augment.flip=false"]


def test_the_default_space_lies_around_the_settled_recipe():
    space = default_space(Recipe(), SETTLED, images=1_000, is_head=False)
    assert space["optimizer.peak_lr"] == Range(low=0.03, high=3.0, log=True)
    assert space["batch_size"] == (32, 64, 128)
    assert set(space) == {
        "optimizer.peak_lr", "batch_size", "optimizer.weight_decay", "augment.shift",
    }  # fmt: skip
    check_space(space)
    assert starting_point(space, SETTLED) is not None


def test_what_the_recipe_says_is_not_searched():
    said = Recipe(batch_size=64, optimizer=Optimizer(peak_lr=0.1))
    space = default_space(said, SETTLED, images=1_000, is_head=False)
    assert set(space) == {"optimizer.weight_decay", "augment.shift"}


def test_a_head_is_not_moved_and_its_dropout_is_searched():
    space = default_space(Recipe(), SETTLED, images=1_000, is_head=True)
    assert "dropout" in space
    assert "augment.shift" not in space


def test_no_batch_of_the_default_space_is_larger_than_the_part():
    assert default_space(Recipe(), SETTLED, images=70, is_head=False)["batch_size"] == (32, 64, 70)


def test_the_starting_recipe_is_a_point_only_where_it_lies_in_the_space():
    inside = {"batch_size": (32, 64), "optimizer.peak_lr": Range(low=0.1, high=1.0)}
    assert starting_point(inside, SETTLED) == {"batch_size": 64, "optimizer.peak_lr": 0.3}
    assert starting_point({"batch_size": (8, 16)}, SETTLED) is None
    assert starting_point({"optimizer.peak_lr": Range(low=1.0, high=2.0)}, SETTLED) is None
    assert starting_point({"dropout": Range(low=0.0, high=0.5)}, SETTLED) is None


def test_a_setting_that_would_be_idle_beside_the_others_is_left_out():
    drawn = {"optimizer.name": "adamw", "optimizer.momentum": 0.8, "dropout": 0.3}
    recipe = with_settings(Recipe(), drawn)
    assert recipe.optimizer.momentum == Recipe().optimizer.momentum
    assert recipe.dropout == 0.3
    used = with_settings(Recipe(), {**drawn, "optimizer.name": "sgd"})  # the control
    assert used.optimizer.momentum == 0.8
