"""Image files for a prediction, from what the user typed."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

from darkroom.data.decode import ENDINGS
from darkroom.data.sources.folder import FolderSource
from darkroom.errors import DataError


def gather_images(patterns: Iterable[str | Path]) -> tuple[list[Path], list[Path]]:
    """Find the image files that files, folders and patterns name, in a steady order.

    Args:
        patterns: A file is taken as it is; of a folder, every file with an image's ending.

    Returns:
        The images, and the other files that a folder held.

    Raises:
        DataError: Something does not exist, or there is no image at all.
    """
    images: dict[Path, None] = {}
    others: list[Path] = []
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            for entry in FolderSource(path).listing().entries:
                inside = path / entry.name
                if entry.name.lower().endswith(ENDINGS):
                    images[inside] = None
                else:
                    others.append(inside)
        elif path.exists():
            images[path] = None
        else:
            matches = sorted(glob.glob(str(pattern), recursive=True))  # noqa: PTH207 - absolute too
            if not matches:
                raise DataError(f"{pattern} does not exist", hint=f"ls {path.parent}")
            images.update((Path(match), None) for match in matches if Path(match).is_file())
    if not images:
        listed = " ".join(str(pattern) for pattern in patterns)
        raise DataError(f"there are no images in {listed}", hint="name a folder with images")
    return list(images), others
