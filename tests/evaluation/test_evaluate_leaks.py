"""The leak-corrected score: quoted beside the other, and the one that promises are held against."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

import darkroom
from darkroom.evaluation.metrics import measure
from darkroom.narration import tell_evaluation
from darkroom.problem import Problem
from tests.data.scenes import draw_scenes
from tests.making import CLASSES

QUICK = darkroom.Recipe(model="mlp", width=0.05, image_size=12, epochs=1, batch_size=16)


@pytest.fixture
def root(tmp_path, workspace) -> Path:
    """Give three parts whose test part has one copy and two near-duplicates in training."""
    for number, part in enumerate(("train", "valid", "test")):
        draw_scenes(tmp_path / "parts" / part, 8, seed=40 + number)
    train, test = tmp_path / "parts" / "train", tmp_path / "parts" / "test"
    shutil.copy(test / "ball" / "001.png", train / "ball" / "copy.png")
    for number in ("002", "003"):
        with Image.open(test / "box" / f"{number}.png") as image:
            image.resize((72, 60)).save(train / "box" / f"near{number}.jpg", quality=70)
    return tmp_path / "parts"


@pytest.fixture
def leaky(root) -> darkroom.Evaluation:
    run = darkroom.train(root, QUICK, despite=["duplicates-across-parts"])
    return darkroom.evaluate(run, problem=Problem(goal=0.9))


LEAKED = {"test/ball/001.png", "test/box/002.png", "test/box/003.png"}


def test_the_leaked_images_are_counted_and_marked(leaky):
    assert (leaky.record.copies, leaky.record.near_duplicates) == (1, 2)
    marked = leaky.predictions.filter("leaked")["image"]
    assert set(marked) == LEAKED


def test_both_scores_are_those_of_their_images(leaky):
    table = leaky.predictions
    fresh = table.filter(~table["leaked"])
    assert leaky.metrics.accuracy.hits == int(table["correct"].sum())
    assert leaky.metrics_without_leaks.accuracy.hits == int(fresh["correct"].sum())
    assert leaky.metrics_without_leaks.accuracy.of == len(fresh) == 24 - 3
    assert leaky.metrics.accuracy.of == 24


def test_a_promise_is_held_against_the_score_without_leaks(leaky):
    (promise,) = leaky.record.promises
    honest = leaky.metrics_without_leaks.accuracy
    assert (promise.measured, promise.low, promise.high) == (honest.value, honest.low, honest.high)


def test_both_scores_are_said_on_the_terminal_in_the_report_and_in_the_summary(leaky):
    honest = str(leaky.metrics_without_leaks.accuracy)
    words = "\n".join(tell_evaluation(leaky))
    assert "3 images were seen before" in words
    assert honest in words
    assert honest in leaky.summary()
    page = leaky.report.read_text()
    assert "have been seen before" in page
    assert f"{100 * leaky.metrics_without_leaks.accuracy.value:.1f} %" in page


def test_a_bundle_quotes_the_score_without_leaks_and_says_so(leaky):
    bundle = darkroom.pack(leaky.run, leaky)
    score = bundle.record.score
    assert score.accuracy == leaky.metrics_without_leaks.accuracy.value
    assert (score.images, score.leaked) == (21, 3)
    assert score.with_leaks == leaky.metrics.accuracy.value
    assert "3 images of that part were seen in training" in (bundle.path / "card.md").read_text()


def test_control_where_nothing_leaks_there_is_one_score(evaluation):
    assert evaluation.metrics_without_leaks is None
    assert (evaluation.record.copies, evaluation.record.near_duplicates) == (0, 0)
    assert not evaluation.predictions["leaked"].any()
    assert "seen before" not in evaluation.report.read_text()
    assert not any("seen before" in words for words in tell_evaluation(evaluation))


def test_where_everything_leaks_nothing_is_left_to_measure_and_no_promise_is_met(root):
    for label in CLASSES:
        shutil.copytree(root / "test" / label, root / "train" / label, dirs_exist_ok=True)
    run = darkroom.train(root, QUICK, despite=["duplicates-across-parts"])
    evaluation = darkroom.evaluate(run, problem=Problem(goal=0.01))
    assert evaluation.record.copies == 24
    assert evaluation.metrics_without_leaks is None
    assert [promise.verdict for promise in evaluation.record.promises] == ["undecided"]
    assert any("nothing is left" in words for words in tell_evaluation(evaluation))
    assert "all of them were seen before" in evaluation.summary()
    bundle = darkroom.pack(run, evaluation)
    assert (bundle.record.score.leaked, bundle.record.score.with_leaks) == (24, None)
    card = (bundle.path / "card.md").read_text()
    assert "every image of that part was seen in training" in card
    assert "with leaks the accuracy" not in card


def test_control_the_two_scores_differ_when_only_leaked_images_are_right(leaky):
    import numpy as np

    leaked = leaky.predictions["leaked"].to_numpy()
    targets = np.eye(3)[np.zeros(len(leaked), int)]
    answers = np.where(leaked[:, None], targets, np.roll(targets, 1, axis=1))
    decision, classes = leaky.record.decision, leaky.record.classes
    whole = measure(answers, targets, classes, decision)
    honest = measure(answers[~leaked], targets[~leaked], classes, decision)
    assert (whole.accuracy.hits, honest.accuracy.hits) == (3, 0)
