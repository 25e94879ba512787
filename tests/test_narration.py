"""What is said of a run and of an evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from darkroom.bundles.prediction import Prediction
from darkroom.cli.predict import _told
from darkroom.evaluation.outliers import DRAWN, draw_outliers
from darkroom.evaluation.unknown import OutlierKind, Unknown
from darkroom.intervals import wilson
from darkroom.narration import _tell_unknown, _told_speeds
from darkroom.training.record import Epoch, Pace


def told(*stages: tuple[str, float]) -> str:
    history = [
        Epoch(number=n, stage=stage, loss=1.0, valid_loss=1.0, learning_rate=0.1)
        for n, (stage, _) in enumerate(stages, 1)
    ]
    paces = [Pace(number=n, seconds=1.0, images_per_s=s) for n, (_, s) in enumerate(stages, 1)]
    return _told_speeds(history, paces)


def test_one_stage_has_one_speed_and_several_are_told_apart():
    assert told(("train", 90.0), ("train", 1_200.0), ("train", 1_100.0)) == "1,100 images/s"
    staged = told(("head", 40_000.0), ("head", 40_000.0), ("fine-tune", 60.0))
    assert staged == "head 40,000 images/s, fine-tune 60 images/s"
    assert told() == ""


def met(threshold: float | None) -> list[str]:
    kinds = tuple(
        OutlierKind(name=name, images=50, caught=wilson(40, 50), roc_area=wilson(45, 50))
        for name in (*DRAWN, "cats")
    )
    return _tell_unknown(
        Unknown(
            by="confidence", threshold=threshold, false_alarms_wanted=0.05,
            false_alarms=wilson(3, 100), kinds=kinds, points=(),
        )
    )  # fmt: skip


def test_of_strangers_those_that_a_user_showed_are_told_with_what_it_costs_to_refuse_them():
    (words,) = met(0.7)
    assert "50 of cats" in words
    assert "80.0 % (67.0 % .. 88.8 %) refused" in words
    assert "of known images 3.0 %" in words
    (words,) = met(None)
    assert "all taken for known" in words
    assert "90.0 %" in words
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
    assert set(draw_outliers(pixels, count=2)) == set(DRAWN)


@pytest.mark.parametrize(
    ("labels", "abstained", "words"),
    [
        (("blue", "green"), False, "blue  92.8 %, green  100.0 %"),
        (("green",), False, "green  100.0 %"),
        ((), False, "none of them  (green 100.0 %)"),
        ((), True, "no answer  (green 100.0 %)"),
    ],
)
def test_every_label_of_an_answer_has_its_own_probability(labels, abstained, words):
    sure = {"red": 0.01, "blue": 0.928, "green": 0.99999}
    answer = Prediction(task="multi-label", labels=labels, probabilities=sure, abstained=abstained)
    assert _told(answer) == words
