"""Which images a figure shows, and their pixels: groups of rows, small images, means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from PIL import Image

from darkroom.data.dataset import Dataset
from darkroom.data.decode import decode_image
from darkroom.data.prepared import pixel_rows
from darkroom.data.survey import in_chunks, in_order
from darkroom.errors import DataError, nearest
from darkroom.plots import Picture

if TYPE_CHECKING:
    from jaxtyping import UInt8

_THUMB_PX = 112
_RANGES = 5  # of a regression's target
_AT_ONCE = 1_024  # images whose pixels are summed at a time
UNLABELLED = "unlabelled"


def part_rows(dataset: Dataset, part: str | None) -> pl.DataFrame:
    """Give the index of one part, also of `unsplit`; of all parts when None.

    Raises:
        DataError: There is no such part.
    """
    if part is None:
        return dataset.index
    if part == "unsplit" and part in dataset.counts:
        return dataset.index.filter(pl.col("part").is_null())
    return dataset.part(part)


def class_rows(dataset: Dataset, rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Sort rows of the index by class, in the order of the classes; classes without any fall out.

    An image with several labels stands in each. A regression's images stand in five ranges of
    the target with about as many images each. Images without an answer come last, as
    `unlabelled`.
    """
    is_known = (
        pl.col("target").is_not_null()
        if dataset.task == "regression"
        else pl.col("labels").list.len().fill_null(0) > 0
    )
    known = rows.filter(is_known)
    groups: dict[str, pl.DataFrame] = {}
    if dataset.task == "regression":
        for place in np.array_split(known["target"].arg_sort().to_numpy(), _RANGES):
            of = known[place]
            if len(of):
                low, high = (float(of["target"][end]) for end in (0, -1))
                groups[f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"] = of.sort(
                    "image"
                )
    else:
        exploded = known.with_columns(pl.col("labels").alias("label")).explode("label")
        by_label = exploded.partition_by("label", as_dict=True, include_key=False)
        for label, name in enumerate(dataset.classes):
            if (label,) in by_label:
                groups[name] = by_label[label,]
    rest = rows.filter(~is_known)
    return groups | ({UNLABELLED: rest} if len(rest) else {})


def class_names(dataset: Dataset, rows: pl.DataFrame) -> list[str]:
    """As `label_names`, but a regression's images have the ranges of `class_rows`."""
    if dataset.task != "regression":
        return label_names(dataset, rows)
    of_each = {
        image: name for name, group in class_rows(dataset, rows).items() for image in group["image"]
    }
    return [of_each[image] for image in rows["image"]]


def class_counts(dataset: Dataset) -> dict[str, list[int]]:
    """Count the images of every class in each part; the part `unlabelled` has none to count."""
    by_class = dataset.index.explode("labels").group_by("part", "labels").len()
    counts = {(part, label): count for part, label, count in by_class.iter_rows()}
    labels = range(len(dataset.classes))
    return {
        part: [counts.get((None if part == "unsplit" else part, label), 0) for label in labels]
        for part in dataset.counts
        if part != UNLABELLED
    }


def label_names(dataset: Dataset, rows: pl.DataFrame) -> list[str]:
    """Write the answer of each row as one word: `cat`, `cat | dog`, `0.7` or `unlabelled`."""
    if dataset.task == "regression":
        return [UNLABELLED if value is None else f"{value:g}" for value in rows["target"]]
    return [
        " | ".join(dataset.classes[label] for label in labels) if labels else UNLABELLED
        for labels in rows["labels"].to_list()
    ]


def spread_evenly(rows: pl.DataFrame, count: int) -> pl.DataFrame:
    """Take rows at even distances: neighbours in a folder are often of one scene."""
    if len(rows) <= count:
        return rows
    return rows[np.linspace(0, len(rows) - 1, count).round().astype(np.int64)]


def fewer_groups(groups: Mapping[str, pl.DataFrame], most: int) -> dict[str, pl.DataFrame]:
    """Take groups at even distances when there are too many."""
    names = list(groups)
    if len(names) > most:
        places = np.linspace(0, len(names) - 1, most).round().astype(np.int64)
        names = [names[place] for place in places.tolist()]
    return {name: groups[name] for name in names}


def small_images(
    dataset: Dataset, rows: pl.DataFrame, longest_px: int
) -> Iterator[UInt8[np.ndarray, "height width channels"]]:
    """Read images and make large ones small; none is distorted or enlarged.

    Args:
        dataset: Where they are from.
        rows: Rows of its index.
        longest_px: The longer side, at most.

    Raises:
        DataError: An image is gone or changed since the dataset was opened.
    """
    source = dataset.source()
    table = rows.select("image", "sha256", "height", "width")

    def reads() -> Iterator[tuple[tuple[bytes, int, int], int]]:
        for name, sha256, height, width in table.iter_rows():
            data = dataset.checked(name, source.read(name), sha256)
            yield (data, height, width), len(data)

    def shrink(
        chunk: Sequence[tuple[bytes, int, int]],
    ) -> list[UInt8[np.ndarray, "height width channels"]]:
        return [_small(data, height, width, longest_px) for data, height, width in chunk]

    for chunk in in_order(shrink, in_chunks(reads()), total=len(table)):
        yield from chunk


def image_row(dataset: Dataset, image: str) -> pl.DataFrame:
    """Give the index's one row of an image.

    Raises:
        DataError: There is no such image; the nearest name is offered.
    """
    row = dataset.index.filter(pl.col("image") == image)
    if not len(row):
        raise DataError(
            f"{dataset.name} has no image `{image}`",
            hint=f"name {nearest(image, dataset.index['image'])}",
        )
    return row


def pictures_of(dataset: Dataset, rows: pl.DataFrame) -> list[Picture]:
    """Read images as a sheet shows them, 112 px long, which is twice the side shown.

    Raises:
        DataError: An image is gone or changed since the dataset was opened.
    """
    small = small_images(dataset, rows, _THUMB_PX)
    return [Picture(pixels=of, name=name) for name, of in zip(rows["image"], small, strict=True)]


def mean_image(dataset: Dataset, rows: pl.DataFrame) -> UInt8[np.ndarray, "height width channels"]:
    """Average images, each at the size of the dataset's default Preprocess.

    Args:
        dataset: Where they are from.
        rows: At least one row of its index.

    Raises:
        DataError: An image changed since the dataset was opened.
        ArtifactError: The disk is full.
    """
    pixels, places = pixel_rows(dataset, rows, dataset.default_preprocess())
    total = np.zeros(pixels.shape[1:], np.int64)
    for start in range(0, len(places), _AT_ONCE):
        total += pixels[places[start : start + _AT_ONCE]].sum(axis=0, dtype=np.int64)
    return np.round(total / len(places)).astype(np.uint8)


def _small(
    data: bytes, height: int, width: int, longest_px: int
) -> UInt8[np.ndarray, "height width channels"]:
    scale = min(longest_px / max(height, width), 1.0)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    pixels = decode_image(data, least=(size[1], size[0]))
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    flat = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
    # A reduction by whole blocks first: the rest costs next to nothing.
    small = Image.fromarray(flat).resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    return np.asarray(small).reshape(size[1], size[0], pixels.shape[2])
