"""An export as Parquet files with the image bytes in them, as Hugging Face and others read them."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.exports import (
    Exported,
    exported_rows,
    in_shards,
    put_file,
    read_images,
    refuse_ambiguous,
)
from darkroom.decision import Task

_SHARD_BYTES = 64 * 1024 * 1024  # of images in one file, which is put together in memory
_ROW_GROUP = 256  # images that a reader has to load for one of them
_IMAGE = pl.Struct({"bytes": pl.Binary, "path": pl.String})
_ANSWERS: dict[Task, tuple[str, pl.DataType]] = {
    "single-label": ("label", pl.String()),
    "multi-label": ("labels", pl.List(pl.String)),
    "regression": ("value", pl.Float64()),
}


def write_parquet(dataset: Dataset, rows: pl.DataFrame, folder: Path) -> None:
    """Write each part as `train-00000-of-00002.parquet` and so on.

    A row holds `image` (`bytes`, and the image's name as `path`); `label`, `labels` or `value`
    after the task; and `group` where groups are known. Labels are names, which every reader
    understands: class numbers with their names beside them would need Arrow's own metadata, which
    polars does not write.

    Args:
        dataset: Where the images are from.
        rows: Rows of its index.
        folder: Empty.

    Raises:
        DataError: An image changed since the dataset was opened, or a class's name would be
            misread.
        ArtifactError: The disk is full or refuses.
    """
    refuse_ambiguous(dataset, hint="dataset.export(target, format='webdataset')")
    images = exported_rows(dataset, rows)
    answer, kind = _ANSWERS[dataset.task]
    schema: dict[str, pl.DataType] = {"image": _IMAGE, answer: kind}
    if any(image.group is not None for image in images):
        schema["group"] = pl.String()
    read = read_images(dataset, images)
    for part, shards in in_shards(images, _SHARD_BYTES).items():
        for number, shard in enumerate(shards):
            table = pl.DataFrame(
                [_row(image, data) for image, (_, data) in zip(shard, read, strict=False)],
                schema=schema,
            )
            buffer = io.BytesIO()
            table.write_parquet(buffer, row_group_size=_ROW_GROUP)
            name = f"{part}-{number:05d}-of-{len(shards):05d}.parquet"
            put_file(folder / name, buffer.getbuffer())
    read.close()


def _row(image: Exported, data: bytes) -> dict[str, object]:
    return {
        "image": {"bytes": data, "path": image.name},
        "label": image.labels[0] if image.labels else None,
        "labels": image.labels,
        "value": image.value,
        "group": image.group,
    }
