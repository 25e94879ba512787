"""The same image under different labels: at least one of them is wrong."""

from __future__ import annotations

import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.near_duplicates import near_duplicates
from darkroom.data.sources import TWICE_OTHERWISE
from darkroom.findings import Finding
from darkroom.wording import counted

_CONTRADICTIONS = [f"{TWICE_OTHERWISE}{answer}" for answer in ("label", "target")]


def conflicting_labels(dataset: Dataset) -> list[Finding]:
    """Name the images that stand under several labels.

    Identical files and rows of a table that contradict each other are an error, near-duplicates
    a warning: two classes may show up in nearly the same picture.
    """
    return [*_identical(dataset), *_rows(dataset), *_alike(dataset)]


def _identical(dataset: Dataset) -> list[Finding]:
    answer = "target" if dataset.task == "regression" else "labels"
    torn = (
        dataset.index.drop_nulls(answer)
        .group_by("sha256")
        .agg(pl.col("image", answer).sort_by("image"), pl.col(answer).n_unique().alias("answers"))
        .filter(pl.col("answers") > 1)
        .sort(pl.col("image").list.first())
    )
    if torn.is_empty():
        return []
    images, answers = torn["image"][0].to_list(), torn[answer][0].to_list()
    other = next(number for number, said in enumerate(answers) if said != answers[0])
    return [
        Finding(
            name="conflicting-labels",
            severity="error",
            what=(
                f"{counted(len(torn), 'image stands', 'images stand')} under different labels, "
                f"byte for byte; {images[0]} is {_named(dataset, answers[0])}, "
                f"{images[other]} {_named(dataset, answers[other])}"
            ),
            where=tuple(torn["image"].explode()),
            next_step="keep the copy whose label is right, remove the others",
        )
    ]


def _rows(dataset: Dataset) -> list[Finding]:
    bad = dataset.skipped.filter(pl.col("reason").is_in(_CONTRADICTIONS))["name"]
    if bad.is_empty():
        return []
    return [
        Finding(
            name="conflicting-labels",
            severity="error",
            what=(
                f"{counted(len(bad), 'row contradicts', 'rows contradict')} the label that the "
                f"table gave the same image before; the first is of {bad[0]}"
            ),
            where=tuple(bad.unique(maintain_order=True)),
            next_step="keep one row of each image",
        )
    ]


def _alike(dataset: Dataset) -> list[Finding]:
    if dataset.task == "regression":
        return []  # nearly the same image may well have nearly the same target
    pairs = near_duplicates(dataset).pairs.sort("likeness", descending=True)
    said = dict(dataset.index.select("image", "labels").drop_nulls().iter_rows())
    torn = [
        (image, other)
        for image, other in pairs.select("image", "other").iter_rows()
        if image in said and other in said and said[image] != said[other]
    ]
    if not torn:
        return []
    one, other = torn[0]
    return [
        Finding(
            name="conflicting-labels",
            severity="warning",
            what=(
                f"{counted(len(torn), 'pair', 'pairs')} of near-duplicates under different labels; "
                f"{one} is {_named(dataset, said[one])}, "
                f"{other} {_named(dataset, said[other])}"
            ),
            where=tuple(dict.fromkeys(image for pair in torn for image in pair)),
            next_step="look at both and mend the label that is wrong",
        )
    ]


def _named(dataset: Dataset, answer: float | list[int]) -> str:
    if not isinstance(answer, list):
        return f"{answer:g}"
    return " and ".join(dataset.classes[label] for label in answer) or "without a class"
