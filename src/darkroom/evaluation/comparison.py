"""Comparison: how far two sets of answers for the same images are apart, in numbers and words.

One table comes in, a row per image with both answers; nothing of where they came from is needed.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
import polars as pl
from scipy import special

from darkroom.evaluation.paired import images_to_tell, mcnemar, paired_difference
from darkroom.evaluation.slices import holm
from darkroom.intervals import Estimate, Rate, wilson
from darkroom.training.repeats import mean_of
from darkroom.wording import counted

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

Measure = Literal["accuracy", "error"]  # error: the mean absolute one, in the target's unit

_CALLED = 0.05  # the p-value below which a difference is called
_TO_CALL = 7.848879734349086  # square of the sum of the normal quantiles of 97.5 and 80 %


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far two sets of answers for some images are apart."""

    images: int
    difference: Estimate  # after less before, paired, 95 %
    p: float  # that neither is better, 0..1
    images_to_tell: int | None  # with which a difference as large is called 80 times in 100


class ClassChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one class fared."""

    name: str
    images: int  # that truly belong to it
    before: Rate  # share of them that was found
    after: Rate
    difference: Estimate  # after less before, paired, 95 %, not corrected
    p: float | None  # that neither is better, corrected for all classes, 0..1; None: no images

    @property
    def verdict(self) -> Literal["better", "worse"] | None:
        """Whether it is found more or less often than before; None: that cannot be told."""
        if self.p is None or self.p >= _CALLED:
            return None
        return "better" if (self.difference.value or 0.0) > 0 else "worse"


class Comparison(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two evaluations of the same images."""

    before: str  # names
    after: str
    part: str
    measure: Measure = "accuracy"
    images: int
    accuracy_before: Rate = wilson(0, 0)  # not defined where numbers are predicted
    accuracy_after: Rate = wilson(0, 0)
    error_before: Estimate = Estimate(value=None)  # not defined where classes are
    error_after: Estimate = Estimate(value=None)
    difference: Estimate  # of the measure: after less before, paired, 95 %
    p: float  # that neither is better: McNemar's mid-p, of errors Student's paired t; 0..1
    images_to_tell: int | None  # with which a difference as large is called 80 times in 100
    leaked: int = 0  # images that one of the two trainings has seen, or nearly so
    without_leaks: Change | None = None  # None: nothing leaked, or everything did
    newly_broken: tuple[str, ...] = ()  # right before and wrong after, the surest mistakes first
    newly_mended: tuple[str, ...] = ()  # wrong before and right after, the surest answers first
    classes: tuple[ClassChange, ...] = ()

    @property
    def fair(self) -> Change:
        """What the verdict rests on: images that neither training has seen, if there are any."""
        return self.without_leaks or Change(
            images=self.images,
            difference=self.difference,
            p=self.p,
            images_to_tell=self.images_to_tell,
        )

    @property
    def verdict(self) -> Literal["better", "worse"] | None:
        """Whether `after` is better or worse; None: that cannot be told with these images.

        Both have to say so, the p-value and the interval, which differ a little on few images.
        """
        low, high = self.fair.difference.low, self.fair.difference.high
        if self.fair.p >= _CALLED or low is None or high is None or low <= 0 <= high:
            return None
        return "better" if (low > 0) == (self.measure == "accuracy") else "worse"

    def summary(self) -> str:
        """Say which is better and by how much, or that it cannot be told."""
        fair = self.fair
        apart = f"{self.told(fair.difference)}, {p_told(fair.p)}"
        images = counted(fair.images, "image", "images")
        if fair.images < self.images:
            images += " that neither training has seen"
        changed = ""
        if self.measure == "accuracy":
            changed = f", {len(self.newly_mended):,} mended, {len(self.newly_broken):,} broken"
        if self.verdict:
            return f"{self.after} is {self.verdict} than {self.before}: {apart}; {images}{changed}"
        wanted = ""
        if fair.images_to_tell:
            wanted = f"; about {fair.images_to_tell:,} images would tell a difference as large"
        return (
            f"It cannot be told whether {self.after} is better than {self.before}: {apart}; "
            f"{images}{changed}{wanted}"
        )

    def told(self, difference: Estimate) -> str:
        """Write a difference: in points of accuracy, or in the target's unit."""
        if self.measure == "error":
            return f"{difference} of mean absolute error"
        return f"{points(difference)} of accuracy"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(each.name)}</td><td>{each.images:,}</td><td>{each.before}</td>"
            f"<td>{each.after}</td><td>{points(each.difference)}</td></tr>"
            for each in self.classes
        )
        head = "<tr><th>class</th><th>images</th><th>before</th><th>after</th><th>change</th></tr>"
        table = f"<table>{head}{rows}</table>" if rows else ""
        return f"<p>{html.escape(self.summary())}</p>{table}"


