"""`dataset.plot`: gathers the numbers and pictures that the figures of a dataset are made of."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.embedding import Embedding, simple_embedding
from darkroom.data.embedding_figures import draw_map, draw_neighbours
from darkroom.data.image_figures import draw_channels, draw_rescaled, draw_rgb_bgr
from darkroom.data.measures import MEASURES, measure_images
from darkroom.data.showing import (
    class_counts,
    class_rows,
    fewer_groups,
    mean_image,
    part_rows,
    pictures_of,
    spread_evenly,
)
from darkroom.errors import DataError, nearest
from darkroom.plots import (
    Figure,
    Picture,
    class_balance,
    measure_histogram,
    measure_ranges,
    picture_sheet,
    size_map,
)
from darkroom.wording import counted

if TYPE_CHECKING:
    from jaxtyping import Float

_EACH, _OF_ONE = 8, 48  # pictures of each class, and of the only one
_MOST_PICTURES = 480  # on one sheet


class DatasetPlots:
    """Figures of one dataset: `dataset.plot`.

    Args:
        dataset: Split or not.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def contact_sheet(
        self, label: str | None = None, *, part: str | None = None, images: int | None = None
    ) -> Figure:
        """Show some images of each class, or many of one.

        They are spread evenly over the class in the order of their names. A regression's images
        stand in five ranges of the target.

        Args:
            label: Only this class.
            part: Only this part.
            images: How many of each class; 8, or 48 of one. A sheet holds 480 at most, so of
                many classes fewer are shown, and the title says so.

        Raises:
            DataError: There is no such class or part, or an image changed since the dataset was
                opened.
        """
        groups = class_rows(self._dataset, part_rows(self._dataset, part))
        if label is not None:
            if label not in groups:
                raise DataError(
                    f"{self._dataset.name} has no images of `{label}`"
                    + (f" in the part `{part}`" if part else ""),
                    hint=f"name {nearest(label, groups)}",
                )
            groups = {label: groups[label]}
        wanted = images or (_EACH if label is None else _OF_ONE)
        shown = fewer_groups(groups, _MOST_PICTURES)
        each = max(min(wanted, _MOST_PICTURES // max(len(shown), 1)), 1)
        chosen = {name: spread_evenly(rows, each) for name, rows in shown.items()}
        pictures = iter(pictures_of(self._dataset, pl.concat(chosen.values())))
        sheet = {
            "" if name == label else name: list(itertools.islice(pictures, len(rows)))
            for name, rows in chosen.items()
        }
        title = _sheet_title(chosen, groups, label)
        return picture_sheet(sheet, title=f"{title} · part {part}" if part else title)

    def class_balance(self) -> Figure:
        """Show how many images each class has in each part.

        Raises:
            DataError: The dataset is a regression and has no classes.
        """
        dataset = self._dataset
        if not dataset.classes:
            raise DataError(
                f"{dataset.name} is {dataset.task}: it has no classes",
                hint="dataset.plot.measure('target') shows how the target is spread",
            )
        return class_balance(class_counts(dataset), dataset.classes)

    def sizes(self) -> Figure:
        """Show which sizes the images have."""
        index = self._dataset.index
        return size_map(index["width"].to_numpy(), index["height"].to_numpy())

    def brightness(self, *, by: Literal["part", "class"] = "part") -> Figure:
        """Show how bright the images are: `measure("brightness")`."""
        return self.measure("brightness", by=by)

    def measure(self, name: str, *, by: Literal["part", "class"] = "part") -> Figure:
        """Show how a measure is spread over the parts, or where it lies in each class.

        Args:
            name: A column of `measure_images`, for example `contrast` or `sharpness`, or
                `target` of a regression.
            by: What is compared; the classes of a regression are five ranges of its target.

        Raises:
            DataError: There is no such measure, or an image changed since the dataset was opened.
        """
        dataset = self._dataset
        names = [*MEASURES, *(["target"] if dataset.task == "regression" else [])]
        if name not in names:
            raise DataError(f"`{name}` is no measure", hint=f"name {nearest(name, names)}")
        values = dataset.index["target"] if name == "target" else measure_images(dataset)[name]
        table = dataset.index.with_columns(values.alias("value"))
        if by == "part":
            parts = {
                part: table.filter(pl.col("part").eq_missing(None if part == "unsplit" else part))
                for part in dataset.counts
            }
            return measure_histogram({part: _values(of) for part, of in parts.items()}, what=name)
        of_class = {group: _values(rows) for group, rows in class_rows(dataset, table).items()}
        return measure_ranges(of_class, what=name)

    def mean_images(self, *, part: str | None = None) -> Figure:
        """Show the average of each class's images.

        A sharp mean image is a warning: something stands at the same place in every image.

        Args:
            part: Only this part; all images when there is none.

        Raises:
            DataError: There is no such part, or an image changed since the dataset was opened.
        """
        groups = class_rows(self._dataset, part_rows(self._dataset, part))
        shown = fewer_groups(groups, _MOST_PICTURES)
        means = {
            name: [
                Picture(
                    pixels=mean_image(self._dataset, rows),
                    name=f"mean of {counted(len(rows), 'image', 'images')}",
                )
            ]
            for name, rows in shown.items()
        }
        title = "Mean image of each class"
        if len(shown) < len(groups):
            title = f"Mean image of {len(shown):,} of {len(groups):,} classes"
        return picture_sheet(means, title=title, side=92)

    def map(
        self,
        embedding: Embedding | None = None,
        *,
        by: Literal["class", "cluster", "part"] = "class",
    ) -> Figure:
        """Lay images out so that those that are alike stand near each other.

        Of more than 1,500 images a sample is drawn in which no class is lost; the title says so.

        Args:
            embedding: What likeness is measured on; colours and gradients when there is none.
            by: What the colours mean.

        Raises:
            DataError: The embedding is of other images, or one changed since the dataset was
                opened.
        """
        return draw_map(self._dataset, self._embedding(embedding), by)

    def neighbours(
        self, image: str, embedding: Embedding | None = None, *, images: int = 8
    ) -> Figure:
        """Show the images that are most like one.

        Args:
            image: Its name.
            embedding: What likeness is measured on; colours and gradients when there is none.
            images: How many to show.

        Raises:
            DataError: There is no such image, or one changed since the dataset was opened.
        """
        return draw_neighbours(self._dataset, image, self._embedding(embedding), images)

    def channels(self, image: str) -> Figure:
        """Show an image's red, green and blue alone, in colour and as brightness.

        Args:
            image: Its name.

        Raises:
            DataError: There is no such image, it is grey, or it changed since the dataset was
                opened.
        """
        return draw_channels(self._dataset, image)

    def rgb_bgr(self, image: str) -> Figure:
        """Show an image beside what it becomes when red and blue are taken for each other.

        Args:
            image: Its name.

        Raises:
            DataError: There is no such image, it is grey, or it changed since the dataset was
                opened.
        """
        return draw_rgb_bgr(self._dataset, image)

    def rescaled(self, image: str) -> Figure:
        """Show the values of an image's pixels in 0..1, in -1..1, and standardised.

        Standardising uses the mean and the spread of the training part and of nothing else.

        Args:
            image: Its name.

        Raises:
            DataError: There is no such image or no training part, or an image changed since the
                dataset was opened.
            RecipeError: A channel has the same value in all of the training part.
        """
        return draw_rescaled(self._dataset, image)

    def _embedding(self, embedding: Embedding | None) -> Embedding:
        return simple_embedding(self._dataset) if embedding is None else embedding


def _values(rows: pl.DataFrame) -> Float[np.ndarray, "images"]:
    return rows["value"].cast(pl.Float64).fill_null(np.nan).to_numpy()


def _sheet_title(
    chosen: Mapping[str, pl.DataFrame], groups: Mapping[str, pl.DataFrame], label: str | None
) -> str:
    """Say how much of the whole a contact sheet shows."""
    each = max(map(len, chosen.values()), default=0)
    if label is not None:
        of = len(groups[label])
        some = f"{each:,} of " if each < of else ""
        return f"{some}{counted(of, 'image', 'images')} of {label}"
    number = counted(each, "image", "images")
    if any(len(rows) < each for rows in chosen.values()):
        number = f"Up to {number}"
    every = counted(len(groups), "class", "classes")
    classes = f"{len(chosen):,} of {every}" if len(chosen) < len(groups) else every
    return f"{number} of each of {classes}"
