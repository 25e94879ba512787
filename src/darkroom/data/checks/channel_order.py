"""Images in which red and blue seem to be exchanged: saved as BGR what was RGB."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from darkroom.data.checks.difference import strata
from darkroom.data.dataset import Dataset
from darkroom.data.measures import measure_images
from darkroom.findings import Finding

if TYPE_CHECKING:
    from jaxtyping import Float

_Z95 = 1.959963984540054  # the normal quantile of 97.5 %
_FEW_IMAGES = 50  # own, of a group and of what it is held against
_LEAN = 0.05  # own: of the pixels; the colours of less say nothing of their order
_BETTER = 0.5  # own: exchanged, a group must be half as far from the rest, or nearer
# Own: photographs lean to red; sets of flowers, pets, hands and CIFAR-10 by -0.47 to -0.18.
_LEAN_OF_ALL = 0.1

_SUMS = ("len", "lean", "sq")  # what mean and variance come from


class _Lean(NamedTuple):
    """How much more often clear colours are blue than red, with its 95 % interval."""

    value: float  # -1..1
    reach: float

    def is_beyond(self, limit: float) -> bool:
        """Whether the whole interval lies beyond a limit, on the limit's side of 0."""
        return (self.value - math.copysign(self.reach, limit)) * math.copysign(1, limit) > abs(
            limit
        )


def channel_order(dataset: Dataset) -> list[Finding]:
    """Name parts, formats or folders whose colours fit the rest better with red and blue exchanged.

    A warning; within the same classes they lean to blue where the rest leans to red. A note when
    the images all together lean to blue, as photographs seldom do.
    """
    if bool((dataset.index["channels"] == 1).all()):
        return []
    leans = measure_images(dataset)["blue_above"].cast(pl.Float64)
    folder = pl.col("image").str.extract("^(.*)/", 1).fill_null("")
    groups = dataset.index.select("part", "format", folder.alias("folder"))
    table = pl.DataFrame({"stratum": strata(dataset.index), "lean": leans})
    for column in groups:
        exchanged = _exchanged(table.with_columns(column.fill_null("").alias("group")))
        if exchanged:
            return [_group_finding(dataset, column, exchanged)]
    return _whole_finding(dataset, leans.to_numpy())


def _exchanged(images: pl.DataFrame) -> dict[str, tuple[_Lean, _Lean]]:
    """Find the groups that lean to blue while the rest of their classes leans to red.

    A group and the rest are compared as if both had the group's mix of classes.

    Args:
        images: The `group`, `stratum` and `lean` of each.
    """
    sums = (pl.len().cast(pl.Int64), pl.col("lean").sum(), pl.col("lean").pow(2).sum().alias("sq"))
    own = images.filter(pl.col("group") != "").group_by("group", "stratum").agg(*sums)
    both = own.join(images.group_by("stratum").agg(*sums), on="stratum", suffix="_all")
    both = both.with_columns(
        (pl.col(f"{name}_all") - pl.col(name)).alias(f"{name}_rest") for name in _SUMS
    )
    both = both.filter((pl.col("len") > 1) & (pl.col("len_rest") > 1)).sort("group", "stratum")
    counts = pl.col("len", "len_rest").sum().over("group")
    both = both.filter(pl.all_horizontal(counts >= _FEW_IMAGES))
    found = {}
    for (name,), cells in both.group_by("group", maintain_order=True):
        weights = (cells["len"] / cells["len"].sum()).to_numpy()
        group = _weighted(cells.select(_SUMS), weights)
        others = _weighted(cells.select(f"{name}_rest" for name in _SUMS), weights)
        turned = abs(group.value + others.value) <= _BETTER * abs(group.value - others.value)
        if turned and group.is_beyond(_LEAN) and others.is_beyond(-_LEAN):
            found[str(name)] = (group, others)
    return found


def _weighted(cells: pl.DataFrame, weights: Float[np.ndarray, "strata"]) -> _Lean:
    """Average the means of some strata, each of its count, sum and sum of squares."""
    count, total, squares = cells.to_numpy().T
    variances = np.maximum(squares - total**2 / count, 0) / (count - 1) / count
    return _Lean(float(weights @ (total / count)), _Z95 * math.sqrt(weights**2 @ variances))


def _group_finding(
    dataset: Dataset, column: pl.Series, exchanged: dict[str, tuple[_Lean, _Lean]]
) -> Finding:
    name, (group, rest) = next(iter(exchanged.items()))
    images = dataset.index.filter(column.is_in(list(exchanged)))["image"]
    more = f", and {len(exchanged) - 1} more like it" if len(exchanged) > 1 else ""
    return Finding(
        name="channel-order",
        severity="warning",
        what=(
            f"red and blue seem to be exchanged in the {column.name} {name}{more}: its clear "
            f"colours lean to blue by {group.value:+.2f} ± {group.reach:.2f}, those of the same "
            f"classes elsewhere by {rest.value:+.2f} ± {rest.reach:.2f}"
        ),
        where=tuple(images),
        next_step="look at some of them; if it is so, save them with the channels in order",
    )


def _whole_finding(dataset: Dataset, leans: Float[np.ndarray, "images"]) -> list[Finding]:
    if len(leans) < _FEW_IMAGES:
        return []
    lean = _Lean(float(leans.mean()), _Z95 * float(leans.std(ddof=1)) / math.sqrt(len(leans)))
    if not lean.is_beyond(_LEAN_OF_ALL):
        return []
    images = dataset.index["image"][np.argsort(-leans, kind="stable").tolist()]
    return [
        Finding(
            name="channel-order",
            severity="note",
            what=(
                f"clear colours are more often blue than red ({lean.value:+.2f} ± "
                f"{lean.reach:.2f}), in photographs it is the other way round: red and blue may "
                "be exchanged in all images"
            ),
            where=tuple(images),
            next_step="look at some of them; skin, wood and earth must not be blue",
        )
    ]
