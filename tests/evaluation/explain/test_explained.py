"""Images explained by several methods: what is tested, what the time leaves out, what is chosen."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

import darkroom
from darkroom.errors import MissingExtra, RecipeError
from darkroom.evaluation.explain.choosing import MOST, pick_files, pick_telling
from darkroom.evaluation.explain.explained import Effort, explain_images
from darkroom.evaluation.explain.heat import Asked, Method
from darkroom.evaluation.explain.methods import METHODS, choose_methods, spends
from darkroom.evaluation.explain.subject import refuse_numbers, run_subject
from darkroom.evaluation.looks import pick
from tests.evaluation.explain.toys import red_images, red_subject
from tests.making import draw_folder

IMAGES = 4


@pytest.fixture(scope="module")
def subject():
    return red_subject(known=True)


@pytest.fixture(scope="module")
def answers(subject):
    """Give pixels and the classes that were answered for them."""
    pixels, _, _ = red_images(IMAGES)
    return pixels, subject.answer(pixels).argmax(axis=1)


def senseless(name: str, explain: object) -> Method:
    return Method(
        name=name, explain=explain, needs="answers", answers=1, fewest=1, says="", source="own"
    )


def edges(subject, pixels, classes, asked) -> np.ndarray:
    down, across = np.gradient(pixels.mean(axis=3).astype(np.float32), axis=(1, 2))
    return np.hypot(down, across)


def nothing(subject, pixels, classes, asked) -> np.ndarray:
    return np.zeros(pixels.shape[:3], np.float32)


@pytest.fixture(scope="module")
def outcome(subject, answers):
    methods = [METHODS["grad-cam"], senseless("edges", edges), senseless("nothing", nothing)]
    return explain_images(subject, *answers, methods, Effort())


def test_every_map_has_its_verdict(outcome):
    assert [maps.method for maps in outcome.maps] == ["grad-cam", "edges", "nothing"]
    for maps in outcome.maps:
        assert len(maps.heat) == len(maps.trust) == IMAGES
        assert np.abs(maps.heat).max() <= 1
        for trust in maps.trust:
            assert 0 <= trust.deletion <= 1
            assert 0 <= trust.insertion <= 1
    assert outcome.learned.is_more
    assert outcome.left_out == ()


def test_control_edges_of_the_image_are_drawn_by_random_weights_too(outcome):
    for trust in outcome.maps[1].trust:
        assert trust.likeness == pytest.approx(1)
        assert any("random weights" in doubt for doubt in trust.doubts)


def test_control_an_empty_map_is_not_trustworthy(outcome):
    assert all(trust.doubts == ("the map is empty",) for trust in outcome.maps[2].trust)


def red_share(pixels: np.ndarray) -> np.ndarray:
    """Answer as the toy does, without its network."""
    red, green, blue = np.moveaxis(pixels.astype(np.float32) / 255, 3, 0)
    redness = np.maximum(red - (green + blue) / 2, 0).mean(axis=(1, 2))
    share = 1 / (1 + np.exp(5 - 200 * redness))
    return np.stack([1 - share, share], axis=1)


def test_control_heat_drawn_at_random_is_trusted_once_in_twenty(subject):
    pixels, classes, _ = red_images(1000)
    rng = np.random.default_rng(0)
    drawn = senseless("drawn", lambda _, pixels, *__: rng.random(pixels.shape[:3]))
    answering = msgspec.structs.replace(subject, inside=None, answer=red_share)
    (maps,) = explain_images(answering, pixels, classes, [drawn], Effort()).maps
    assert 0.03 < np.mean([trust.is_trustworthy for trust in maps.trust]) < 0.07


def test_the_same_seed_gives_the_same_verdicts(subject, answers, outcome):
    again = explain_images(subject, *answers, [METHODS["grad-cam"]], Effort())
    np.testing.assert_array_equal(again.maps[0].heat, outcome.maps[0].heat)
    assert again.maps[0].trust == outcome.maps[0].trust
    assert again.learned == outcome.learned


def test_no_map_of_random_weights_is_trusted(subject, answers):
    from darkroom.evaluation.explain.redrawn import Redrawn

    knows_nothing = Redrawn(subject, seed=99).subject(0)
    outcome = explain_images(knows_nothing, *answers, [METHODS["grad-cam"]], Effort())
    assert not outcome.learned.is_more
    assert not any(trust.is_trustworthy for trust in outcome.maps[0].trust)


def test_what_only_answers_is_tested_by_its_answers_alone(subject, answers):
    answering = msgspec.structs.replace(subject, inside=None, known=None)
    outcome = explain_images(answering, *answers, [METHODS["occlusion"]], Effort())
    assert outcome.learned is None
    assert all(trust.likeness is None for trust in outcome.maps[0].trust)


def test_what_the_time_does_not_reach_is_left_out_and_told(subject, answers):
    answering = msgspec.structs.replace(subject, inside=None, known=None)
    outcome = explain_images(answering, *answers, [METHODS["occlusion"]], Effort(seconds=1e-9))
    assert outcome.maps == ()
    (words,) = outcome.left_out
    assert words.startswith("occlusion: 0 of 4 images")


def test_a_budget_is_what_a_method_spends(subject, answers):
    asked = []

    def counting(pixels):
        asked.append(len(pixels))
        return subject.answer(pixels)

    counted = msgspec.structs.replace(subject, answer=counting)
    METHODS["occlusion"].explain(counted, *answers, Asked(answers=30))
    assert sum(asked) / IMAGES <= 30
    assert spends(METHODS["occlusion"], 30, 0).answers == 30
    assert spends(METHODS["grad-cam"], 30, 0).answers == 1


def test_by_default_what_is_quick_and_works_is_taken(subject):
    chosen = choose_methods(subject)
    names = ["grad-cam", "gradients", "integrated-gradients", "occlusion"]
    assert [method.name for method in chosen.methods] == names
    assert chosen.insides == ("kernels", "feature-maps")
    answering = msgspec.structs.replace(subject, inside=None)
    assert [method.name for method in choose_methods(answering).methods] == ["occlusion"]
    assert choose_methods(answering).insides == ()


@pytest.mark.parametrize("name", ["grad-cam", "kernels", "feature-maps"])
def test_a_network_without_convolutions_is_told_what_works(run, name):
    recipe = darkroom.Recipe(model="mlp", width=0.1, image_size=12, epochs=1, batch_size=16)
    plain = run_subject(darkroom.train(run.dataset, recipe))
    with pytest.raises(RecipeError) as refused:
        choose_methods(plain, [name])
    assert "mlp" in refused.value.problem
    assert "convolutions" in refused.value.problem
    assert "integrated-gradients" in refused.value.hint
    assert {each.name for each in choose_methods(plain).methods} == {
        "gradients", "integrated-gradients", "occlusion",
    }  # fmt: skip


def test_a_method_whose_package_is_missing_names_the_extra(subject, monkeypatch):
    monkeypatch.setattr("darkroom.evaluation.explain.methods.find_spec", lambda _: None)
    with pytest.raises(MissingExtra) as refused:
        choose_methods(subject, ["shap"])
    assert "shap" in refused.value.problem
    assert "[explain]" in refused.value.hint
    assert all(method.package is None for method in choose_methods(subject).methods)


def test_the_images_that_tell_most_are_picked(evaluation):
    picked = pick_telling(evaluation.run, evaluation.predictions)
    wrong = pick(evaluation.predictions, "confident wrong", count=4)["image"].to_list()
    assert [each.name for each in picked[: len(wrong)]] == wrong
    assert len({each.name for each in picked}) == len(picked) <= 12
    assert all(each.labels for each in picked)


def test_too_many_files_are_refused(tmp_path, subject):
    root = draw_folder(tmp_path / "many", classes=("box",), per_class=MOST + 1)
    with pytest.raises(darkroom.DataError) as refused:
        pick_files([root], subject.preprocess)
    assert str(MOST) in refused.value.hint


def test_numbers_are_refused():
    with pytest.raises(darkroom.DataError) as refused:
        refuse_numbers("ages-1", "regression")
    assert "ages-1" in refused.value.problem
