"""The trunk of a pretrained MobileNetV2 turns images into an Embedding; nothing is downloaded."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from darkroom.data.cache import Appender, RowCache
from darkroom.data.dataset import Dataset
from darkroom.data.decode import DECODER
from darkroom.data.embedding import Embedding, class_of_each, embedding_of, fair_sample
from darkroom.data.prepared import prepared_images
from darkroom.data.preprocess import Preprocess, pixel_key, scale_pixels
from darkroom.disk import file_sha256
from darkroom.errors import ArtifactError

if TYPE_CHECKING:
    from darkroom.backend import keras

_INPUT = Preprocess(height=160, width=160, channels=3, scaling="signed")
_FEATURES = 1280  # of the widths up to 1.0; wider ones have more
_BATCH = 64
_LIMIT = 6_000  # images; less than a minute on two cores
_WIDTHS = ("0.35", "0.5", "0.75", "1.0", "1.3", "1.4")
_KEPT_BY_KERAS = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"


def find_trunk_weights() -> Path | None:
    """Look for ImageNet weights that Keras has downloaded before, for whatever purpose."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    path = home / "models" / _KEPT_BY_KERAS
    return path if path.is_file() else None


def trunk_embedding(
    dataset: Dataset, *, weights: Path | None = None, limit: int = _LIMIT
) -> Embedding:
    """Describe each image by what a network sees that was trained on ImageNet.

    Features are kept, so a second call costs nothing.

    Args:
        dataset: Its images are squashed to 160 x 160 px.
        weights: Of MobileNetV2 without its top, as Keras names and writes them; a width other
            than 1.0 is read from the name. Without a file, the one that Keras has downloaded.
        limit: Of more images, this many are taken at random, the same number of every class or
            all it has.

    Raises:
        ArtifactError: There are no weights, or they are of another network.
        DataError: There is no image, or one changed since the dataset was opened.

    Source: Sandler et al. 2018, arXiv:1801.04381.
    """
    path = weights or find_trunk_weights()
    if path is None or not path.is_file():
        raise ArtifactError(
            f"{path} is no file" if path else "Keras has kept no weights of MobileNetV2",
            hint='download once: python -c "import keras; '
            'keras.applications.MobileNetV2(include_top=False)"',
        )
    chosen = fair_sample(class_of_each(dataset), limit)
    table = dataset.index[chosen]
    width = _width(path)
    cache = RowCache(
        dataset.workspace.cache / "features",
        f"mobilenet_v2 {width} {file_sha256(path)} {pixel_key(_INPUT)} {DECODER}",
        (int(_FEATURES * max(width, 1.0)),),
        np.float32,
    )
    digests = [bytes.fromhex(digest) for digest in table["sha256"]]
    missing = table.filter(pl.Series(cache.rows(digests) < 0, dtype=pl.Boolean))
    if len(missing):
        with cache.appending() as appender:
            _fill(dataset, missing, appender, path)
    features = np.asarray(cache.values()[cache.rows(digests)])
    sample = f" of {len(table):,} of {len(dataset.index):,} images"
    made_by = "MobileNetV2 features" + (sample if len(table) < len(dataset.index) else "")
    return embedding_of(table["image"].to_list(), features, made_by)


def _fill(dataset: Dataset, missing: pl.DataFrame, appender: Appender, path: Path) -> None:
    model = _trunk(path)
    for chunk in prepared_images(dataset, missing, _INPUT):
        for start in range(0, len(chunk), _BATCH):
            some = chunk[start : start + _BATCH]
            # A last batch of another size would be compiled anew: it is filled up, then cut.
            batch = np.zeros((_BATCH, *some[0][1].shape), np.float32)
            batch[: len(some)] = scale_pixels(np.stack([pixels for _, pixels in some]), _INPUT)
            seen = np.asarray(model.predict_on_batch(batch), np.float32)
            appender.add([digest for digest, _ in some], seen[: len(some)])


def _trunk(path: Path) -> keras.Model:
    from darkroom.backend import keras  # seconds to import, and features may all be kept

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        # Of a file that fits only in part, Keras 3.15 loads what fits, with a warning.
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            return keras.applications.MobileNetV2(
                input_shape=(_INPUT.height, _INPUT.width, 3),
                alpha=_width(path),
                include_top=False,
                pooling="avg",
                weights=str(path),
            )
    except (OSError, ValueError, KeyError, UserWarning) as refused:
        raise ArtifactError(
            f"{path} holds no weights of MobileNetV2 without its top: {refused}",
            hint="name a file that Keras wrote for MobileNetV2(include_top=False)",
        ) from refused
    finally:
        keras.config.set_dtype_policy(policy)


def _width(path: Path) -> float:
    """Read the width of the network from the name of the file, 1.0 when it says nothing."""
    named = re.search(rf"_({'|'.join(map(re.escape, _WIDTHS))})_", path.name)
    return float(named[1]) if named else 1.0
