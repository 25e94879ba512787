"""Leaderboard: many evaluations on the same images, a row per recipe.

Runs whose recipes differ in the seed alone belong together: how far they lie apart says how much of
a lead is luck.
"""

from __future__ import annotations

import html
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl

from darkroom.errors import ArtifactError
from darkroom.evaluation.compare import Named, find_evaluation, pair
from darkroom.evaluation.comparison import Measure
from darkroom.evaluation.evaluation import Evaluation, open_evaluation
from darkroom.intervals import Estimate, Rate, wilson
from darkroom.training.recipe import Recipe
from darkroom.training.repeats import Mean, mean_of
from darkroom.wording import counted, percent
from darkroom.workspace import Workspace

if TYPE_CHECKING:
    from jaxtyping import Float


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One recipe on one dataset, with all its seeds."""

    model: str
    settings: tuple[str, ...]  # `name=value`, where the recipes of the table differ
    evaluations: tuple[str, ...]  # names, one per seed, the newest
    seeds: Mean  # of the measure over the seeds; its interval needs two of them
    accuracy: Rate = wilson(0, 0)  # the mean, with the interval over the images
    error: Estimate = Estimate(value=None)  # where numbers are predicted: the same of the error


class Leaderboard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Recipes by how good they are on the same images, the best first."""

    part: str
    images: int
    measure: Measure
    entries: tuple[Entry, ...]
    left_out: tuple[str, ...] = ()  # evaluations that could not be listed, and why

    def summary(self) -> str:
        """Say what leads, and with how many seeds that was found out."""
        first = self.entries[0]
        told = self.told(first)[0]
        return (
            f"{first.model} leads {counted(len(self.entries), 'recipe', 'recipes')} with {told} on "
            f"{counted(self.images, 'image', 'images')} of {self.part}, "
            f"{counted(first.seeds.of, 'seed', 'seeds')}"
        )

    def told(self, entry: Entry) -> tuple[str, str]:
        """Write the measure of a recipe with its interval over the images, and over the seeds."""
        seeds, write = entry.seeds, percent if self.measure == "accuracy" else "{:.4g}".format
        over = "-"
        if seeds.low is not None and seeds.high is not None:
            over = f"{write(seeds.low)} .. {write(seeds.high)}"
            if seeds.low == seeds.high:
                over = "no spread"  # by luck, which no interval of nothing should hide
        return str(entry.accuracy if self.measure == "accuracy" else entry.error), over

    def rows(self) -> list[list[str]]:
        """Write the table, a row per recipe."""
        return [
            [
                " ".join([entry.model, *entry.settings]),
                str(entry.seeds.of),
                *self.told(entry),
                entry.evaluations[0],
            ]
            for entry in self.entries
        ]

    @property
    def head(self) -> list[str]:
        """The names of the columns of `rows`."""
        return ["recipe", "seeds", f"{self.measure} (over images)", "over seeds", "newest"]

    def _repr_html_(self) -> str:
        def cells(tag: str, row: Iterable[str]) -> str:
            return "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row)

        body = "".join(f"<tr>{cells('td', row)}</tr>" for row in self.rows())
        return (
            f"<p>{html.escape(self.summary())} · 95 % intervals</p>"
            f"<table><tr>{cells('th', self.head)}</tr>{body}</table>"
        )


def compare_many(
    evaluations: Sequence[Named] = (), *, part: str = "test", workspace: Workspace | None = None
) -> Leaderboard:
    """List evaluations of the same images by recipe, the best first.

    Args:
        evaluations: As `compare` takes them. Runs that differ in their seed alone make one row; of
            several evaluations of a recipe and a seed the newest counts. None: all in the
            workspace that cover the same images as the newest of `part`.
        part: Of which a run's evaluation is meant.
        workspace: Where names are found.

    Returns:
        Of each recipe the mean, its 95 % interval over the images, and over its seeds (Student's
        t) when there are two. The first of many has had some luck: its lead shrinks on new images.

    Raises:
        ArtifactError: There is no such evaluation, or its run is gone.
        DataError: Two of them cover different images.
    """
    found = [find_evaluation(each, part=part, workspace=workspace) for each in evaluations]
    left_out: list[str] = []
    if not evaluations:
        found, left_out = _all_of(part, workspace or Workspace())
    found.sort(key=lambda each: each.manifest.made_at, reverse=True)
    scores = {each.name: _scores(pair(found[0], each)) for each in found}
    groups: dict[Any, dict[int, Evaluation]] = defaultdict(dict)
    for each in found:
        recipe = each.run.record.recipe
        whole = msgspec.json.encode(msgspec.structs.replace(recipe, seed=0))
        groups[whole, each.record.dataset].setdefault(recipe.seed, each)
    is_number = found[0].record.task == "regression"
    told = _differing(groups.values())
    entries = [
        _entry(list(seeds.values()), scores, settings, is_number=is_number)
        for seeds, settings in zip(groups.values(), told, strict=True)
    ]
    entries.sort(key=lambda entry: entry.seeds.value, reverse=not is_number)
    return Leaderboard(
        part=found[0].record.part,
        images=len(found[0].predictions),
        measure="error" if is_number else "accuracy",
        entries=tuple(entries),
        left_out=tuple(left_out),
    )


