"""The contract of every method that explains: maps of the images' size that find what decides."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import msgspec
import numpy as np
import pytest

from darkroom.errors import RecipeError
from darkroom.evaluation.explain.heat import Asked, unit
from darkroom.evaluation.explain.methods import METHODS, choose_methods
from tests.evaluation.explain.toys import peaks_in_cue, red_images, red_subject

FEW = 64  # answers, where a method takes hundreds
COMPILED = {"shap"}  # by numba, in ten seconds
NAMES = [pytest.param(name, marks=pytest.mark.slow if name in COMPILED else ()) for name in METHODS]


@pytest.fixture(scope="module")
def subject():
    return red_subject()


@pytest.fixture(scope="module")
def images():
    return red_images(8)


@pytest.fixture(scope="module", params=NAMES)
def method(request):
    method = METHODS[request.param]
    if method.package and find_spec(method.package) is None:
        pytest.skip(f"needs the package {method.package}: pip install '.[explain]'")
    return method


def asked(method, seed: int = 0) -> Asked:
    return Asked(answers=min(method.answers, max(FEW, method.fewest)), seed=seed)


@pytest.fixture(scope="module")
def heat(method, subject, images):
    pixels, classes, _ = images
    return method.explain(subject, pixels, classes, asked(method))


def test_a_map_has_the_size_of_its_image_and_says_something(heat, images):
    assert heat.shape == images[0].shape[:3]
    assert heat.dtype == np.float32
    assert np.isfinite(heat).all()
    assert (np.ptp(heat, axis=(1, 2)) > 0).all()


def test_scaled_it_lies_within_one(heat):
    scaled = unit(heat)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(np.abs(scaled).max(axis=(1, 2)), 1, rtol=1e-6)


def test_the_hottest_place_is_what_decides(heat, images):
    assert peaks_in_cue(heat, images[2]).all()


def test_control_a_map_of_noise_does_not_find_it(images):
    noise = np.random.default_rng(0).random(images[0].shape[:3])
    assert peaks_in_cue(noise, images[2]).mean() < 0.5


def test_the_same_seed_gives_the_same_map(method, subject, images, heat):
    again = method.explain(subject, *images[:2], asked(method))
    np.testing.assert_array_equal(again, heat)


def test_an_image_is_explained_alike_whatever_stands_beside_it(method, subject, images, heat):
    alone = method.explain(subject, images[0][:1], images[1][:1], asked(method))
    np.testing.assert_allclose(unit(alone)[0], unit(heat)[0], atol=1e-3)


def test_what_speaks_for_a_class_does_not_speak_for_another(method, subject, images, heat):
    if method.name == "gradients":
        pytest.skip("gradients tell how much a pixel matters, and not in which direction")
    pixels, classes, cues = images
    other = method.explain(subject, pixels, 1 - classes, asked(method))
    assert heat[cues].mean() > heat[~cues].mean()
    assert other[cues].mean() <= other[~cues].mean()


def test_a_line_of_the_catalog_tells_what_it_is(method):
    assert METHODS[method.name] is method
    assert method.says
    assert method.source
    assert 1 <= method.fewest <= method.answers


def test_what_only_answers_is_explained_by_what_asks_for_answers_alone(method, subject, images):
    answering = msgspec.structs.replace(subject, name="photos/1.0.0", inside=None)
    if method.needs == "answers":
        assert choose_methods(answering, [method.name]).methods == (method,)
        assert method.explain(answering, *images[:2], asked(method)).shape == images[0].shape[:3]
        return
    with pytest.raises(RecipeError) as refused:
        choose_methods(answering, [method.name])
    assert method.name in refused.value.problem
    assert "photos/1.0.0" in refused.value.problem
    assert "occlusion" in refused.value.hint


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_told_in_the_documentation(name):
    page = Path(__file__).parent.parent.parent / "docs" / "how-to" / "explain-an-answer.md"
    assert f"`{name}`" in page.read_text()
