"""What a pretrained trunk sees in images: computed once, then kept, row by row.

A cache that holds all rows is read without importing Keras or building the trunk.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from darkroom.data.cache import RowCache, pixel_cache
from darkroom.data.dataset import Dataset
from darkroom.data.decode import DECODER
from darkroom.data.prepared import prepared_images
from darkroom.data.preprocess import Preprocess, pixel_key, scale_pixels
from darkroom.errors import ArtifactError
from darkroom.models.architecture import Architecture
from darkroom.models.converted import convert_trunk, open_converted
from darkroom.models.trunks import TRUNKS
from darkroom.models.weights import FoundWeights
from darkroom.progress import track_sized

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, UInt8

    from darkroom.backend import keras
    from darkroom.data.cache import Batch
    from darkroom.models.converted import See

    Pixels = UInt8[np.ndarray, "height width channels"]

_BATCH = 32
# MobileNetV2 on two cores: ONNX Runtime takes 5 ms for an image of 224 px and Keras 11, at 160 px 2
# and 4; a conversion takes 2 s.
_WORTH_CONVERTING = 17_000_000  # pixels


def trunk_features(
    dataset: Dataset,
    table: pl.DataFrame,
    preprocess: Preprocess,
    architecture: Architecture,
    found: FoundWeights,
    *,
    trunk: keras.Model | None = None,
) -> Float[np.ndarray, "images features"]:
    """Describe images by what a pretrained trunk sees in them.

    Only what is not kept yet is computed, in float32; Ctrl-C keeps what was.

    Args:
        dataset: Where the images are from.
        table: Rows of its index.
        preprocess: What the images are prepared by.
        architecture: Of the network; what its head answers does not matter here.
        found: The weights of its trunk, as `find_weights` gives them.
        trunk: With these weights in float32, if it is built already; it takes a second.

    Returns:
        A row for each of the table, float32.

    Raises:
        ArtifactError: There are no weights, they do not fit, or the disk is full.
        DataError: An image changed since the dataset was opened.
    """
    if found.pretrained is None:
        raise ArtifactError(
            f"{architecture.name} has no pretrained weights to see with",
            hint="--set transfer.weights=imagenet",
        )
    known, folder = TRUNKS[architecture.name], dataset.workspace.cache / "features"
    made_by = f"{known.name} {known.version} {architecture.width_factor} {found.pretrained.sha256}"
    # Pixels differ with the libraries that decode, features hardly with the one that computes.
    versions = [importlib.metadata.version(library) for library in ("pillow", "simplejpeg")]
    cache = RowCache(
        folder,
        f"{made_by} {pixel_key(preprocess)} {preprocess.scaling} {DECODER} {' '.join(versions)}",
        (known.count_features(architecture.width_factor),),
        np.float32,
    )
    digests = [bytes.fromhex(digest) for digest in table["sha256"]]
    shape = (architecture.height, architecture.width, architecture.channels)
    converted = folder / f"{hashlib.sha256(f'{made_by} {shape}'.encode()).hexdigest()[:16]}.onnx"

    def see(missing: Bool[np.ndarray, "images"]) -> Iterator[Batch]:
        # The other parts will be seen too.
        pixels = dataset.index.height * architecture.height * architecture.width

        def build() -> keras.Model:
            return trunk if trunk is not None else _pretrained_trunk(architecture, found)

        eye = _eye(build, converted, is_worth_it=pixels >= _WORTH_CONVERTING)
        images = _images(dataset, table.filter(pl.Series(missing)), preprocess)
        yield from _see(eye, images, preprocess)

    values, rows = cache.look_up(digests, see)
    return np.asarray(values[rows])


def _eye(build: Callable[[], keras.Model], converted: Path, *, is_worth_it: bool) -> See:
    """Choose what computes: the converted trunk when it is there or worth its conversion."""
    if not converted.is_file():
        trunk = build()
        from darkroom.backend import keras  # by now it is imported

        if not is_worth_it or keras.backend.backend() != "tensorflow":
            return lambda batch: np.asarray(trunk.predict_on_batch(batch), np.float32)
        convert_trunk(trunk, converted)
    return open_converted(converted)


def _images(
    dataset: Dataset, table: pl.DataFrame, preprocess: Preprocess
) -> Iterator[tuple[bytes, Pixels]]:
    """Give each image once: from the cache of pixels if all are there, else from its file."""
    cache = pixel_cache(dataset.workspace.cache / "pixels", preprocess)
    digests = [bytes.fromhex(digest) for digest in table["sha256"].unique(maintain_order=True)]
    rows = cache.rows(digests)
    if (rows < 0).any():
        for chunk in prepared_images(dataset, table, preprocess):
            yield from chunk
        return
    pixels = cache.values()
    sized = ((pair, 1) for pair in zip(digests, rows, strict=True))
    for (digest, row), _ in track_sized(sized, "seeing images", len(digests)):
        yield digest, pixels[row]


def _see(
    eye: See, images: Iterable[tuple[bytes, Pixels]], preprocess: Preprocess
) -> Iterator[Batch]:
    """Compute features batch by batch."""
    digests: list[bytes] = []
    shape = (preprocess.height, preprocess.width, preprocess.channels)
    pixels = np.zeros((_BATCH, *shape), np.uint8)

    def answer() -> Batch:
        # A last batch of another size would be compiled anew: all go in, what is old is cut off.
        return list(digests), eye(scale_pixels(pixels, preprocess))[: len(digests)]

    for digest, prepared in images:
        pixels[len(digests)] = prepared
        digests.append(digest)
        if len(digests) == _BATCH:
            yield answer()
            digests.clear()
    if digests:
        yield answer()


@functools.lru_cache(maxsize=1)  # one part of a dataset is often seen right after another
def _pretrained_trunk(architecture: Architecture, found: FoundWeights) -> keras.Model:
    # Seconds to import, and all features may be kept.
    from darkroom.models.catalog import build_model
    from darkroom.models.transfer import load_trunk_weights, split_network

    state = random.getstate()
    try:
        model = build_model(msgspec.structs.replace(architecture, l2=0.0))
    finally:
        # Keras draws seeds from it: whether features were kept must not change what comes after.
        random.setstate(state)
    load_trunk_weights(model, found)
    return split_network(model)[0]
