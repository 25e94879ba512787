"""What a study came to: its runs, a point for each value, one figure and one sentence."""

from __future__ import annotations

import html
import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from darkroom.intervals import Estimate
from darkroom.plots.studies import batch_sizes, learning_curve, seed_spread
from darkroom.training.learning_curve import Forecast, forecast
from darkroom.training.repeats import Mean, geometric_mean_of, mean_of
from darkroom.wording import counted, percent

if TYPE_CHECKING:
    from darkroom.plots import Figure

StudyName = Literal["batch-size", "data-size", "seeds"]
Measure = Literal["accuracy", "error"]

_ENOUGH = 0.005  # of accuracy: half a point is next to nothing
_ENOUGH_OF_ERROR = 0.02  # share of a mean absolute error that is next to nothing


class StudyRun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training of a study."""

    value: int  # the batch size, the training images or the seed
    seed: int
    run: str  # its name in the workspace
    measured: float  # of the validation part, at the epoch that was kept
    images_per_s: float | None  # None: one epoch alone, in which the network was compiled too
    seconds: float  # training and validation
    step: float = 0.0  # `measured` is a multiple of it; 0: of none


class StudyPoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the runs of one value came to."""

    value: int
    measured: Mean
    images_per_s: Mean | None


class Study(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A small grid of runs that differ in one thing, and in the seed."""

    what: StudyName
    dataset: str
    model: str
    measure: Measure  # of the validation part: a share, or the mean absolute error of a number
    runs: tuple[StudyRun, ...]
    points: tuple[StudyPoint, ...]  # by value, the lowest first; of seeds one, of value 0
    forecast: Forecast | None = None  # data-size only
    spread: Estimate | None = None  # seeds only: the standard deviation, with its interval
    left_out: tuple[str, ...] = ()  # what could not be trained, and why

    def summary(self) -> str:
        """Say in one sentence what was found, or that it cannot be told."""
        told = {"batch-size": _tell_sizes, "data-size": _tell_images, "seeds": _tell_seeds}
        return f"{told[self.what](self)}; {counted(len(self.runs), 'run', 'runs')} of {self.model}"

    @property
    def figure(self) -> Figure:
        """The measure against what was varied, with its intervals."""
        title, what = self.summary().partition(":")[0], f"validation {self.measure}"
        if self.what == "batch-size":
            return batch_sizes(
                [point.value for point in self.points],
                [_ends(point.measured) for point in self.points],
                [_ends(point.images_per_s) for point in self.points],
                what=what,
                title=title,
            )
        if self.what == "seeds":
            (point,) = self.points
            values = {run.seed: run.measured for run in self.runs}
            return seed_spread(values, _ends(point.measured), what=what, title=title)
        return learning_curve(
            [(point.value, *_ends(point.measured)) for point in self.points],
            self._law(),
            what=what,
            title=title,
        )

    def _law(self) -> list[tuple[float, float]]:
        """Give points of the fitted curve, up to twice the images."""
        found = self.forecast
        if found is None or found.error_at(found.images) is None:
            return []
        low = self.points[0].value
        sizes = [low * (2 * found.images / low) ** (step / 40) for step in range(41)]
        errors = [found.error_at(size) or 0.0 for size in sizes]
        values = errors if self.measure == "error" else [1 - error for error in errors]
        return list(zip(sizes, values, strict=True))

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{run.value:,}</td><td>{run.seed}</td>"
            f"<td>{_level(self.measure, run.measured)}</td><td>{html.escape(run.run)}</td></tr>"
            for run in self.runs
        )
        figure = self.figure
        return (
            f"<p>{html.escape(self.summary())}</p>"
            f'<img src="{figure.svg_uri()}" alt="{html.escape(figure.alternative)}">'
            f"<table><tr><th>{self.what}</th><th>seed</th><th>validation {self.measure}</th>"
            f"<th>run</th></tr>{rows}</table>"
        )


def conclude(
    what: StudyName,
    runs: Sequence[StudyRun],
    *,
    dataset: str,
    model: str,
    measure: Measure,
    left_out: Sequence[str] = (),
) -> Study:
    """Make a study of its runs.

    Args:
        what: Was varied.
        runs: At least one.
        dataset: Its name.
        model: Its name in the catalog.
        measure: Of accuracy more is better, of an error less.
        left_out: What could not be trained, and why.
    """
    values = [0] if what == "seeds" else sorted({run.value for run in runs})
    points = []
    for value in values:
        of = [run for run in runs if what == "seeds" or run.value == value]
        speeds = [run.images_per_s for run in of if run.images_per_s is not None]
        points.append(
            StudyPoint(
                value=value,
                measured=_bounded(mean_of([run.measured for run in of], step=of[0].step), measure),
                images_per_s=geometric_mean_of(speeds) if speeds else None,
            )
        )
    measured = [run.measured for run in runs]
    law = None
    if what == "data-size":
        errors = measured if measure == "error" else [1 - value for value in measured]
        enough = _ENOUGH_OF_ERROR * points[-1].measured.value if measure == "error" else _ENOUGH
        law = forecast([run.value for run in runs], errors, enough=enough)
    return Study(
        what=what,
        dataset=dataset,
        model=model,
        measure=measure,
        runs=tuple(runs),
        points=tuple(points),
        forecast=law,
        spread=spread_of(measured) if what == "seeds" else None,
        left_out=tuple(left_out),
    )


def spread_of(values: Sequence[float]) -> Estimate:
    """Give the standard deviation of values that are about normal, and its 95 % interval.

    Args:
        values: Of one, nothing is defined.

    Source: the distribution of a sample's variance, Helmert 1876; Wackerly et al. 2008,
    "Mathematical statistics with applications", 8.9.
    """
    freedom = len(values) - 1
    if freedom < 1:
        return Estimate(value=None)
    from scipy.stats import chi2  # here, because it loads for half a second

    deviation = statistics.stdev(values)
    ends = (deviation * math.sqrt(freedom / chi2.ppf(at, freedom)) for at in (0.975, 0.025))
    low, high = (float(end) for end in ends)
    return Estimate(value=deviation, low=low, high=high)


def told_level(measure: Measure, mean: Mean) -> str:
    """Write a mean with its interval as a person reads it: `71.7 % (55.4 % .. 87.9 %)`."""
    told = _level(measure, mean.value)
    if mean.low is None or mean.high is None:
        return told
    return f"{told} ({_level(measure, mean.low)} .. {_level(measure, mean.high)})"


def told_gain(measure: Measure, gain: Mean | Estimate) -> str:
    """Write what something brings, or costs: `1.2 points (0.4 .. 2.0) more validation accuracy`.

    Args:
        measure: Of accuracy more is a gain, of an error less.
        gain: Above 0 where it is one.
    """
    kinds = ("more", "less") if measure == "accuracy" else ("less", "more")
    kind = kinds[0]
    if (gain.value or 0.0) < 0:
        ends = (None if end is None else -end for end in (gain.high, gain.value, gain.low))
        low, value, high = ends
        gain, kind = Estimate(value=value, low=low, high=high), kinds[1]
    return f"{told_difference(measure, gain).replace('+', '')} {kind} validation {measure}"


def told_difference(measure: Measure, mean: Mean | Estimate) -> str:
    """Write a difference with its interval: `+1.2 points (+0.4 .. +2.0)`."""
    told = f"{_difference(measure, mean.value)}{_unit(measure)}"
    if mean.low is None or mean.high is None:
        return told
    return f"{told} ({_difference(measure, mean.low)} .. {_difference(measure, mean.high)})"


def _level(measure: Measure, value: float) -> str:
    return f"{value:.4g}" if measure == "error" else percent(value)


def _unit(measure: Measure) -> str:
    return "" if measure == "error" else " points"


def _bounded(mean: Mean, measure: Measure) -> Mean:
    """Cut an interval at 0, and that of a share at 1: beyond it nothing lies."""
    if mean.low is None or mean.high is None:
        return mean
    high = mean.high if measure == "error" else min(mean.high, 1.0)
    return Mean(value=mean.value, low=max(mean.low, 0.0), high=high, of=mean.of)


def _ends(mean: Mean | None) -> tuple[float | None, float | None, float | None]:
    return (None, None, None) if mean is None else (mean.value, mean.low, mean.high)


def _difference(measure: Measure, value: float | None) -> str:
    if measure == "error":
        return f"{value or 0.0:+.3g}"
    return f"{100 * min(max(value or 0.0, -1.0), 1.0):+.1f}"  # shares are no further apart


def _tell_sizes(study: Study) -> str:
    better = min if study.measure == "error" else max
    best = better(study.points, key=lambda point: point.measured.value)
    level = told_level(study.measure, best.measured)
    others = [point for point in study.points if point.value != best.value]
    if others:
        second = better(others, key=lambda point: point.measured.value)
        if _is_open(_lost(study, second, best)):
            level += f", which cannot be told from {second.value}"
    told = f"Batch size {best.value} came out best: validation {study.measure} {level}"
    timed = [point for point in study.points if point.images_per_s is not None]
    fast = max(timed, key=lambda point: _speed(point), default=best)
    if fast.value == best.value:
        return f"{told}, and the fastest" if timed and len(timed) > 1 else told
    lost = _lost(study, fast, best)
    times = f", {_speed(fast) / _speed(best):.1f} times as fast" if _speed(best) else ""
    return (
        f"{told}; {fast.value} is the fastest{times}, {told_difference(study.measure, lost)}"
        f"{', which cannot be told from none' if _is_open(lost) else ''}"
    )


def _lost(study: Study, point: StudyPoint, best: StudyPoint) -> Mean:
    """Give how much more one batch size measured than the best, seed by seed."""
    by_seed = {run.seed: run.measured for run in study.runs if run.value == best.value}
    return mean_of(
        [
            run.measured - by_seed[run.seed]
            for run in study.runs
            if run.value == point.value and run.seed in by_seed
        ]
        or [point.measured.value - best.measured.value],
        step=study.runs[0].step,
    )


def _is_open(mean: Mean) -> bool:
    return mean.low is None or mean.high is None or mean.low <= 0 <= mean.high


def _speed(point: StudyPoint) -> float:
    return 0.0 if point.images_per_s is None else point.images_per_s.value


def _tell_images(study: Study) -> str:
    found = study.forecast
    if found is None or found.gain.value is None:
        why = found.why if found else "nothing was measured"
        return f"It cannot be told whether more images would help: {why}"
    begin = {
        "helps": "More images would help",
        "next to nothing": "More images would bring next to nothing",
        "cannot tell": "It cannot be told whether more images would help",
    }[found.verdict]
    return (
        f"{begin}: twice the {found.images:,} training images would bring about "
        f"{told_gain(study.measure, found.gain)}"
    )


def _tell_seeds(study: Study) -> str:
    (point,), spread = study.points, study.spread
    if spread is None or spread.value is None:
        return f"It cannot be told what the seed does: {len(study.runs)} seed is too few"
    from scipy.stats import t  # here, because it loads for half a second

    apart = spread.value * math.sqrt(2) * float(t.ppf(0.975, len(study.runs) - 1))
    unit = _unit(study.measure)
    low, middle, high, most = (
        _difference(study.measure, value).lstrip("+")
        for value in (spread.low, spread.value, spread.high, apart)
    )
    return (
        f"Two single runs differ by up to {most}{unit} by their seeds alone: validation "
        f"{study.measure} {told_level(study.measure, point.measured)}, standard deviation "
        f"{middle}{unit} ({low} .. {high})"
    )
