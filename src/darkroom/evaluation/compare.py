"""`compare`: two evaluations on the same images become a Comparison.

Every image is its own control: what both got right or both got wrong says nothing, and so a smaller
difference can be told than between two intervals.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from shlex import quote

import polars as pl

from darkroom.errors import ArtifactError, DataError
from darkroom.evaluation.comparison import Comparison, compare_answers, compare_numbers
from darkroom.evaluation.evaluation import Evaluation, open_evaluation
from darkroom.storage import read_manifest
from darkroom.training.run import Run
from darkroom.wording import counted
from darkroom.workspace import Workspace

Named = Evaluation | Run | str | Path  # an evaluation, or a run for its latest one


def compare(
    before: Named, after: Named, *, part: str = "test", workspace: Workspace | None = None
) -> Comparison:
    """Say which of two evaluations of the same images is better, and where.

    Args:
        before: An evaluation or a run, its path or its name; of a run the latest evaluation.
        after: What is held against it.
        part: Of which a run's evaluation is meant.
        workspace: Where names are found.

    Returns:
        The paired difference with its 95 % interval, the images that changed, and every class. An
        image that got no answer counts as wrong. It says which of two networks is better, not
        which of two recipes: another seed gives another network.

    Raises:
        ArtifactError: There is no such evaluation.
        DataError: The two cover different images, or one predicts numbers and the other classes.
    """
    one, other = (find_evaluation(each, part=part, workspace=workspace) for each in (before, after))
    if one.path.resolve() == other.path.resolve():
        raise DataError(
            f"{one.name} was named twice: it is neither better nor worse than itself",
            hint="name two evaluations or runs, as `darkroom runs` lists them",
        )
    answers, names = pair(one, other), (one.name, other.name)
    if other.record.task == "regression":
        return compare_numbers(answers, names, part=other.record.part)
    classes = tuple(dict.fromkeys([*other.record.classes, *one.record.classes]))
    return compare_answers(answers, names, part=other.record.part, classes=classes)


def find_evaluation(
    named: Named, *, part: str = "test", workspace: Workspace | None = None
) -> Evaluation:
    """Open an evaluation by its path or name, or the latest one of a run.

    Raises:
        ArtifactError: There is none, or it is damaged.
    """
    if isinstance(named, Evaluation):
        return named
    path = named.path if isinstance(named, Run) else None
    path = path or (workspace or Workspace()).find(str(named), "evaluation", "run")
    manifest = read_manifest(path)
    if manifest.kind != "run":
        return open_evaluation(path)
    for folder in Workspace(path.parent.parent).children(path, "evaluation"):
        evaluation = open_evaluation(folder)
        if evaluation.record.part == part:
            return evaluation
    raise ArtifactError(
        f"{manifest.name} has not been evaluated on its part {part}",
        hint=f"darkroom evaluate {quote(str(path))} --part {part}",
    )


def pair(before: Evaluation, after: Evaluation) -> pl.DataFrame:
    """Put the answers of two evaluations for the same image into one row.

    Returns:
        The predictions of `before`, and with `_after` behind their names those of `after`; both
        have a column `leaked`.

    Raises:
        DataError: The two cover different images, or one predicts numbers and the other classes.
        ArtifactError: The same images have other names, and a dataset is no longer there.
    """
    tasks = [each.record.task for each in (before, after)]
    if tasks[0] != tasks[1] and "regression" in tasks:
        raise DataError(
            f"{before.name} is {tasks[0]} and {after.name} is {tasks[1]}: a number cannot be held "
            "against a class",
            hint="compare evaluations of one task: darkroom runs",
        )
    one, other = before.predictions, after.predictions
    is_same_content = before.record.part_fingerprint == after.record.part_fingerprint
    if is_same_content and set(one["image"]) != set(other["image"]):
        one = one.with_columns(pl.Series("image", _renamed(before, after), dtype=pl.String))
    return pair_tables(one, other, (before.name, after.name))


def pair_tables(one: pl.DataFrame, other: pl.DataFrame, names: tuple[str, str]) -> pl.DataFrame:
    """Join two tables of predictions by the names of the images, in the order of the second.

    Args:
        one: With a column `image` and one of `labels` or `target`.
        other: The same of other answers.
        names: Of the two, for what is wrong.

    Raises:
        DataError: The images or their labels are not the same.
    """
    for here, there, name in ((one, other, names[0]), (other, one, names[1])):
        only = here.join(there, on="image", how="anti", maintain_order="left")["image"]
        if len(only):
            raise DataError(
                f"{names[0]} and {names[1]} cover different images: "
                f"{counted(len(only), 'is', 'are')} only in {name}, the first is {only[0]}",
                hint="evaluate both runs on the same dataset, split the same way",
            )
    one, other = (
        table if "leaked" in table.columns else table.with_columns(leaked=pl.lit(value=False))
        for table in (one, other)
    )
    joined = other.select("image").join(one, on="image", how="left", maintain_order="left")
    whole = joined.hstack(other.select(pl.all().exclude("image").name.suffix("_after")))
    truth = "labels" if "labels" in one.columns else "target"
    changed = whole.filter(pl.col(truth).ne_missing(pl.col(f"{truth}_after")))
    if len(changed):
        first = changed.row(0, named=True)
        raise DataError(
            f"{counted(len(changed), 'image has', 'images have')} another label in {names[0]} than "
            f"in {names[1]}; the first is {first['image']}, {_told(first[truth])} and "
            f"{_told(first[f'{truth}_after'])}",
            hint="evaluate both runs on the same dataset, with the labels you trust",
        )
    return whole


def _renamed(before: Evaluation, after: Evaluation) -> list[str]:
    """Give the images of `before` the names that those of the same content have in `after`."""
    twins: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, key in zip(after.predictions["image"], _contents(after), strict=True):
        twins[key].append(name)
    return [twins[key].pop(0) for key in _contents(before)]


def _contents(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Name each image by its bytes and its label; several may have both in common."""
    table = evaluation.run.dataset.part(evaluation.record.part)
    digests = dict(table.select("image", "sha256").iter_rows())
    truth = "target" if evaluation.record.task == "regression" else "labels"
    rows = evaluation.predictions.select("image", truth).iter_rows()
    return [(digests[image], str(label)) for image, label in rows]


def _told(truth: object) -> str:
    return (", ".join(truth) or "nothing") if isinstance(truth, list) else str(truth)
