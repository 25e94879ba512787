"""Explain some images by some methods, and test every map."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.errors import RecipeError
from darkroom.evaluation.explain.heat import Asked, Method, unit
from darkroom.evaluation.explain.methods import spends
from darkroom.evaluation.explain.redrawn import Redrawn
from darkroom.evaluation.explain.subject import Subject
from darkroom.evaluation.explain.testing import (
    RANDOM_ORDERS,
    REDRAWS,
    Curves,
    Learned,
    curves,
    hold_against_random_weights,
    likeness,
    order_of,
    random_orders,
)
from darkroom.evaluation.explain.trust import Measured, Trust, judge_map
from darkroom.progress import track_sized
from darkroom.wording import counted

if TYPE_CHECKING:
    from jaxtyping import Int

    from darkroom.evaluation.explain.heat import Heat, Pixels

_AT_ONCE, _ANSWERS_AT_ONCE = 32, 512  # images, and answers for them, from look to look at the clock
_OF_AN_ORDER = 24  # answers that a deletion and an insertion take, about
# A coarse map is like another one by chance: where a method is quick, many are drawn.
_FEWEST_REDRAWN, _ANSWERS_REDRAWN = 3, 100


class Effort(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What explanations may cost; what is None is as each method has it."""

    answers: int | None = None  # of the network for each image and method
    seconds: float | None = None  # for everything; what is not done by then is left out, and told
    seed: int = 0  # of all that is drawn: noise, superpixels, orders, weights

    def __post_init__(self) -> None:
        for name, value, enough in (
            ("answers", self.answers, "--budget 500"),
            ("seconds", self.seconds, "--seconds 60"),
        ):
            if value is not None and not value > 0:
                raise RecipeError(f"a budget of {value:g} {name} explains nothing", hint=enough)


class Maps(msgspec.Struct, frozen=True, kw_only=True):
    """What one method made of the first images, or of all."""

    method: str
    heat: Heat  # -1..1; above 0 a place speaks for the class
    trust: tuple[Trust, ...]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that came out."""

    maps: tuple[Maps, ...]
    learned: Learned | None  # None: there are no weights to redraw, or no labelled images
    left_out: tuple[str, ...]  # what the time did not reach, in words


def explain_images(
    subject: Subject,
    pixels: Pixels,
    classes: Int[np.ndarray, "images"],
    methods: Sequence[Method],
    effort: Effort,
) -> Outcome:
    """Explain images by methods, each tested against random orders and random weights.

    Args:
        subject: Has what the methods need.
        pixels: Prepared.
        classes: What is explained of each image.
        methods: From the catalog.
        effort: What may be spent.
    """
    work = _Work(subject, pixels, classes, effort)
    made: dict[str, list[Maps]] = {method.name: [] for method in methods}
    for some, _ in track_sized(work.pieces(methods), "explaining", work.answers(methods)):
        if some is not None:
            made[some.method].append(some)
    maps = [_joined(name, pieces) for name, pieces in made.items() if pieces]
    done = {each.method: len(each.trust) for each in maps}
    left_out = tuple(
        f"{method.name}: {done.get(method.name, 0)} of {counted(len(pixels), 'image', 'images')} "
        f"before the {effort.seconds:g} s were over"
        for method in methods
        if done.get(method.name, 0) < len(pixels)
    )
    return Outcome(maps=tuple(maps), learned=work.learned, left_out=left_out)


class _Work:
    """Images to explain, and what all methods are held against, which is computed once."""

    def __init__(
        self, subject: Subject, pixels: Pixels, classes: Int[np.ndarray, "images"], effort: Effort
    ) -> None:
        self._subject, self._pixels, self._classes, self._effort = subject, pixels, classes, effort
        self._until = time.monotonic() + (effort.seconds or np.inf)
        self._drawn: dict[int, Curves] = {}
        self._redrawn: Redrawn | None = None
        self.learned: Learned | None = None

    def answers(self, methods: Sequence[Method]) -> float:
        """Guess how many answers all of it takes."""
        of_one = sum(self._of_one(each) for each in methods) + RANDOM_ORDERS * _OF_AN_ORDER
        return self._setup() + len(self._pixels) * of_one

    def pieces(self, methods: Sequence[Method]) -> Iterator[tuple[Maps | None, float]]:
        """Give the maps of some images at a time, and the answers that they took."""
        known = self._subject.known
        if self._subject.inside is not None:
            self._redrawn = Redrawn(self._subject, seed=self._effort.seed)
            if known is not None and len(known.pixels):
                self.learned = hold_against_random_weights(self._subject, self._redrawn, known)
        yield None, self._setup()
        for method in methods:
            asked = spends(method, self._effort.answers, self._effort.seed)
            some = max(min(_AT_ONCE, _ANSWERS_AT_ONCE // asked.answers), 1)
            for start in range(0, len(self._pixels), some):
                if time.monotonic() > self._until:
                    return
                chosen = slice(start, start + some)
                orders = 0 if start in self._drawn else RANDOM_ORDERS * _OF_AN_ORDER
                spent = (self._of_one(method) + orders) * len(self._pixels[chosen])
                yield self._explain(method, chosen), spent

    def _setup(self) -> float:
        known = self._subject.known
        return (REDRAWS + 1) * len(known.pixels) if known and self._subject.inside else 0

    def _of_one(self, method: Method) -> float:
        asked = spends(method, self._effort.answers, self._effort.seed)
        maps = 1 + _redraws(asked) if self._subject.inside else 1
        return asked.answers * maps + _OF_AN_ORDER

    def _explain(self, method: Method, chosen: slice) -> Maps:
        pixels, classes = self._pixels[chosen], self._classes[chosen]
        asked = spends(method, self._effort.answers, self._effort.seed)
        heat = unit(method.explain(self._subject, pixels, classes, asked))
        alike: list[float | None] = [None] * len(pixels)
        if self._redrawn is not None:
            maps = [
                method.explain(self._redrawn.subject(number), pixels, classes, asked)
                for number in range(_redraws(asked))
            ]
            alike = list(np.mean([likeness(heat, unit(each)) for each in maps], axis=0))
        orders = order_of(heat, self._effort.seed)
        trust = tuple(
            self._judge(start, heat[row], orders[row], alike[row])
            for row, start in enumerate(range(len(self._pixels))[chosen])
        )
        return Maps(method=method.name, heat=heat, trust=trust)

    def _judge(self, image: int, heat: Heat, order: np.ndarray, alike: float | None) -> Trust:
        pixels, one = self._pixels[image], int(self._classes[image])
        if image not in self._drawn:
            drawn = random_orders(len(order), self._effort.seed + image)
            self._drawn[image] = curves(self._subject, pixels, one, drawn)
        own = curves(self._subject, pixels, one, order[None])
        return judge_map(
            Measured(
                is_blank=bool(np.ptp(heat) == 0),
                deletion=float(own.deletion[0]),
                insertion=float(own.insertion[0]),
                beaten=int((self._drawn[image].gain < own.gain[0]).sum()),
                orders=RANDOM_ORDERS,
                likeness=None if alike is None else float(alike),
            ),
            self.learned,
        )


def _redraws(asked: Asked) -> int:
    return min(max(_FEWEST_REDRAWN, _ANSWERS_REDRAWN // asked.answers), REDRAWS)


def _joined(name: str, pieces: Sequence[Maps]) -> Maps:
    return Maps(
        method=name,
        heat=np.concatenate([each.heat for each in pieces]),
        trust=tuple(trust for each in pieces for trust in each.trust),
    )
