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
from darkroom.intervals import Estimate, Rate, wilson
from darkroom.wording import percent

PROJECT_FILE = "darkroom.toml"
_MOST_IMAGES = 10_000_000  # nobody labels more to settle one number

Metric = Literal["accuracy", "balanced-accuracy", "macro-f1", "r2", "mae", "rmse"]
ERRORS = ("mae", "rmse")  # metrics in the target's unit, of which less is better
Verdict = Literal["met", "missed", "undecided"]


class ErrorCost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it costs to take one class for another.

    An empty name stands for any other class; with several labels per image, for none: to miss
    `true` costs so much when `predicted` is empty, and to claim `predicted` when `true` is.
    """

    true: str = ""  # the class an image belongs to
    predicted: str = ""  # the class it is taken for
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
    goal: float | None = None  # the metric to reach on the test part, 0..1; an error: its unit
    floors: dict[str, float] = {}  # class -> smallest recall that is acceptable, 0..1
    costs: tuple[ErrorCost, ...] = ()
    abstain_cost: float | None = None  # of no answer, in ordinary errors; None: always answer
    false_alarms: float | None = None  # share of known images that may be taken for unknown, 0..1
    use: Literal["online", "bulk"] = "online"
    latency_ms: float | None = None  # wanted for one image, as the 95th percentile
    images_per_s: float | None = None  # throughput wanted
    questions: Questions = Questions()

    def __post_init__(self) -> None:
        goal = {"goal": self.goal}
        shares = {
            **{f"floors.{name}": share for name, share in self.floors.items()},
            "false_alarms": self.false_alarms,
            **({} if self.metric in ERRORS else goal),
        }
        for name, share in shares.items():
            if share is not None and not 0 <= share <= 1:
                raise RecipeError(
                    f"problem.{name} = {share}: a share lies in 0..1",
                    hint=f"write {share / 100:g} for {share:g} %",
                )
        costs = {f"costs[{row}].cost": each.cost for row, each in enumerate(self.costs)}
        for name, cost in {**costs, "abstain_cost": self.abstain_cost}.items():
            if cost is not None and not 0 <= cost < math.inf:
                raise RecipeError(
                    f"problem.{name} = {cost}: a cost is not negative",
                    hint="write 0 for an error that costs nothing, 1 for an ordinary one",
                )
        if any(not each.true and not each.predicted for each in self.costs):
            raise RecipeError(
                "problem.costs has an entry that names no class",
                hint="name `true`, `predicted` or both",
            )
        above = {
            "latency_ms": self.latency_ms,
            "images_per_s": self.images_per_s,
            **(goal if self.metric in ERRORS else {}),
        }
        for name, wanted in above.items():
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
        costs = [name for each in self.costs for name in (each.true, each.predicted) if name]
        for name in [*self.floors, *costs]:
            if name not in classes:
                raise RecipeError(
                    f"problem names the class `{name}`, which the dataset does not have",
                    hint=f"did you mean {nearest(name, classes)}?",
                )


class Promise(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One number of the Problem held against what was measured."""

    name: str  # a metric, or `recall of CLASS`
    wanted: float  # 0..1; of an error, in the target's unit
    measured: float | None  # None: not defined on these images
    low: float | None  # 95 % interval
    high: float | None
    verdict: Verdict
    less_is_better: bool = False  # errors
    more_images: int | None = (
        None  # that would settle it, on top; None: settled, or no number would
    )

    def __str__(self) -> str:
        told = f"{self.name} of {self._written(self.wanted)} wanted"
        if self.measured is None or self.low is None or self.high is None:
            return f"{told}, not defined on these images"
        low, high = self._written(self.low), self._written(self.high)
        return f"{told}, {self._written(self.measured)} measured ({low} .. {high})"

    def _written(self, value: float) -> str:
        return f"{value:.4g}" if self.less_is_better or self.name == "r2" else percent(value)


def judge(
    name: str,
    *,
    wanted: float,
    measured: Rate | Estimate,
    images: int = 0,
    less_is_better: bool = False,
) -> Promise:
    """Hold what was measured, with its interval, against the number that was wanted.

    Args:
        name: Of the metric.
        wanted: The number to reach, or of an error not to exceed.
        measured: Not defined leaves it undecided.
        images: It was measured on.
        less_is_better: It is an error.

    Returns:
        `met` when the whole interval reaches the number, `missed` when none of it does,
        else `undecided`: the test part is too small to tell.
    """
    value, low, high = measured.value, measured.low, measured.high
    verdict: Verdict = "undecided"
    if low is not None and high is not None:
        is_met, is_missed = low >= wanted, high < wanted
        if less_is_better:
            is_met, is_missed = high <= wanted, low > wanted
        verdict = "met" if is_met else "missed" if is_missed else "undecided"
    return Promise(
        name=name,
        wanted=wanted,
        measured=value,
        low=low,
        high=high,
        verdict=verdict,
        less_is_better=less_is_better,
        more_images=_more_images(measured, wanted, images) if verdict == "undecided" else None,
    )


def _more_images(measured: Rate | Estimate, wanted: float, images: int) -> int | None:
    """Say how many more images would settle a promise, if what was measured stays as it is.

    Source: own; of a plain share by its Wilson interval, of others by the square root law.
    """
    value, low, high = measured.value, measured.low, measured.high
    if value is None or low is None or high is None or value == wanted or not images:
        return None
    if isinstance(measured, Rate) and measured.of:
        images = measured.of

        def settles(count: int) -> bool:
            rate = wilson(round(value * count), count)
            return (rate.low or 0.0) >= wanted if value > wanted else (rate.high or 1.0) < wanted

        count = images
        while count <= _MOST_IMAGES and not settles(count):
            count += max(count // 200, 1)  # as fine as such a forecast can be
    else:
        reach = value - low if value > wanted else high - value
        count = math.ceil(images * (reach / (value - wanted)) ** 2)
    return count - images if images < count <= _MOST_IMAGES else None


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
