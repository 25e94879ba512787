"""What a training says of itself: how right, how fast, how long still."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from darkroom.training import show
from darkroom.training.record import Epoch, Pace
from darkroom.training.show import Terminal


@pytest.fixture
def clock(monkeypatch):
    """Give a clock that only the test moves."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(show, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def told(terminal: Terminal, number: int) -> None:
    done = Epoch(
        number=number, loss=0.5, accuracy=0.8, valid_loss=0.6, valid_accuracy=0.75,
        learning_rate=0.1,
    )  # fmt: skip
    terminal.epoch(done, Pace(number=number, seconds=1.0, images_per_s=50.0), is_best=True)


def test_without_a_terminal_the_time_left_counts_from_the_first_step(clock, capsys):
    with Terminal(100, epochs=4) as terminal:
        terminal.prepare()
        clock.now = 60  # images are prepared
        terminal.step(0, 0.5, {})
        clock.now = 70
        told(terminal, 1)
        clock.now = 90
        told(terminal, 2)
    first, second = capsys.readouterr().err.splitlines()
    assert first == (
        "  epoch 1/4 · loss 0.500 · accuracy 80.0 % · valid 75.0 % (best) · 50 images/s · 60 s left"
    )
    assert second.endswith(" · 40 s left")  # an epoch and a half took 30 s


def test_an_epoch_that_was_one_call_does_not_say_how_long_the_others_will_take(clock, capsys):
    with Terminal(100, epochs=4, of_labels=True) as terminal:
        clock.now = 60
        terminal.step(0, 1.0, {})
        told(terminal, 1)
    assert capsys.readouterr().err == (
        "  epoch 1/4 · loss 0.500 · labels right 80.0 % · valid 75.0 % (best) · 50 images/s\n"
    )


def test_on_a_terminal_no_bar_stands_before_the_first_step_nor_between_stages(clock, monkeypatch):
    begun, stopped = [], []
    bar = SimpleNamespace(update=lambda *_, **told: begun[-1].update(told),
                          stop=lambda: stopped.append(len(begun)))  # fmt: skip

    def begin(epochs, done):
        begun.append({"from": done, "of": epochs})
        return bar, 0

    monkeypatch.setattr(show, "_training_bar", begin)
    monkeypatch.setattr("sys.stderr", SimpleNamespace(isatty=lambda: True))
    with Terminal(100, epochs=4) as terminal:
        terminal.prepare()
        assert begun == []
        terminal.step(0, 0.25, {"loss": 1.0, "accuracy": 0.1})
        clock.now = 5
        terminal.step(0, 0.75, {"loss": 1.0, "accuracy": 0.1})
        assert begun[0]["from"] == 0.25
        assert begun[0]["told"] == "accuracy 10.0 % · loss 1.000 · 10 images/s"  # 50 in 5 s
        told(terminal, 1)
        assert begun[0]["description"] == "epoch 1/4"
        terminal.prepare()
        assert stopped == [1]
        terminal.step(1, 0.5, {})
        assert begun[1] == {"from": 1.5, "of": 4}
    assert stopped == [1, 2]
