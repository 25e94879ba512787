"""Answers about a Dataset that several callers need: worked out once, kept while it is in use."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakKeyDictionary

from darkroom.data.dataset import Dataset

T = TypeVar("T")


def once_per_dataset(work: Callable[[Dataset], T]) -> Callable[[Dataset], T]:
    """Remember what a function answers for a Dataset, which never changes.

    Kept weakly: an answer goes when its Dataset does. What fails is tried again.
    """
    known: WeakKeyDictionary[Dataset, T] = WeakKeyDictionary()

    @functools.wraps(work)
    def remembering(dataset: Dataset) -> T:
        if dataset not in known:
            known[dataset] = work(dataset)
        return known[dataset]

    return remembering
