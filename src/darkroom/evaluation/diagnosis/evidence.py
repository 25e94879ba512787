"""The Evidence: everything that ailments judge a run by, gathered once, without a network."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.decision import Task
from darkroom.intervals import Estimate, mean_interval, wilson
from darkroom.training.guards import Chance, epochs_of_fair_steps
from darkroom.training.recipe import Recipe
from darkroom.training.record import Epoch, Outcome
from darkroom.wording import percent

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

_FEW_STEPS = 150  # own: half of those after which a network has learned something


class Answered(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What the best weights answer for some images of a part, as they will in production."""

    task: Task
    images: tuple[str, ...]  # their names
    answers: Float[np.ndarray, "images outputs"]  # probabilities, or numbers
    targets: Float[np.ndarray, "images outputs"]

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def right(self) -> Bool[np.ndarray, "images"]:
        """Whether the most probable class of each image is its label; of one label only."""
        return np.asarray(self.answers.argmax(axis=1) == self.targets.argmax(axis=1))

    @cached_property
    def score(self) -> Estimate:
        """The share that is right, 0..1, or for numbers the mean absolute error."""
        if self.task == "regression":
            return mean_interval(np.abs(self.answers - self.targets)[:, 0], least=0.0)
        if self.task == "multi-label":
            hits = (self.answers > 0.5) == (self.targets > 0.5)
            return mean_interval(hits.mean(axis=1), least=0.0)
        return share_of(int(self.right.sum()), len(self))


class Silent(msgspec.Struct, frozen=True, kw_only=True):
    """How many units of a layer say the same whatever they are shown."""

    layer: str
    units: int
    dead: int


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a run; what is None could not be had, and `missing` says why."""

    run: str  # its name
    source: str  # what opens its dataset, in the parts that it has
    location: str  # where its images lie
    opened_with: dict[str, object] = {}  # settings of `data` without which it would not open so
    brings_test: bool = False  # the test part is as its source has it
    task: Task
    classes: tuple[str, ...]
    recipe: Recipe  # settled
    settled: dict[str, object]  # by the user, not by what is usual; by dotted names
    is_pretrained: bool
    takes_bytes: bool  # the network scales pixels of 0..255 itself
    usual_lr: float  # the highest rate that such a network usually learns with
    steps: int  # that were made
    outcome: Outcome
    history: tuple[Epoch, ...]
    best_epoch: int | None
    chance: Chance  # what a constant answer scores on the training part
    class_counts: tuple[int, ...]  # images of each class in the training part
    valid_images: int  # in the whole part
    train: Answered | None = None
    valid: Answered | None = None
    leaked: frozenset[str] | None = None  # validation images that training has seen, or nearly
    # Validation images again, changed before they are answered, by what was done to them; `as they
    # are` among them. Empty: nothing calls for it, since train and valid are answered alike.
    changed: dict[str, Answered] = {}
    input_spread: float = 1.0  # the standard deviation of what the network is shown
    silent: tuple[Silent, ...] = ()
    seen_images: int = 0  # by which silent units were told
    looks: int = 0  # at the test part
    lookers: int = 0  # runs that were measured on it
    exchanged: str = ""  # what the data check says of red and blue; empty: nothing
    missing: dict[str, str] = {}

    @property
    def best(self) -> Epoch | None:
        """The epoch whose weights were kept."""
        return self.history[self.best_epoch - 1] if self.best_epoch else None

    @property
    def more_epochs(self) -> str:
        """The setting of three times the epochs, and of more where even these are a few steps."""
        epochs, steps = len(self.history) or 1, self.steps
        if 3 * steps < _FEW_STEPS:
            return f"epochs={epochs_of_fair_steps(epochs, steps)}"
        return f"epochs={3 * max(epochs, self.recipe.epochs or 1)}"

    def skill(self, answered: Answered) -> Estimate:
        """Say how far the way from a constant answer to a perfect one was gone, mostly 0..1."""
        score = answered.score
        if self.task == "regression":
            guess = self.chance.error or math.inf
            return mapped(score, lambda error: 1 - error / guess)
        guess = min(self.chance.accuracy or 0.0, 1 - 1e-9)
        return mapped(score, lambda share: (share - guess) / (1 - guess))

    def told(self, score: Estimate) -> str:
        """Write a score with its interval."""
        return told_share(score) if self.task != "regression" else f"an error of {score}"

    def train_again(self, *settings: str) -> str:
        """Give the command that trains again on the same images, with other settings.

        What the user had settled is kept, but for a patience that would end it before its epochs.
        """
        changed = dict(setting.partition("=")[::2] for setting in settings)
        kept = dict(self.settled)
        if "epochs" in changed and self.outcome == "stopped early":
            kept.pop("patience", None)
        return _train(self.source, {**kept, **changed})

    def split_again(self, **settings: object) -> str:
        """Give the command that deals all images anew, copies together, and trains as before."""
        dealt = {f"data.{name}": value for name, value in {"parts": "anew", **settings}.items()}
        return _train(self.location, {**self.settled, **self.opened_with, **dealt})


def _train(source: str, settings: Mapping[str, object]) -> str:
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    return shlex.join(["darkroom", "train", source, *words])


def mapped(estimate: Estimate, by: Callable[[float], float]) -> Estimate:
    """Carry an estimate and its interval through a function that only rises, or only falls."""
    value = None if estimate.value is None else by(estimate.value)
    if estimate.low is None or estimate.high is None:
        return Estimate(value=value)
    low, high = sorted((by(estimate.low), by(estimate.high)))
    return Estimate(value=value, low=low, high=high)


def share_of(hits: int, of: int) -> Estimate:
    """Give a share of images with its 95 % interval, as an estimate among others."""
    rate = wilson(hits, of)
    return Estimate(value=rate.value, low=rate.low, high=rate.high)


def told_share(share: Estimate) -> str:
    """Write a share with its interval: `83.1 % (80.0 % .. 85.9 %)`."""
    if share.value is None:
        return "not defined"
    if share.low is None or share.high is None:
        return percent(share.value)
    return f"{percent(share.value)} ({percent(share.low)} .. {percent(share.high)})"


def gap_between(one: Estimate, other: Estimate) -> Estimate:
    """Give one quantity less another that was measured on other images.

    Source: the method of variance estimates recovery, Zou and Donner 2008, doi:10.1002/sim.3095;
    of two shares with Wilson's intervals it is Newcombe's, 1998.
    """
    if one.value is None or other.value is None:
        return Estimate(value=None)
    below, above = _reach(one), _reach(other)
    gap = one.value - other.value
    return Estimate(
        value=gap,
        low=gap - math.hypot(below[0], above[1]),
        high=gap + math.hypot(below[1], above[0]),
    )


def _reach(estimate: Estimate) -> tuple[float, float]:
    value = estimate.value or 0.0
    low = value if estimate.low is None else estimate.low
    high = value if estimate.high is None else estimate.high
    return value - low, high - value


def points(gap: Estimate) -> str:
    """Write a difference of shares: `12.3 points (8.1 .. 16.5)`."""
    value, low, high = (100 * (end or 0.0) for end in (gap.value, gap.low, gap.high))
    return f"{value:.1f} points ({low:.1f} .. {high:.1f})"
