"""Images of no known class, prepared as a run's own: what it should not answer for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from darkroom.data.dataset import Dataset
from darkroom.data.decode import ENDINGS
from darkroom.data.opening import open_dataset
from darkroom.data.pixels import Images
from darkroom.data.prepared import pixel_rows
from darkroom.data.preprocess import Preprocess
from darkroom.data.sources.gather import gather_images
from darkroom.errors import DataError
from darkroom.evaluation.explain.choosing import read_picked
from darkroom.training.run import Run


def prepare_strangers(run: Run, source: Dataset | str | Path) -> tuple[str, Images]:
    """Prepare images of no known class as the run's own were, whatever part they are in.

    Args:
        run: Whose Preprocess is taken.
        source: What `open_dataset` opens, or a plain folder of images.

    Returns:
        A name for them, and the images with targets of nothing.

    Raises:
        DataError: There are none, or one is not readable.
    """
    if not isinstance(source, Dataset) and _is_flat(Path(source)):
        name, pixels = Path(source).resolve().name, _prepared(Path(source), run.record.preprocess)
        rows = np.arange(len(pixels))
    else:
        dataset = source
        if not isinstance(dataset, Dataset):
            dataset = open_dataset(dataset, workspace=run.workspace)
        name = dataset.name
        pixels, rows = pixel_rows(dataset, dataset.index, run.record.preprocess)
    nothing = np.zeros(len(rows), np.uint64)
    targets = np.zeros((len(rows), len(run.record.classes)), np.float32)
    return name, Images(pixels=pixels, rows=rows, targets=targets, identities=nothing)


def _is_flat(folder: Path) -> bool:
    """Tell a folder of images without folders in it: nobody sorts what is of no class."""
    if not folder.is_dir():
        return False
    inside = list(folder.iterdir())
    return not any(item.is_dir() for item in inside) and any(
        item.name.lower().endswith(ENDINGS) for item in inside
    )


def _prepared(folder: Path, preprocess: Preprocess) -> np.ndarray:
    found = gather_images([folder])
    if found.skipped:
        first = found.skipped[0]
        raise DataError(f"{first.name} cannot be taken: {first.reason}", hint="take it out")
    return np.stack([read_picked(path, preprocess).pixels for path in found.images])
