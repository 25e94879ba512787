"""The built-in data sets, written once into the workspace as a zip of real image files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from darkroom.disk import write_file
from darkroom.errors import DataError, ServiceError, nearest
from darkroom.progress import track

if TYPE_CHECKING:
    from jaxtyping import UInt8

PREFIX = "builtin:"

CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip

Labelled = Iterable[tuple[str, "UInt8[np.ndarray, 'height width *channels']"]]


def builtin_archive(name: str, folder: Path, *, archive: Path | None = None) -> Path:
    """Give the archive of a built-in data set, writing it when it is not there yet.

    Args:
        name: `digits` or `cifar10`.
        folder: Where archives are kept.
        archive: A copy the user already has; used as it is.

    Returns:
        The path of a zip, or `archive`.

    Raises:
        DataError: No built-in data set has that name.
        ServiceError: It has to be downloaded and cannot be.
    """
    if name not in BUILTINS:
        raise DataError(
            f"there is no built-in data set `{name}`",
            hint=f"did you mean {nearest(name, BUILTINS)}?",
        )
    if archive is not None:
        return archive
    target = folder / f"{name}.zip"
    if not target.exists():
        count, images = BUILTINS[name]()
        write_file(target, _zipped(track(images, f"writing {name}", count)))
    return target


def _digits() -> tuple[int, Labelled]:
    """Scikit-learn's handwritten digits: 1,797 images, 8 x 8 grey, values 0..16."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    pixels = np.rint(images.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    names = (f"{label}/{row:04d}.png" for row, label in enumerate(labels))
    return len(labels), zip(names, pixels, strict=True)


def _cifar10() -> tuple[int, Labelled]:
    """CIFAR-10 by Keras' own download: 60,000 images, 32 x 32 RGB."""
    from darkroom.backend import keras

    try:
        (train, train_labels), (test, test_labels) = keras.datasets.cifar10.load_data()
    except Exception as failed:
        raise ServiceError(
            f"CIFAR-10 could not be downloaded: {failed}",
            hint="name a copy you have: --set data.archive=cifar10.zip",
        ) from failed
    images = (
        (f"{part}/{CIFAR10_CLASSES[int(label)]}/{row:05d}.png", image)
        for part, pixels, labels in (("train", train, train_labels), ("test", test, test_labels))
        for row, (image, label) in enumerate(zip(pixels, labels.ravel(), strict=True))
    )
    return len(train) + len(test), images


BUILTINS: dict[str, Callable[[], tuple[int, Labelled]]] = {"digits": _digits, "cifar10": _cifar10}


def _zipped(images: Labelled) -> bytes:
    """Write images as PNG into an uncompressed zip, the same bytes every time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, pixels in images:
            png = io.BytesIO()
            Image.fromarray(pixels).save(png, "PNG")
            archive.writestr(zipfile.ZipInfo(name), png.getvalue())
    return buffer.getvalue()
