"""Settings as they are typed: how they are read, and what a wrong one is told."""

from __future__ import annotations

import math

import msgspec
import pytest

from darkroom.errors import RecipeError
from darkroom.settings import with_overrides
from darkroom.training.recipe import Curriculum, Recipe
from tests.cameras import Camera, Lens


@pytest.mark.parametrize(
    ("setting", "changed"),
    [
        ("pixels=24", {"pixels": 24}),
        (" pixels = 24 ", {"pixels": 24}),
        ("gain=2e-3", {"gain": 0.002}),
        ("name=24", {"name": "24"}),
        ("name=a=b", {"name": "a=b"}),
        ("name=[not json", {"name": "[not json"}),
        ("flash=true", {"flash": True}),
        ("flash=none", {"flash": None}),
        ("tint=none", {"tint": "none"}),
        ("strap=None", {"strap": "none"}),
        ("lens.aperture=4", {"lens": Lens(aperture=4.0)}),
        ('lens={"maker": "a"}', {"lens": Lens(maker="a")}),
        ("spare.maker=a", {"spare": Lens(maker="a")}),
        ('bag=[{"aperture": 1}, {}]', {"bag": (Lens(aperture=1.0), Lens())}),
        ("prices.new=3", {"prices": {"new": 3.0}}),
    ],
)
def test_an_override_is_typed_by_its_field(setting, changed):
    assert with_overrides(Camera(), [setting]) == Camera(**changed)


def test_overrides_add_up_and_the_last_word_counts():
    changed = with_overrides(Camera(), ["pixels=1", "lens.aperture=4", "pixels=2"])
    assert changed == Camera(pixels=2, lens=Lens(aperture=4.0))


def test_none_clears_a_nested_record():
    assert with_overrides(Camera(spare=Lens()), ["spare=None"]).spare is None


def test_an_override_leaves_the_record_it_started_from_alone():
    camera = Camera(prices={"old": 1.0})
    with_overrides(camera, ["prices.old=2", "pixels=1"])
    assert camera == Camera(prices={"old": 1.0})


@pytest.mark.parametrize(
    ("setting", "meant"),
    [
        ("pixel=1", "`pixels`"),
        ("lens.apertur=1", "`lens.aperture`"),
        ("lense.aperture=1", "`lens.aperture`"),
        ("spare.makr=a", "`spare.maker`"),
        ("lens.zzz=1", "one of aperture, maker"),
        ("zzz.pixels=1", "one of bag, flash"),
    ],
)
def test_an_unknown_override_names_the_nearest(setting, meant):
    with pytest.raises(RecipeError, match="Camera has no field") as refused:
        with_overrides(Camera(), [setting])
    assert f"`{setting.partition('=')[0]}`" in refused.value.problem
    assert meant in refused.value.hint


@pytest.mark.parametrize(
    ("setting", "words", "hint"),
    [
        ("resize=zoom", "one of squash, crop, pad", "resize=squash"),
        ("optimizer.name=sdg", "one of sgd, adam, adamw, rmsprop, ada", "optimizer.name=sgd"),
        ("curriculum.pacing=rot", "one of linear, root, step, expo", "curriculum.pacing=root"),
        ("epochs=ten", "a whole number or none", "epochs=10"),
        ("augment.flip=maybe", "true or false or none", "augment.flip=true"),
        ("optimizer=sgd", "settings of its own (name, peak_lr", "optimizer.name=sgd"),
        ("curriculum=loss", "(difficulty, pacing", "curriculum.difficulty=edges"),
        ("class_weights=3", "values by name", "class_weights.NAME=0.1"),
        ("class_weights.cat=x", "a number", "class_weights.cat=VALUE"),
        ("background=red", "a list", "background=VALUE"),
    ],
)
def test_a_value_that_does_not_fit_is_told_what_its_setting_takes(setting, words, hint):
    curriculum = None if setting.startswith("curriculum=") else Curriculum(difficulty="edges")
    with pytest.raises(RecipeError) as refused:
        with_overrides(Recipe(curriculum=curriculum), ["seed=3", setting])
    assert refused.value.problem.startswith(f"--set {setting}: it takes")
    assert words in refused.value.problem
    assert refused.value.hint == f"--set {hint}"


@pytest.mark.parametrize("settings", [["curriculum.start=0.3"], ["epochs=3", "curriculum.until=1"]])
def test_a_setting_that_needs_another_names_it_with_an_example(settings):
    with pytest.raises(RecipeError, match="has to be set too") as refused:
        with_overrides(Recipe(), settings)
    assert settings[-1] in refused.value.problem
    assert refused.value.hint == "--set curriculum.difficulty=edges"
    example = refused.value.hint.removeprefix("--set ")
    assert with_overrides(Recipe(), [*settings, example]).curriculum  # the control


def test_the_end_of_a_name_is_enough_to_be_understood():
    with pytest.raises(RecipeError) as refused:
        with_overrides(Recipe(), ["optimizer.lr=1"])
    assert refused.value.hint == "did you mean `optimizer.peak_lr`?"


@pytest.mark.parametrize(
    ("typed", "meant"), [("ema=0.9", "optimizer.ema"), ("shift=0.1", "augment.shift"),
                         ("epoch=3", "epochs"), ("optimizer.shift=1", None)],
)  # fmt: skip
def test_a_setting_without_its_table_is_named_in_full(typed, meant):
    with pytest.raises(RecipeError) as refused:
        with_overrides(Recipe(), [typed])
    assert (f"`{meant}`?" in refused.value.hint) is (meant is not None)


@pytest.mark.parametrize("setting", ["pixels.a=1", "pixels.a.b=1", "bag.maker=a", "flash.on.at=1"])
def test_an_override_below_a_plain_value_is_refused_by_its_name(setting):
    with pytest.raises(RecipeError, match="has no fields") as refused:
        with_overrides(Camera(), [setting])
    assert setting.partition(".")[0] in refused.value.problem


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        ("pixels=many", "pixels"),
        ("pixels=1.5", "pixels"),
        ("pixels=none", "pixels"),
        ("flash=maybe", "flash"),
        ("lens.aperture=wide", "lens.aperture"),
        ("bag=[1]", "bag[0]"),
    ],
)
def test_an_override_that_does_not_fit_is_refused_by_its_path(setting, path):
    with pytest.raises(RecipeError) as refused:
        with_overrides(Camera(), [setting])
    assert path in refused.value.problem


@pytest.mark.parametrize("value", ["nan", "inf", "-Infinity"])
def test_an_override_that_is_not_finite_is_refused(value):
    with pytest.raises(RecipeError, match="finite"):
        with_overrides(Camera(), [f"gain={value}"])


def test_the_library_below_would_have_taken_nan_without_the_guard():
    assert math.isnan(msgspec.convert("nan", float, strict=False))


def test_an_override_without_a_value_is_refused():
    with pytest.raises(RecipeError, match=r"--set photo\.pixels") as refused:
        with_overrides(Camera(), ["pixels"], table="photo.")
    assert refused.value.hint.startswith("--set photo.pixels=")
