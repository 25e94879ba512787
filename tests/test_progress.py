"""Progress: items pass through untouched, and a bar is drawn only on a terminal that waits."""

from __future__ import annotations

import io
import itertools
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.progress import track, track_sized


class Terminal(io.StringIO):
    """Standard error as a person sees it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def slow_clock(monkeypatch):
    """Let every look at the clock cost a second."""
    seconds = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(seconds)))


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Put a terminal in place of standard error; pytest puts its own back before every test."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return screen


@given(st.lists(st.integers()))
def test_items_pass_through_unchanged(items):
    assert list(track(items, "counting", len(items))) == items


@given(st.lists(st.tuples(st.text(), st.integers(0))))
def test_sized_items_pass_through_unchanged(items):
    assert list(track_sized(items, "counting", 0)) == items


def test_items_are_taken_one_at_a_time():
    source = iter(range(10))
    passing = track(source, "counting", 10)
    next(passing)
    next(passing)
    assert next(source) == 2


def test_a_short_wait_without_a_terminal_prints_nothing(capfd, slow_clock):
    assert list(track(range(8), "counting", 8)) == list(range(8))
    assert capfd.readouterr() == ("", "")


def test_a_long_wait_without_a_terminal_prints_a_line_in_ten_seconds(capfd, slow_clock):
    assert list(track(range(40), "counting pears", 40)) == list(range(40))
    out, err = capfd.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert 2 <= len(lines) <= 4
    assert lines[0].startswith("  counting pears 1")
    assert "/40 · " in lines[0]
    assert lines[0].endswith("s left")
    list(track_sized(((item, 5) for item in range(20)), "reading", 0))
    assert "left" not in capfd.readouterr().err  # of an unknown total nobody knows


def test_a_long_wait_at_a_terminal_is_shown(monkeypatch, slow_clock):
    screen = terminal(monkeypatch)
    assert list(track(range(10), "counting pears", 10)) == list(range(10))
    assert "counting pears" in screen.getvalue()


def test_a_short_wait_at_a_terminal_shows_nothing(monkeypatch):
    screen = terminal(monkeypatch)
    list(track(range(10), "counting pears", 10))
    assert screen.getvalue() == ""


def test_an_unknown_total_is_shown_too(monkeypatch, slow_clock):
    screen = terminal(monkeypatch)
    list(track_sized(((item, 5) for item in range(10)), "reading", 0))
    assert "reading" in screen.getvalue()


def test_an_error_between_items_passes_and_the_cursor_comes_back(monkeypatch, slow_clock):
    screen = terminal(monkeypatch)

    def failing():
        yield from range(10)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(track(failing(), "counting", 10))
    assert screen.getvalue().rindex("\x1b[?25h") > screen.getvalue().rindex("\x1b[?25l")
