"""What is said of a run: how fast each of its stages went."""

from __future__ import annotations

from darkroom.narration import _told_speeds
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