def _all_of(part: str, workspace: Workspace) -> tuple[list[Evaluation], list[str]]:
    """Open every evaluation of the images that the newest of a part covers."""
    found: list[Evaluation] = []
    left_out: list[str] = []
    for path, manifest in workspace.artifacts("evaluation"):
        try:
            evaluation = open_evaluation(path)
            if evaluation.record.part != part:
                continue
            evaluation.run.require_weights()  # a run that is gone has no recipe to list
        except ArtifactError as broken:
            left_out.append(f"{manifest.name}: {broken.problem}")
            continue
        same = evaluation.record.part_fingerprint
        if found and same != found[0].record.part_fingerprint:
            left_out.append(f"{manifest.name}: it covers other images")
            continue
        found.append(evaluation)
    if not found:
        raise ArtifactError(
            f"there is no evaluation of {part} in {workspace.root}",
            hint=f"darkroom evaluate RUN --part {part}",
        )
    return found, left_out


def _scores(answers: pl.DataFrame) -> Float[np.ndarray, "images"]:
    """Say how right each image is: 0 or 1, or the absolute error."""
    if "correct_after" in answers.columns:
        return np.asarray(answers["correct_after"].to_numpy(), np.float64)
    return np.abs(np.asarray(answers["error_after"].to_numpy(), np.float64))


def _entry(
    evaluations: Sequence[Evaluation],
    scores: Mapping[str, Float[np.ndarray, "images"]],
    settings: tuple[str, ...],
    *,
    is_number: bool,
) -> Entry:
    own = [scores[each.name] for each in evaluations]
    seeds = mean_of([float(score.mean()) for score in own])
    record, of = evaluations[0].run.record, len(own[0])
    entry = Entry(
        model=record.recipe.model or record.architecture.name,
        settings=settings,
        evaluations=tuple(each.name for each in evaluations),
        seeds=seeds,
    )
    if is_number:
        images = mean_of(np.mean(own, axis=0).tolist())
        error = Estimate(value=images.value, low=images.low, high=images.high)
        return msgspec.structs.replace(entry, error=error)
    # As wide as for one run of that accuracy: the images are the same for every seed.
    wide = wilson(round(seeds.value * of), of)
    if seeds.low is not None and seeds.high is not None:
        seeds = msgspec.structs.replace(seeds, low=max(seeds.low, 0.0), high=min(seeds.high, 1.0))
    accuracy = Rate(value=seeds.value, low=wide.low, high=wide.high, of=of)
    return msgspec.structs.replace(entry, seeds=seeds, accuracy=accuracy)


def _differing(groups: Iterable[Mapping[int, Evaluation]]) -> list[tuple[str, ...]]:
    """Write of each recipe the settings by which the recipes of the table differ."""
    firsts = [next(iter(seeds.values())) for seeds in groups]
    flat = [{**_flat(each.run.record.recipe), "dataset": each.record.dataset} for each in firsts]
    names = dict.fromkeys(name for each in flat for name in each)
    varied = [name for name in names if len({repr(each.get(name)) for each in flat}) > 1]
    return [
        tuple(
            f"{name}={each[name]}"
            for name in varied
            if name in each and name not in ("model", "seed")
        )
        for each in flat
    ]


def _flat(recipe: Recipe) -> dict[str, object]:
    """Give every setting by its dotted name."""

    def walk(table: Mapping[str, Any], before: str) -> dict[str, object]:
        flat: dict[str, object] = {}
        for name, value in table.items():
            inner = walk(value, f"{before}{name}.") if isinstance(value, dict) else None
            flat |= {f"{before}{name}": value} if inner is None else inner
        return flat

    return walk(msgspec.to_builtins(recipe), "")