def compare_answers(
    answers: pl.DataFrame, names: tuple[str, str], *, part: str, classes: Sequence[str]
) -> Comparison:
    """Compare two sets of labels; an image that got no answer counts as wrong.

    Args:
        answers: One row per image: `image`, `labels`, and `predicted`, `correct`, `confidence` and
            `leaked` of the one, and with `_after` behind their names of the other.
        names: Of the two.
        part: That both cover.
        classes: In the order to list them.
    """
    before, after = (answers[name].to_numpy() for name in ("correct", "correct_after"))
    leaked = (answers["leaked"] | answers["leaked_after"]).to_numpy()
    whole = _change(before, after)
    ranked = answers.sort("confidence_after", descending=True, maintain_order=True)
    broken = ranked.filter(pl.col("correct") & ~pl.col("correct_after"))
    mended = ranked.filter(~pl.col("correct") & pl.col("correct_after"))
    return Comparison(
        before=names[0],
        after=names[1],
        part=part,
        images=len(answers),
        accuracy_before=wilson(int(before.sum()), len(before)),
        accuracy_after=wilson(int(after.sum()), len(after)),
        difference=whole.difference,
        p=whole.p,
        images_to_tell=whole.images_to_tell,
        leaked=int(leaked.sum()),
        without_leaks=_change(before[~leaked], after[~leaked]) if _is_some(leaked) else None,
        newly_broken=tuple(broken["image"]),
        newly_mended=tuple(mended["image"]),
        classes=_class_changes(answers, classes),
    )


def compare_numbers(answers: pl.DataFrame, names: tuple[str, str], *, part: str) -> Comparison:
    """Compare two sets of numbers by their absolute errors.

    Args:
        answers: One row per image: `image`, and `error` and `leaked` of the one, and with `_after`
            behind their names of the other.
        names: Of the two.
        part: That both cover.

    Source: Student's paired t, 1908, doi:10.1093/biomet/6.1.1.
    """
    before, after = (
        np.abs(answers[name].cast(pl.Float64).to_numpy()) for name in ("error", "error_after")
    )
    leaked = (answers["leaked"] | answers["leaked_after"]).to_numpy()
    whole = _error_change(after - before)
    fresh = _error_change((after - before)[~leaked]) if _is_some(leaked) else None
    return Comparison(
        before=names[0],
        after=names[1],
        part=part,
        measure="error",
        images=len(answers),
        error_before=_mean(before),
        error_after=_mean(after),
        difference=whole.difference,
        p=whole.p,
        images_to_tell=whole.images_to_tell,
        leaked=int(leaked.sum()),
        without_leaks=fresh,
    )


def points(difference: Estimate) -> str:
    """Write a difference of shares: `+2.1 points (+0.8 .. +3.4)`."""
    if difference.value is None or difference.low is None or difference.high is None:
        return "not defined"
    value, low, high = (100 * end for end in (difference.value, difference.low, difference.high))
    return f"{value:+.1f} points ({low:+.1f} .. {high:+.1f})"


def p_told(p: float) -> str:
    """Write a p-value with no more digits than mean something."""
    return "p below 0.001" if p < 0.001 else f"p {p:.2g}"


def _is_some(leaked: Bool[np.ndarray, "images"]) -> bool:
    return bool(leaked.any() and not leaked.all())


def _change(before: Bool[np.ndarray, "images"], after: Bool[np.ndarray, "images"]) -> Change:
    return Change(
        images=len(before),
        difference=paired_difference(after, before),
        p=mcnemar(after, before),
        images_to_tell=images_to_tell(after, before),
    )


def _error_change(differences: Float[np.ndarray, "images"]) -> Change:
    """Tell how much larger the errors have become, image by image."""
    count, mean = len(differences), float(differences.mean())
    spread = float(differences.std(ddof=1)) if count > 1 else math.inf
    p, needed = 1.0, None
    if mean and math.isfinite(spread):
        t = math.sqrt(count) * abs(mean) / spread if spread else math.inf
        p = float(2 * special.stdtr(count - 1, -t))
        needed = max(math.ceil(_TO_CALL * (spread / mean) ** 2), 2)
    return Change(images=count, difference=_mean(differences), p=p, images_to_tell=needed)


def _mean(values: Float[np.ndarray, "images"]) -> Estimate:
    mean = mean_of(values.tolist())
    return Estimate(value=mean.value, low=mean.low, high=mean.high)


def _class_changes(answers: pl.DataFrame, classes: Sequence[str]) -> tuple[ClassChange, ...]:
    """Compare how often the images of each class were found."""
    pairs = []
    for name in classes:
        own = answers.filter(pl.col("labels").list.contains(name))
        found = own.select(pl.col("predicted", "predicted_after").list.contains(name))
        pairs.append(tuple(found[column].to_numpy() for column in found.columns))
    corrected = iter(holm([mcnemar(after, before) for before, after in pairs if len(before)]))
    return tuple(
        ClassChange(
            name=name,
            images=len(before),
            before=wilson(int(before.sum()), len(before)),
            after=wilson(int(after.sum()), len(after)),
            difference=paired_difference(after, before),
            p=next(corrected) if len(before) else None,
        )
        for name, (before, after) in zip(classes, pairs, strict=True)
    )
