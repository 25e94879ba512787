"""Files of weights as Keras writes them: what one holds, told by its content and not by its name.

Nothing here imports Keras.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import msgspec

_LEGACY, _PLAIN = ".h5", ".weights.h5"


class HeldWeights(msgspec.Struct, frozen=True, kw_only=True):
    """What lies in a file of weights."""

    numbers: int  # without those of an optimizer
    suffix: str  # `.h5` or `.weights.h5`: that the name of a file of this format has for Keras


def read_held(path: Path) -> HeldWeights | None:
    """Look what a file holds; its weights are not read.

    Returns:
        None where the file is no HDF5.
    """
    numbers = 0

    def add(name: str, value: h5py.Group | h5py.Dataset) -> None:
        nonlocal numbers
        if isinstance(value, h5py.Dataset) and not name.startswith("optimizer"):
            numbers += int(value.size or 0)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(add)
            is_legacy = "layer_names" in file.attrs or "model_weights" in file
    except OSError:
        return None
    return HeldWeights(numbers=numbers, suffix=_LEGACY if is_legacy else _PLAIN)


@contextlib.contextmanager
def named_for_keras(path: Path) -> Iterator[Path]:
    """Give a file of weights a name by which Keras 3.15 tells its format, while the block runs."""
    held = read_held(path)
    if held is None or _suffix_of(path) == held.suffix:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        named = Path(folder) / f"trunk{held.suffix}"
        named.symlink_to(path.resolve())
        yield named


def _suffix_of(path: Path) -> str:
    return _PLAIN if path.name.endswith(_PLAIN) else path.suffix
