"""What the user wants, written down before the first training: the Problem and its verdict.

`darkroom.toml` holds it in `[problem]`; every later gate reads it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import ClassVar, Literal

import msgspec

from darkroom.disk import write_file
from darkroom.errors import RecipeError, nearest

PROJECT_FILE = "darkroom.toml"

Metric = Literal["accuracy", "balanced-accuracy", "macro-f1"]
Verdict = Literal["met", "missed", "undecided"]


class ErrorCost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it costs to take one class for another."""

    true: str  # the class an image belongs to
    predicted: str  # the class it is taken for
    cost: float  # in units of an ordinary error, which costs 1


class Questions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to ask about the data before trusting it; free text, carried into the card."""

    source: str = ""  # where the images come from, and by which camera or instrument
    labels: str = ""  # who labelled them, and how often two people disagree
    missing: str = ""  # which cases of real life are rare or absent here
    rights: str = ""  # licence, consent and personal data
    harm: str = ""  # who is hurt by a wrong answer, and who can object


class Problem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The purpose of a classifier and the numbers it has to reach."""

    SCHEMA: ClassVar[int] = 1

    purpose: str = ""  # one sentence: who decides what with an answer
    metric: Metric = "accuracy"
    goal: float | None = None  # the metric to reach on the test part, 0..1
    floors: dict[str, float] = {}  # class -> smallest recall that is acceptable, 0..1
    costs: tuple[ErrorCost, ...] = ()
    use: Literal["online", "bulk"] = "online"
    latency_ms: float | None = None  # wanted for one image, as the 95th percentile
    images_per_s: float | None = None  # throughput wanted
    questions: Questions = Questions()

    def __post_init__(self) -> None:
        shares = {"goal": self.goal, **{f"floors.{name}": v for name, v in self.floors.items()}}
        for name, share in shares.items():
            if share is not None and not 0 <= share <= 1:
                raise RecipeError(
                    f"problem.{name} = {share}: a share lies in 0..1",
                    hint=f"write {share / 100:g} for {share:g} %",
                )
        for row, each in enumerate(self.costs):
            if not 0 <= each.cost < math.inf:
                raise RecipeError(
                    f"problem.costs[{row}].cost = {each.cost}: a cost is not negative",
                    hint="write 0 for an error that costs nothing, 1 for an ordinary one",
                )
        for name, wanted in (("latency_ms", self.latency_ms), ("images_per_s", self.images_per_s)):
            if wanted is not None and not 0 < wanted < math.inf:
                raise RecipeError(
                    f"problem.{name} = {wanted}: it has to be above 0",
                    hint=f"leave {name} out when nothing is wanted",
                )

    def check_classes(self, classes: Sequence[str]) -> None:
        """Check that every class the Problem names exists.

        Raises:
            RecipeError: One does not; the nearest is named.
        """
        costs = [name for each in self.costs for name in (each.true, each.predicted)]
        for name in [*self.floors, *costs]:
            if name not in classes:
                raise RecipeError(
                    f"problem names the class `{name}`, which the dataset does not have",
                    hint=f"did you mean {nearest(name, classes)}?",
                )


class Promise(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One number of the Problem held against what was measured."""

    name: str  # `accuracy`, or `recall of CLASS`
    wanted: float  # 0..1
    measured: float  # 0..1
    low: float  # 95 % interval
    high: float
    verdict: Verdict


def judge(name: str, *, wanted: float, measured: float, low: float, high: float) -> Promise:
    """Hold a measured share and its interval against the share that was wanted.

    Returns:
        `met` when the whole interval reaches the number, `missed` when none of it does,
        else `undecided`: the test part is too small to tell.
    """
    verdict: Verdict = "met" if low >= wanted else "missed" if high < wanted else "undecided"
    return Promise(name=name, wanted=wanted, measured=measured, low=low, high=high, verdict=verdict)


def init(folder: Path | str = ".") -> Path:
    """Write a commented darkroom.toml to fill in.

    Args:
        folder: Where to write it; made when it does not exist.

    Returns:
        The path of the file.

    Raises:
        RecipeError: There is one already.
    """
    path = Path(folder) / PROJECT_FILE
    if path.exists():
        raise RecipeError(f"{path} exists already", hint=f"edit it, or: rm {path}")
    template = resources.files("darkroom").joinpath("templates/darkroom.toml").read_bytes()
    write_file(path, template)
    return path
