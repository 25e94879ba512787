"""The error tree, the shape of a message, and the search for the name that was meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom import errors
from darkroom.errors import DarkroomError, DataError, nearest

TREE = [
    errors.DataError,
    errors.RecipeError,
    errors.ArtifactError,
    errors.GateError,
    errors.MissingExtra,
    errors.ServiceError,
]


@pytest.mark.parametrize("kind", TREE)
def test_every_error_can_be_caught_as_one_kind(kind):
    with pytest.raises(DarkroomError):
        raise kind("7 images are gone", hint="darkroom check photos")


def test_an_error_keeps_its_problem_and_its_hint_apart():
    error = DataError("7 images are gone", hint="darkroom check photos")
    assert (error.problem, error.hint) == ("7 images are gone", "darkroom check photos")


def test_an_error_reads_problem_first_and_hint_last():
    first, last = str(DataError("7 images are gone", hint="darkroom check photos")).splitlines()
    assert first == "7 images are gone"
    assert last.strip() == "try: darkroom check photos"


def test_an_error_without_a_hint_cannot_be_made():
    with pytest.raises(TypeError):
        DataError("7 images are gone")  # type: ignore[call-arg]


def test_the_nearest_name_is_named_alone():
    assert nearest("epoch", ["epochs", "width", "seed"]) == "`epochs`"


def test_all_names_are_listed_in_order_when_none_is_near():
    assert nearest("zzz", ["width", "epochs", "seed"]) == "one of epochs, seed, width"


def test_at_most_eight_names_are_listed_and_the_others_counted():
    names = [f"name{number}" for number in range(1, 10)]
    assert nearest("zzz", names) == f"one of {', '.join(names[:8])} and 1 more"
    assert nearest("zzz", names[:8]) == f"one of {', '.join(names[:8])}"


@given(st.lists(st.text("abcdef", min_size=1), min_size=1, unique=True))
def test_a_known_name_is_nearest_to_itself(names):
    assert nearest(names[0], names) == f"`{names[0]}`"
