"""Image files for a prediction, from what the user typed."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

import msgspec

from darkroom.data.decode import ENDINGS
from darkroom.data.sources import NEVER_IMAGES, Skipped
from darkroom.data.sources.folder import FolderSource
from darkroom.data.wording import first_skipped
from darkroom.errors import DataError


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """What files, folders and patterns name, in a steady order."""

    images: tuple[Path, ...]
    others: tuple[Path, ...]  # not images by their names, in folders
    skipped: tuple[Skipped, ...]  # may be images and cannot be taken


def gather_images(patterns: Iterable[str | Path]) -> Gathered:
    """Find the image files that files, folders and patterns name, in a steady order.

    Args:
        patterns: A file is taken as it is; of a folder, every file with an image's ending.

    Returns:
        The images; the other files that a folder held; and what was skipped, save what belongs
        to an operating system or to darkroom.

    Raises:
        DataError: Something does not exist or cannot be read, or there is no image at all.
    """
    images: dict[Path, None] = {}
    others: dict[Path, None] = {}
    skipped: dict[Skipped, None] = {}
    for pattern in patterns:
        try:
            found = _named_by(pattern)
        except OSError as refused:
            raise DataError(
                f"{pattern} cannot be read: {refused.strerror}", hint=f"ls -ld {refused.filename}"
            ) from refused
        images.update(dict.fromkeys(found.images))
        others.update(dict.fromkeys(found.others))
        skipped.update(dict.fromkeys(found.skipped))
    if not images:
        listed = " ".join(str(pattern) for pattern in patterns)
        first = [first_skipped(file.name, file.reason, of=len(skipped)) for file in skipped]
        why = "".join(f"; {sentence}" for sentence in first[:1])
        raise DataError(f"there are no images in {listed}{why}", hint="name a folder with images")
    return Gathered(images=tuple(images), others=tuple(others), skipped=tuple(skipped))


def _named_by(pattern: str | Path) -> Gathered:
    """Find what one file, folder or pattern names."""
    path = Path(pattern)
    if path.is_dir():
        return _inside(path)
    if path.exists():
        return Gathered(images=(path,), others=(), skipped=())
    matches = [Path(match) for match in sorted(glob.glob(str(pattern), recursive=True))]  # noqa: PTH207 - absolute too
    if not matches:
        raise DataError(f"{pattern} does not exist", hint=f"ls {path.parent}")
    odd = [match for match in matches if not match.is_file() and not match.is_dir()]
    return Gathered(
        images=tuple(match for match in matches if match.is_file()),
        others=(),
        skipped=tuple(Skipped(name=str(match), reason=_why_odd(match)) for match in odd),
    )


def _inside(folder: Path) -> Gathered:
    listing = FolderSource(folder).listing()
    files = [folder / entry.name for entry in listing.entries]
    return Gathered(
        images=tuple(file for file in files if file.name.lower().endswith(ENDINGS)),
        others=tuple(file for file in files if not file.name.lower().endswith(ENDINGS)),
        skipped=tuple(
            Skipped(name=str(folder / file.name), reason=file.reason)
            for file in listing.skipped
            if file.reason not in NEVER_IMAGES
        ),
    )


def _why_odd(path: Path) -> str:
    return "broken link" if path.is_symlink() else "not a regular file"
