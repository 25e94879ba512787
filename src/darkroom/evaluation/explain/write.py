"""Write explanations to a folder: pictures, maps, a record, and a page that opens offline."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from darkroom.disk import appear, disk_errors, staging_folder, sync_folder, write_file
from darkroom.evaluation.explain.explanations import PAGE, RECORD, Explanations
from darkroom.evaluation.explain.gallery import Asking, Gallery, make_gallery
from darkroom.evaluation.explain.page import render
from darkroom.records import to_json


def write_explanations(folder: Path, asking: Asking) -> Explanations:
    """Explain images and write all that comes out; the folder appears whole or not at all.

    Args:
        folder: Must not exist yet; that is seen to before anything is computed.
        asking: What to explain.

    Raises:
        ArtifactError: The folder exists already, or the disk is full or refuses.
    """
    with staging_folder(folder) as staging:
        fill_folder(staging, make_gallery(asking))
        appear(staging, folder)
    return Explanations(folder)


def fill_folder(folder: Path, gallery: Gallery) -> None:
    """Write a gallery into a folder.

    Raises:
        ArtifactError: The disk is full or refuses.
    """
    for name, image in gallery.pictures.items():
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        write_file(folder / name, buffer.getvalue())
    for maps in gallery.outcome.maps:
        buffer = io.BytesIO()
        np.save(buffer, maps.heat)
        write_file(folder / f"{maps.method}.npy", buffer.getvalue())
    write_file(folder / RECORD, to_json(gallery.record))
    write_file(folder / PAGE, render(gallery.record, gallery.pictures).encode())
    with disk_errors(folder):
        sync_folder(folder)
