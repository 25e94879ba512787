"""NumPy's `.npz` as a source: arrays of images and of their labels, under their usual names."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from darkroom.data.layout import PART_NAMES
from darkroom.data.sources import Columns, Entry, Listing, Part, Place, Skipped
from darkroom.data.sources.answers import Answers, read_answers
from darkroom.data.sources.bitmap import bitmap_bytes, encode_bitmap
from darkroom.data.sources.columns import find_columns
from darkroom.data.sources.npy import Header, read_array, read_headers
from darkroom.data.sources.tables import file_stamp, records_table
from darkroom.data.wording import check_command
from darkroom.decision import Task
from darkroom.errors import DataError

_IMAGES = frozenset({"x", "image", "images", "img", "imgs", "data"})
_LABELS = frozenset({"y", "label", "labels", "target", "targets"})
_CLASSES = frozenset({"classnames", "classes", "labelnames", "targetnames"})
_CHANNELS = (1, 3)


class _Pair(msgspec.Struct, frozen=True, kw_only=True):
    """The images of one part, with their labels."""

    part: Part | None
    images: Header
    labels: Header | None


class ArraysSource:
    """The images of an `.npz`, each handed out as a BMP file.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.location = str(self.path)
        self.stem = path.stem
        self._listing: Listing | None = None
        self._pairs: list[_Pair] = []
        self._array: tuple[str, np.ndarray] | None = None  # the last that was read, with its name
        self._turn = threading.Lock()

    def stamp(self) -> str:
        """Hash the file's own size and time stamp."""
        return file_stamp(self.path)

    def listing(self) -> Listing:
        """List every image, array by array; of the images only headers are read."""
        if self._listing is None:
            self._listing = self._read()
        return self._listing

    def read(self, name: str) -> bytes:
        """Read one image as a BMP file; its whole array stays in memory."""
        self.listing()
        member, _, file = name.rpartition("/")
        header = next((pair.images for pair in self._pairs if pair.images.member == member), None)
        row = file.removesuffix(".bmp")
        is_row = header is not None and row.isdecimal() and int(row) < header.shape[0]
        if header is None or not is_row or name != _file(header, int(row)):
            raise DataError(
                f"there is no image {name} in {self.path}", hint=check_command(self.path)
            )
        with self._turn:
            if self._array is None or self._array[0] != member:
                self._array = None  # first the old one goes: two may not fit
                self._array = (member, read_array(self.path, header))
            return encode_bitmap(self._array[1][int(row)])

    def _read(self) -> Listing:
        headers = read_headers(self.path)
        self._pairs, classes, others = self._sorted(headers)
        names = self._class_names(classes)
        answers = [self._answers(pair, names) for pair in self._pairs]
        task = self._task(answers)
        entries: list[Entry] = []
        skipped = [Skipped(name=header.member, reason="not images or labels") for header in others]
        for pair, said in zip(self._pairs, answers, strict=True):
            height, width, channels = (*pair.images.shape[1:], 1)[:3]
            size = bitmap_bytes(height, width, channels)
            for row, place in enumerate(said.rows):
                name = _file(pair.images, row)
                if isinstance(place, str):
                    skipped.append(Skipped(name=name, reason=place))
                    continue
                place = msgspec.structs.replace(place, part=place.part or pair.part)
                entries.append(Entry(name=name, size_bytes=size, modified_ns=0, place=place))
        return Listing(entries=tuple(entries), folders=(), skipped=tuple(skipped), task=task)

    def _sorted(self, headers: Sequence[Header]) -> tuple[list[_Pair], Header | None, list[Header]]:
        """Tell images, labels and class names from everything else, by their names."""
        images: dict[Part | None, Header] = {}
        labels: dict[Part | None, Header] = {}
        names: dict[Part | None, Header] = {}
        others: list[Header] = []
        for header in headers:
            part, what = _meaning(header.member)
            usual = ((_IMAGES, images), (_LABELS, labels), (_CLASSES, names))
            kind = next((found for words, found in usual if what in words), None)
            if kind is None:
                others.append(header)
            elif part in kind:
                raise DataError(
                    f"{self.path} holds {kind[part].member} and {header.member}, which mean the "
                    "same",
                    hint="keep one of them",
                )
            else:
                kind[part] = header
        listed = ", ".join(header.member for header in headers) or "nothing"
        if not images:
            raise DataError(
                f"no array of {self.path} has a usual name for images; it holds {listed}",
                hint="np.savez(path, x_train=images, y_train=labels)",
            )
        alone = [header.member for part, header in labels.items() if part not in images]
        if alone or not labels:
            what = f"{alone[0]} has no images" if alone else "no array holds labels"
            raise DataError(
                f"{what} in {self.path}; it holds {listed}",
                hint="np.savez(path, x_train=images, y_train=labels)",
            )
        pairs = [
            _Pair(part=part, images=self._fit(header), labels=labels.get(part))
            for part, header in images.items()
        ]
        return pairs, names.get(None), others

    def _fit(self, header: Header) -> Header:
        """Refuse what is no array of 8-bit images, and say how to make it one."""
        name, shape = header.member, header.shape
        if len(shape) < 3 or len(shape) > 4 or 0 in shape:
            why = f"has the shape {shape}, and images x height x width is needed"
            hint = f"save {name}.reshape(-1, height, width)"
        elif len(shape) == 4 and shape[3] not in _CHANNELS:
            why = f"has {shape[3]} values per pixel, and 1 or 3 are needed"
            is_first = shape[1] in _CHANNELS
            hint = f"save {name}.transpose(0, 2, 3, 1)" if is_first else f"save {name}[..., :3]"
        elif header.dtype != "|u1":
            why = f"holds {np.dtype(header.dtype)} values, and whole ones in 0..255 are needed"
            to_bytes = f"np.rint({name} * 255)" if header.kind == "f" else name
            hint = f"save {to_bytes}.astype(np.uint8)"
            if header.kind == "f":
                hint += "   (for values in 0..1)"
        else:
            return header
        raise DataError(f"the array {name} of {self.path} {why}", hint=hint)

    def _class_names(self, header: Header | None) -> tuple[str, ...]:
        if header is None:
            return ()
        if header.kind not in "US" or len(header.shape) != 1:
            raise DataError(
                f"{header.member} of {self.path} is no list of texts",
                hint=f"save np.array({header.member}, dtype=str), one name per class",
            )
        return tuple(_texts(read_array(self.path, header)))

    def _answers(self, pair: _Pair, names: tuple[str, ...]) -> Answers:
        """Read what the labels of one part say, as if they were the column of a table."""
        count = pair.images.shape[0]
        header = pair.labels
        if header is None:
            unlabelled = Place(part="unlabelled")
            return Answers(rows=(unlabelled,) * count, task="single-label", answer=None, names=())
        values = read_array(self.path, header)
        if values.shape[:1] != (count,):
            raise DataError(
                f"{header.member} of {self.path} has the shape {values.shape}, and "
                f"{pair.images.member} holds {count:,} images",
                hint="save one label for each image",
            )
        flat = values.reshape(count) if values.size == count else self._from_ones(header, values)
        is_target = header.kind == "f" and values.size == count
        column = "target" if is_target else "label"
        listed = _texts(flat) if flat.dtype.kind in "US" else flat.tolist()
        table = records_table(({column: value} for value in listed), where=self.location)
        table = msgspec.structs.replace(table, class_names={"label": names} if names else {})
        asked = Columns(target="target") if is_target else Columns(label="label")
        said = read_answers(table, find_columns(table, asked, image="the row"))
        return msgspec.structs.replace(said, answer=header.member)

    def _from_ones(self, header: Header, values: np.ndarray) -> np.ndarray:
        """Turn rows of ones and zeros into class numbers, or lists of them where several are."""
        is_hot = (
            values.ndim == 2 and values.dtype.kind in "uifb" and bool(np.isin(values, (0, 1)).all())
        )
        if not is_hot:
            raise DataError(
                f"{header.member} of {self.path} has the shape {values.shape} and holds other "
                "values than 0 and 1",
                hint="save one class per image, or one row of ones and zeros",
            )
        rows, labels = np.nonzero(values)
        ones = np.bincount(rows, minlength=len(values))
        if ones.max(initial=0) <= 1:
            numbers = np.full(len(values), None, object)
            numbers[rows] = labels
            return numbers
        several = np.empty(len(values), object)
        several[:] = [found.tolist() for found in np.split(labels, np.cumsum(ones)[:-1])]
        return several

    def _task(self, answers: Sequence[Answers]) -> Task:
        tasks = {said.task for said in answers if said.answer}
        if len(tasks) > 1 and "regression" in tasks:
            raise DataError(
                f"the labels of {self.path} are classes in one part and numbers in another",
                hint="save all labels with one type",
            )
        return "multi-label" if "multi-label" in tasks else tasks.pop()


def _meaning(member: str) -> tuple[Part | None, str]:
    """Split `x_train` or `train_images` into the part and the rest."""
    words = re.split(r"[_\-. ]+", member.lower())
    parts = [word for word in words if word in PART_NAMES]
    rest = "".join(word for word in words if word not in PART_NAMES)
    return (PART_NAMES[parts[0]], rest) if len(parts) == 1 else (None, "".join(words))


def _texts(values: np.ndarray) -> list[str]:
    """Give labels as text; what is none is written out, so that no two become the same."""
    if values.dtype.kind == "S":
        return [value.decode(errors="backslashreplace") for value in values.tolist()]
    return [value.encode(errors="backslashreplace").decode() for value in values.tolist()]


def _file(header: Header, row: int) -> str:
    """Name an image so that names sort as rows do."""
    return f"{header.member}/{row:0{len(str(header.shape[0] - 1))}d}.bmp"
