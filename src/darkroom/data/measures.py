"""A few numbers per image (light, colour, sharpness) that checks and pages look at.

They are measured once per file and kept beside the prepared pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from darkroom.data.cache import RowCache
from darkroom.data.colour_and_light import COLOUR_AND_LIGHT, measure_colour_and_light
from darkroom.data.dataset import Dataset
from darkroom.data.decode import DECODER, decode_image
from darkroom.data.prepared import in_reading_order, pixel_rows
from darkroom.data.preprocess import pixel_key
from darkroom.data.remembered import once_per_dataset
from darkroom.data.sharpness import LEAST_SIDE, measure_sharpness
from darkroom.data.survey import in_chunks, in_order

if TYPE_CHECKING:
    from jaxtyping import Float32, Int

    from darkroom.data.cache import Batch

MEASURES = (*COLOUR_AND_LIGHT, "sharpness")
_VERSION = 1  # raise it when the same pixels get other measures
_ENOUGH = (256, 256)  # pixels, height and width to decode for the sharpness


class _Todo(msgspec.Struct, frozen=True, kw_only=True):
    """An image that is not measured yet."""

    digest: bytes  # its sha256
    row: int  # of its prepared pixels
    data: bytes | None  # the file; None: it is too small to have a sharpness


@once_per_dataset
def measure_images(dataset: Dataset) -> pl.DataFrame:
    """Measure light, colour and sharpness of every image.

    All but the sharpness is measured on the pixels of the default Preprocess, at most 64 px per
    side; a grey image has the same red, green and blue. What was measured once is kept.

    Args:
        dataset: Split or not.

    Returns:
        One row per image in the order of the index: `image`, and as Float32
        `brightness` (mean luma, 0 black to 1 white),
        `contrast` (standard deviation of the luma, 0..0.5),
        `red`, `green`, `blue` (mean of the channel, 0..1),
        `saturation` (mean of largest less smallest channel, 0..1),
        `entropy` (of the luma's 256 values, 0..8 bits),
        `edges` (mean step between neighbours' luma, 0..1),
        `blue_above` (share of pixels that are clearly coloured with more blue than red, less the
        share of those with more red than blue, -1..1; turned around where channels are exchanged)
        and `sharpness` (0 blurred to 1 sharp; null where the short side is under 64 px).

    Raises:
        DataError: Images that were not measured yet are gone or changed since.
        ArtifactError: The disk is full, or the cache was removed while it was filled.
    """
    cache = measures_cache(dataset)
    digests = [bytes.fromhex(digest) for digest in dataset.index["sha256"]]
    values, rows = cache.look_up(
        digests, lambda missing: _measured(dataset, dataset.index.filter(pl.Series(missing)))
    )
    measured = np.asarray(values[rows])
    columns = {name: measured[:, number] for number, name in enumerate(MEASURES)}
    table = pl.DataFrame({"image": dataset.index["image"]} | columns)
    return table.with_columns(pl.col("sharpness").fill_nan(None))


def measures_cache(dataset: Dataset) -> RowCache:
    """Give the cache of what was measured on a dataset's images: rows in the order of `MEASURES`.

    The sharpness is NaN where it is not known.
    """
    made_by = f"measures {_VERSION} {DECODER} {pixel_key(dataset.default_preprocess())}"
    return RowCache(dataset.workspace.cache / "measures", made_by, (len(MEASURES),), np.float32)


def _measured(dataset: Dataset, missing: pl.DataFrame) -> Iterator[Batch]:
    files = missing.unique("sha256", maintain_order=True)
    if files.select(pl.min_horizontal("height", "width").max() >= LEAST_SIDE).item():
        files = in_reading_order(dataset.source(), files)
    pixels, rows = pixel_rows(dataset, files, dataset.default_preprocess())

    def measure(chunk: Sequence[_Todo]) -> tuple[list[bytes], Float32[np.ndarray, "images m"]]:
        light = measure_colour_and_light(pixels[[todo.row for todo in chunk]])
        sharpness = np.array([_sharpness(todo.data) for todo in chunk], np.float32)
        return [todo.digest for todo in chunk], np.column_stack([light, sharpness])

    chunks = in_chunks(_todos(dataset, files, rows))
    yield from in_order(measure, chunks, total=len(files))


def _sharpness(data: bytes | None) -> float:
    return np.nan if data is None else measure_sharpness(decode_image(data, least=_ENOUGH))


def _todos(
    dataset: Dataset, files: pl.DataFrame, rows: Int[np.ndarray, "images"]
) -> Iterator[tuple[_Todo, int]]:
    """Read only the images that are large enough to have a sharpness."""
    source = None
    columns = ("image", "sha256", "height", "width")
    for row, (name, sha256, *sides) in zip(rows, files.select(columns).iter_rows(), strict=True):
        data = None
        if min(sides) >= LEAST_SIDE:
            source = source or dataset.source()
            data = dataset.checked(name, source.read(name), sha256)
        todo = _Todo(digest=bytes.fromhex(sha256), row=int(row), data=data)
        yield todo, len(data or b"")
