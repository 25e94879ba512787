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
        DataError: Something does not exist or cannot be read, or there is no image at all.
    """
    images: dict[Path, None] = {}
    others: list[Path] = []
    for pattern in patterns:
        try:
            found, beside = _named_by(pattern)
        except OSError as refused:
            raise DataError(
                f"{pattern} cannot be read: {refused.strerror}", hint=f"ls -ld {refused.filename}"
            ) from refused
        images.update(dict.fromkeys(found))
        others.extend(beside)
    if not images:
        listed = " ".join(str(pattern) for pattern in patterns)
        raise DataError(f"there are no images in {listed}", hint="name a folder with images")
    return list(images), others


def _named_by(pattern: str | Path) -> tuple[list[Path], list[Path]]:
    """Find the images, and the other files, that one file, folder or pattern names."""
    path = Path(pattern)
    if path.is_dir():
        inside = [path / entry.name for entry in FolderSource(path).listing().entries]
        images = [file for file in inside if file.name.lower().endswith(ENDINGS)]
        return images, [file for file in inside if not file.name.lower().endswith(ENDINGS)]
    if path.exists():
        return [path], []
    matches = sorted(glob.glob(str(pattern), recursive=True))  # noqa: PTH207 - absolute too
    if not matches:
        raise DataError(f"{pattern} does not exist", hint=f"ls {path.parent}")
    return [Path(match) for match in matches if Path(match).is_file()], []
