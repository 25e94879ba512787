"""CIFAR-10 in its original binary form: records of a label and 3,072 bytes of pixels."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

import numpy as np

from darkroom.data.sources import Entry, Listing, Part, Place, Skipped, Source
from darkroom.data.sources.bitmap import bitmap_bytes, encode_bitmap
from darkroom.data.sources.builtin import CIFAR10_CLASSES
from darkroom.data.wording import check_command
from darkroom.errors import DataError

_SIDE = 32  # pixels
_RECORD = 1 + 3 * _SIDE * _SIDE  # bytes: the label, then all red, all green, all blue
_META = "batches.meta.txt"
_BATCHES: dict[str, Part] = {f"data_batch_{number}.bin": "train" for number in range(1, 6)}
_BATCHES["test_batch.bin"] = "test"
_PICKLED = ("data_batch_1", "test_batch", "batches.meta")


def is_cifar10(names: Iterable[str]) -> bool:
    """Tell by the names of files whether they are CIFAR-10's own, binary or pickled."""
    bare = {name.rpartition("/")[2] for name in names}
    return not bare.isdisjoint(_BATCHES) or bare.issuperset(_PICKLED)


class Cifar10Source:
    """The images of CIFAR-10's batches, each handed out as a BMP file.

    Args:
        store: The folder or archive the batches lie in.

    Raises:
        DataError: They are the Python version, whose pickles we never read.
    """

    def __init__(self, store: Source) -> None:
        self.location, self.stem = store.location, store.stem
        self._store = store
        self._listing: Listing | None = None
        self._turn = threading.Lock()
        self._batch = ("", b"")  # the last one that was read, with its name
        names = [entry.name for entry in store.listing().entries]
        self._files = [name for name in names if name.rpartition("/")[2] in _BATCHES]
        if not self._files:
            raise DataError(
                f"{self.location} is the Python version of CIFAR-10: pickles, which may run any "
                "code when they are opened",
                hint="fetch the binary version, cifar-10-binary.tar.gz, or type builtin:cifar10",
            )

    def stamp(self) -> str:
        """Take the stamp of the folder or the archive."""
        return self._store.stamp()

    def listing(self) -> Listing:
        """List every record, batch by batch."""
        if self._listing is None:
            self._listing = self._read_labels()
        return self._listing

    def read(self, name: str) -> bytes:
        """Read one record as a BMP file."""
        batch, _, file = name.rpartition("/")
        row = file.removesuffix(".bmp")
        with self._turn:
            if f"{batch}.bin" in self._files and row.isdecimal():
                records = self._records(f"{batch}.bin")
                if int(row) < len(records) and file == _file(int(row)):
                    planes = records[int(row), 1:].reshape(3, _SIDE, _SIDE)
                    return encode_bitmap(planes.transpose(1, 2, 0))
        raise DataError(
            f"there is no image {name} in {self.location}", hint=check_command(self.location)
        )

    def _records(self, name: str) -> np.ndarray:
        if self._batch[0] != name:
            self._batch = (name, self._store.read(name))
        data = self._batch[1]
        if not data or len(data) % _RECORD:
            raise DataError(
                f"{name} in {self.location} has {len(data):,} bytes, which are no whole records "
                f"of {_RECORD:,}",
                hint="fetch CIFAR-10 again; it is cut short or damaged",
            )
        return np.frombuffer(data, np.uint8).reshape(-1, _RECORD)

    def _read_labels(self) -> Listing:
        stored = self._store.listing()
        classes = self._classes([entry.name for entry in stored.entries])
        size = bitmap_bytes(_SIDE, _SIDE, 3)
        entries: list[Entry] = []
        for name in self._files:
            with self._turn:
                labels = self._records(name)[:, 0]
            if labels.max() >= len(classes):
                row = int(np.argmax(labels >= len(classes)))
                raise DataError(
                    f"record {row:,} of {name} in {self.location} has the label "
                    f"{int(labels[row])}, and there are {len(classes)} classes",
                    hint="fetch CIFAR-10 again; it is damaged, or another data set",
                )
            part = _BATCHES[name.rpartition("/")[2]]
            places = [Place(part=part, labels=(label,)) for label in classes]
            below = name.removesuffix(".bin")
            entries += [
                Entry(name=f"{below}/{_file(row)}", size_bytes=size, modified_ns=0, place=place)
                for row, place in enumerate(places[label] for label in labels.tolist())
            ]
        others = [
            Skipped(name=entry.name, reason="not a batch of CIFAR-10")
            for entry in stored.entries
            if entry.name not in self._files and not entry.name.endswith(_META)
        ]
        return Listing(entries=tuple(entries), folders=(), skipped=(*stored.skipped, *others))

    def _classes(self, names: Sequence[str]) -> tuple[str, ...]:
        """Give the names of the ten classes, from the file beside the batches if it is there."""
        meta = next((name for name in names if name.endswith(_META)), None)
        if meta is None:
            return CIFAR10_CLASSES
        lines = self._store.read(meta).decode("utf-8", "replace").split()
        if len(lines) != len(CIFAR10_CLASSES) or len(set(lines)) != len(lines):
            raise DataError(
                f"{meta} in {self.location} names {len(lines)} classes, and CIFAR-10 has 10",
                hint=f"remove {meta}: the usual names are taken then",
            )
        return tuple(lines)


def _file(row: int) -> str:
    return f"{row:05d}.bmp"
