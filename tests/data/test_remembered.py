from __future__ import annotations

import gc
import weakref

import pytest

from darkroom.data.dataset import Dataset
from darkroom.data.kept import load_dataset
from darkroom.data.remembered import once_per_dataset
from tests.data.indexes import Row, make_index


@pytest.fixture
def dataset(workspace) -> Dataset:
    return make_index(workspace, [Row("a.png", 0), Row("b.png", 1)])


class Answer:
    """Something that is like no other, and that can be seen to go."""


def test_a_dataset_is_worked_on_once(dataset):
    answer = once_per_dataset(lambda _: Answer())
    assert answer(dataset) is answer(dataset)
    other = load_dataset(dataset.path)
    assert answer(other) is not answer(dataset)  # control: another one is worked on


def test_each_function_has_an_answer_of_its_own(dataset):
    name, count = once_per_dataset(lambda it: it.name), once_per_dataset(lambda it: len(it.index))
    assert (name(dataset), count(dataset)) == (dataset.name, 2)


def test_an_answer_goes_with_its_dataset(dataset):
    answer = once_per_dataset(lambda _: Answer())
    other = load_dataset(dataset.path)
    kept, going = weakref.ref(answer(dataset)), weakref.ref(answer(other))
    del other
    gc.collect()
    assert going() is None
    assert kept() is answer(dataset)  # control: this one is still in use


def test_what_fails_is_tried_again(dataset):
    tries = iter([OSError("away"), None])

    @once_per_dataset
    def answer(_: Dataset) -> str:
        if refused := next(tries):
            raise refused
        return "there"

    with pytest.raises(OSError, match="away"):
        answer(dataset)
    assert answer(dataset) == "there"


def test_an_answer_of_none_is_remembered(dataset):
    tries = iter([None])
    answer = once_per_dataset(lambda _: next(tries))
    assert [answer(dataset), answer(dataset)] == [None, None]
