"""What the page shows of a dataset's make-up: groups of images, and a few facts."""

from __future__ import annotations

import msgspec
import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.showing import class_rows, mean_image
from darkroom.data.thumbnails import thumbnail
from darkroom.wording import counted

_PICTURES = 360  # on all contact sheets together
_FEWEST, _MOST = 4, 24  # pictures of one group
_GROUPS = 90
_MEAN_OF = 1_000  # images


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """One class, or another share of the images, as the page shows it."""

    name: str
    size: int  # images
    parts: tuple[tuple[str, int], ...]  # part and its images; empty when there are no parts
    mean: str  # the mean image as a data URI
    images: tuple[str, ...]  # a sample, drawn at random


def groups_of(dataset: Dataset, *, seed: int = 0) -> tuple[Group, ...]:
    """Give the classes (five ranges of the target for a regression) with a fair number of pictures.

    Of more than 90, the 45 largest and the 45 smallest; `dataset.classes` tells how many.

    Args:
        dataset: With images.
        seed: For the samples.
    """
    named = list(class_rows(dataset, dataset.index).items())
    if len(named) > _GROUPS:
        by_size = sorted(named, key=lambda pair: -len(pair[1]))
        named = by_size[: _GROUPS // 2] + by_size[-_GROUPS // 2 :]
    each = min(max(_PICTURES // max(len(named), 1), _FEWEST), _MOST)
    return tuple(
        Group(
            name=name,
            size=len(rows),
            parts=_parts(rows),
            mean=_mean(dataset, rows, seed),
            images=tuple(rows.sample(min(len(rows), each), seed=seed)["image"].sort()),
        )
        for name, rows in named
    )


def describe_index(dataset: Dataset) -> dict[str, str]:
    """Put what the index says of all images into a few facts, by their headings."""
    index = dataset.index
    if index.is_empty():
        return {}
    formats = index["format"].fill_null("").replace("", "unknown").value_counts(sort=True)
    sides = index.select(
        pl.min("width").alias("narrow"),
        pl.max("width").alias("wide"),
        pl.min("height").alias("low"),
        pl.max("height").alias("high"),
    ).row(0, named=True)
    wide = _span(sides["narrow"], sides["wide"])
    high = _span(sides["low"], sides["high"])
    grey = int((index["channels"] == 1).sum())
    facts = {
        "Task": dataset.task,
        "Size": f"{wide} × {high} px",
        "Format": " · ".join(f"{name} {count:,}" for name, count in formats.iter_rows()),
        "Colour": "all grey"
        if grey == len(index)
        else f"colour, {grey:,} grey"
        if grey
        else "all in colour",
        "On the disk": _megabytes(int(index["size_bytes"].sum())),
    }
    days = index["taken"].drop_nulls().dt.strftime("%Y-%m-%d").sort()
    if len(days):
        facts["Taken"] = f"{days[0]} .. {days[-1]}"
    cameras = index["camera"].drop_nulls()
    if len(cameras):
        facts["Cameras"] = counted(cameras.n_unique(), "camera", "cameras")
    return facts


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:,.1f} kB"


def _span(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} .. {high:,}"


def _parts(rows: pl.DataFrame) -> tuple[tuple[str, int], ...]:
    counts = dict(rows.drop_nulls("part").group_by("part").len().iter_rows())
    order = ("train", "valid", "test", "unlabelled")
    return tuple((part, counts[part]) for part in order if part in counts)


def _mean(dataset: Dataset, rows: pl.DataFrame, seed: int) -> str:
    some = rows.sample(min(len(rows), _MEAN_OF), seed=seed)
    return thumbnail(mean_image(dataset, some))
