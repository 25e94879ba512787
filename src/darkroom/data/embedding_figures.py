"""Figures of what an embedding says of a dataset: a map of it, the neighbours of an image."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.embedding import Embedding, fair_sample
from darkroom.data.neighbours import find_clusters, flat_map
from darkroom.data.showing import class_names, image_row, label_names, pictures_of
from darkroom.errors import DataError
from darkroom.plots import Figure, Picture, embedding_map, picture_sheet

_ON_MAP = 1_500  # images; the layout takes some seconds


def draw_map(
    dataset: Dataset, embedding: Embedding, by: Literal["class", "cluster", "part"]
) -> Figure:
    """Draw what `dataset.plot.map` shows."""
    rows = _rows_of(dataset, embedding)
    classes = class_names(dataset, rows)
    if by == "cluster":
        groups = [f"cluster {number + 1}" for number in find_clusters(embedding).of_each]
    else:
        groups = classes if by == "class" else rows["part"].fill_null("unsplit").to_list()
    chosen = fair_sample(np.unique(classes, return_inverse=True)[1], _ON_MAP)
    sample = Embedding(
        images=tuple(embedding.images[place] for place in chosen),
        vectors=embedding.vectors[chosen],
        made_by=embedding.made_by,
    )
    title = f"Images alike in {embedding.made_by} stand near each other"
    if len(chosen) < len(rows):
        title += f" · {len(chosen):,} of {len(rows):,}"
    return embedding_map(
        flat_map(sample), sample.images, [groups[place] for place in chosen], by=by, title=title
    )


def draw_neighbours(dataset: Dataset, image: str, embedding: Embedding, images: int) -> Figure:
    """Draw what `dataset.plot.neighbours` shows."""
    row = image_row(dataset, image)
    if image not in embedding.images:
        raise DataError(
            f"{image} is not in the embedding, which holds a sample of "
            f"{len(embedding.images):,} images",
            hint=f"name one that is, for example {embedding.images[0]}",
        )
    at = embedding.images.index(image)
    distances = np.linalg.norm(embedding.vectors - embedding.vectors[at], axis=1)
    order = [place for place in np.argsort(distances, kind="stable").tolist() if place != at]
    near = _rows_of(dataset, embedding)[order[:images]]
    labels = label_names(dataset, near)
    captions = [
        f"{distances[place]:.2f} · {label}" for label, place in zip(labels, order, strict=False)
    ]
    sheet = {
        f"{image} · {label_names(dataset, row)[0]}": pictures_of(dataset, row),
        "The nearest, with their distance": [
            Picture(pixels=picture.pixels, name=picture.name, caption=caption)
            for picture, caption in zip(pictures_of(dataset, near), captions, strict=True)
        ],
    }
    return picture_sheet(sheet, title=f"Alike in {embedding.made_by}", side=84)


def _rows_of(dataset: Dataset, embedding: Embedding) -> pl.DataFrame:
    """Give the rows of an embedding's images, in its order."""
    names = pl.DataFrame({"image": list(embedding.images)})
    rows = names.join(dataset.index, on="image", how="left", maintain_order="left")
    strange = rows.filter(pl.col("sha256").is_null())
    if len(strange):
        raise DataError(
            f"the embedding holds {strange['image'][0]}, which {dataset.name} does not",
            hint="make it of this dataset",
        )
    return rows
