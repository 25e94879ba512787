"""A pretrained MobileNetV2 turns images into an Embedding; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

from darkroom.data.dataset import Dataset
from darkroom.data.embedding import Embedding, class_of_each, embedding_of, fair_sample
from darkroom.data.preprocess import Preprocess
from darkroom.errors import ArtifactError
from darkroom.models.architecture import Architecture
from darkroom.models.features import trunk_features
from darkroom.models.trunks import TRUNKS
from darkroom.models.weights import find_weights, kept_weights

_TRUNK = TRUNKS["mobilenet_v2"]
_LIMIT = 6_000  # images; less than a minute on two cores


def find_trunk_weights() -> Path | None:
    """Look for ImageNet weights that Keras has downloaded before, for whatever purpose."""
    return kept_weights(_TRUNK.name)


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
    found = find_weights(_TRUNK.name, str(path))
    preprocess = Preprocess(height=_TRUNK.px, width=_TRUNK.px, channels=3, scaling="signed")
    architecture = Architecture(
        name=_TRUNK.name,
        version=_TRUNK.version,
        height=preprocess.height,
        width=preprocess.width,
        channels=preprocess.channels,
        classes=1,
        task="regression",
        width_factor=found.width,
    )
    chosen = fair_sample(class_of_each(dataset), limit)
    table = dataset.index[chosen]
    features = trunk_features(dataset, table, preprocess, architecture, found)
    sample = f" of {len(table):,} of {len(dataset.index):,} images"
    made_by = "MobileNetV2 features" + (sample if len(table) < len(dataset.index) else "")
    return embedding_of(table["image"].to_list(), features, made_by)
