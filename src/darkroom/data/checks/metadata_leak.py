"""Classes that give themselves away: by camera, date, folder, file format or image size."""

from __future__ import annotations

import msgspec
import polars as pl

from darkroom.data.checks.naming import first_few
from darkroom.data.dataset import Dataset
from darkroom.findings import Finding
from darkroom.intervals import Rate, wilson
from darkroom.wording import percent

_COMMON = 0.25  # share of a class, own: rarer values name objects or people, not a way of working
_GAIN = 0.25  # own: share of what the largest class leaves wrong
_TOLD = 0.75  # precision and recall, own: at which one class is given away
_FEW_IMAGES = 20  # own: of a class
_MEND = {
    "camera": "photograph every class with every camera",
    "day": "photograph every class on every day",
    "folder": "fill every folder with every class, or keep folders together: "
    "--set data.group_by=folder",
    "format": "save all images in one format",
    "size": "bring all images to one size the same way",
}


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """How much a value of the metadata tells of the class."""

    right: Rate  # share of the images whose class the value alone tells
    largest: float  # share of the largest class, 0..1
    given_away: tuple[str, ...]  # classes that their value tells, the surest first

    @property
    def is_leak(self) -> bool:
        """Whether it tells clearly more than the sizes of the classes do."""
        gain = (self.right.low or 0.0) - self.largest
        return gain > _GAIN * (1 - self.largest) or bool(self.given_away)


def metadata_leak(dataset: Dataset) -> list[Finding]:
    """Say so when the class can be told from what is no part of the picture.

    For each attribute the class of an image is guessed from the other images with the same value.
    A warning when the lower end of the share guessed right is well above the share of the largest
    class, or when one class is told apart nearly always. A value counts only when it covers a
    quarter of some class: a number for each image, object or person is no leak, but a group.
    """
    if dataset.task != "single-label" or len(dataset.classes) < 2:
        return []
    rows = _attributes(dataset)
    findings = []
    for attribute, mend in _MEND.items():
        told = _told(dataset, rows.select("label", pl.col(attribute).alias("value")))
        if told is None or not told.is_leak:
            continue
        findings.append(
            Finding(
                name="metadata-leak",
                severity="warning",
                what=(
                    f"the {attribute} alone tells the class of {told.right} of the images, where "
                    f"the largest class is {percent(told.largest)}"
                    + (f"; it gives away {first_few(told.given_away)}" if told.given_away else "")
                ),
                where=told.given_away or dataset.classes,
                next_step=f"{mend}, or the network may learn the {attribute} instead",
            )
        )
    return findings


def _attributes(dataset: Dataset) -> pl.DataFrame:
    """Give the class and the metadata of each labelled image, as strings."""
    index = dataset.index.filter(pl.col("labels").list.len() == 1)
    labels = index["labels"].list.first()
    folders = [
        _folder(image, dataset.classes[label])
        for image, label in zip(index["image"], labels, strict=True)
    ]
    size = pl.concat_str(
        [pl.col("width").cast(pl.String), pl.col("height").cast(pl.String)], separator="x"
    )
    return index.select(
        "camera",
        "format",
        pl.col("taken").dt.date().cast(pl.String).alias("day"),
        size.alias("size"),
        pl.Series("folder", folders, dtype=pl.String),
        labels.alias("label"),
    )


def _folder(image: str, name: str) -> str | None:
    """Name the folder below the class's; None: there is none, or it only repeats the class."""
    path = image.split("/")[:-1]
    below = path[path.index(name) + 1 :] if name in path else []
    return "/".join(below) if below and name.casefold() not in below[0].casefold() else None


def _told(dataset: Dataset, rows: pl.DataFrame) -> _Told | None:
    sizes = dict(rows["label"].value_counts().iter_rows())
    if rows["value"].drop_nulls().n_unique() < 2:
        return None
    usual = max(sizes, key=lambda label: (sizes[label], -label))
    counts: dict[str, dict[int, int]] = {}
    for value, label, count in rows.drop_nulls().group_by("value", "label").len().iter_rows():
        counts.setdefault(value, {})[label] = count
    guessed = dict.fromkeys(sizes, 0)  # images per class that were guessed to be of it
    hits = dict.fromkeys(sizes, 0)
    rest = dict(sizes)
    for classes in counts.values():
        if not any(count >= _COMMON * sizes[label] for label, count in classes.items()):
            continue
        for label, count in classes.items():
            guess = _guess(classes, label, usual)
            guessed[guess] += count
            hits[label] += count if guess == label else 0
            rest[label] -= count
    guessed[usual] += sum(rest.values())
    hits[usual] += rest[usual]
    total = len(rows)
    return _Told(
        right=wilson(sum(hits.values()), total),
        largest=sizes[usual] / total,
        given_away=_given_away(dataset, sizes, guessed, hits),
    )


def _guess(classes: dict[int, int], label: int, usual: int) -> int:
    """Guess an image's class from the other images with its value; a tie goes against it."""
    others = {other: count - (other == label) for other, count in classes.items()}
    if not any(others.values()):
        return usual
    return max(others, key=lambda other: (others[other], other != label, -other))


def _given_away(
    dataset: Dataset, sizes: dict[int, int], guessed: dict[int, int], hits: dict[int, int]
) -> tuple[str, ...]:
    """Name the classes that are told apart nearly always, and not only for being the largest."""
    total = sum(sizes.values())
    sure = []
    for label, size in sizes.items():
        recall, precision = wilson(hits[label], size), wilson(hits[label], guessed[label])
        surest = min(recall.low or 0.0, precision.low or 0.0)
        if size >= _FEW_IMAGES and surest > max(_TOLD, size / total + _GAIN * (1 - size / total)):
            sure.append((-surest, dataset.classes[label]))
    return tuple(name for _, name in sorted(sure))
