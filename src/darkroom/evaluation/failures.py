"""`export_failures`: every image an evaluation got wrong, as files, as a table and as a gallery."""

from __future__ import annotations

import hashlib
import io
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
import polars as pl

from darkroom.data.decode import ENDINGS
from darkroom.data.exports import exported_rows, put_file, read_images
from darkroom.data.thumbnails import thumbnails
from darkroom.disk import appear, disk_errors, staging_folder, sync_folder
from darkroom.errors import ArtifactError, DataError
from darkroom.pages import fill_template

if TYPE_CHECKING:
    from darkroom.data.dataset import Dataset
    from darkroom.evaluation.evaluation import Evaluation

TABLE, GALLERY = "failures.csv", "index.html"
NOTHING, NO_ANSWER = "nothing", "no-answer"

_NOT_IN_NAMES = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]')  # on some file system
_MOST_BYTES = 120  # of a name; file systems take 255, and a confidence and a digest come on top
_DIGEST = 8  # hex digits that tell images of the same name apart
_SHOWN = (".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".bmp")  # by every browser


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One image that was not right."""

    image: str
    labels: str  # what it is
    predicted: str  # what it was taken for; empty: no answer was given
    confidence: float  # 0..1
    leaked: bool | None  # training has seen it, or nearly so; None: nobody looked
    file: str  # where it lies in the export, with forward slashes


def export_failures(evaluation: Evaluation, target: Path | str) -> Path:
    """Write every image that was not right to a new folder, sorted by what it was taken for.

    `TRUE/taken-for-PREDICTED/0.97-NAME.jpg` is the original file, byte for byte, and 0.97 its
    confidence. `failures.csv` lists all of them, `index.html` shows them without a network. The
    folder appears whole or not at all.

    Args:
        evaluation: Of classes.
        target: A folder that does not exist yet.

    Returns:
        The folder.

    Raises:
        DataError: Numbers were predicted, an image is gone or changed since the dataset was
            opened, or the target lies within the images.
        ArtifactError: The target exists already, the run or its dataset is gone, or the disk is
            full or refuses.
    """
    folder, predictions = Path(target).expanduser(), evaluation.predictions
    if "correct" not in predictions.columns:
        raise DataError(
            f"{evaluation.name} predicted numbers, which are neither right nor wrong",
            hint=f"look at the largest errors in its report: {evaluation.report}",
        )
    dataset = evaluation.run.dataset
    _refuse_place(dataset, folder)
    failures = list_failures(predictions)
    with staging_folder(folder) as staging:
        _write_images(dataset, failures, staging)
        put_file(staging / TABLE, _table(failures))
        put_file(staging / GALLERY, _gallery(evaluation, dataset, failures).encode())
        with disk_errors(folder):
            sync_folder(staging)
        appear(staging, folder)
    return folder


def _refuse_place(dataset: Dataset, folder: Path) -> None:
    if folder.exists() or folder.is_symlink():
        raise ArtifactError(
            f"{folder} exists already, and an export writes over nothing",
            hint="name a folder that does not exist yet",
        )
    source = Path(dataset.record.location)
    if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
        raise DataError(
            f"{folder} lies within {source}, which would then hold its images twice",
            hint=f"export beside it: {source.parent / (source.name + '-failures')}",
        )


def list_failures(predictions: pl.DataFrame) -> list[Failure]:
    """List every image that was not right and where it goes: by class, the surest first.

    Args:
        predictions: A row per image, as an evaluation keeps them.
    """
    wrong = predictions.filter(~pl.col("correct")).sort(
        pl.col("labels").list.join(", "),
        pl.col("predicted").list.join(", "),
        "confidence",
        "image",
        descending=[False, False, True, False],
    )
    names = _Names()
    return [
        Failure(
            image=row["image"],
            labels=" | ".join(row["labels"]),
            predicted=" | ".join(row["predicted"]),
            confidence=row["confidence"],
            leaked=row.get("leaked"),
            file=names.place(row),
        )
        for row in wrong.iter_rows(named=True)
    ]


class _Names:
    """Paths of their own for all images, also where letters differ in case or in form only."""

    def __init__(self) -> None:
        self._folders: dict[tuple[str, ...], str] = {}
        self._taken = {TABLE, GALLERY}  # files and folders, folded

    def place(self, row: dict[str, object]) -> str:
        """Give the path of an image: its class, what it was taken for, confidence and name."""
        labels, predicted = (_worded(row[column]) for column in ("labels", "predicted"))
        answer = NO_ANSWER if row.get("abstained") else f"taken-for-{_safe(predicted)}"
        above = self._folder((labels,), _safe(labels), "")
        below = self._folder((labels, answer, predicted), answer, f"{above}/")
        image = str(row["image"])
        name = _safe(image.rpartition("/")[2])
        stem, dot, ending = name.rpartition(".")
        if not dot or f".{ending.lower()}" not in ENDINGS:
            stem, ending = name, "jpg"
        path = f"{below}/{row['confidence']:.2f}-{stem}.{ending}"
        if _folded(path) in self._taken:
            digest = hashlib.sha256(image.encode()).hexdigest()[:_DIGEST]
            path = f"{below}/{row['confidence']:.2f}-{stem}-{digest}.{ending}"
        self._taken.add(_folded(path))
        return path

    def _folder(self, key: tuple[str, ...], wanted: str, above: str) -> str:
        """Give the folder of a class; two classes whose names look alike have two."""
        if key not in self._folders:
            folder, number = f"{above}{wanted}", 1
            while _folded(folder) in self._taken:
                number += 1
                folder = f"{above}{wanted}-{number}"
            self._taken.add(_folded(folder))
            self._folders[key] = folder
        return self._folders[key]


def _worded(names: object) -> str:
    return " + ".join(map(str, names)) if isinstance(names, list) and names else NOTHING


def _safe(name: str) -> str:
    """Make a name that every file system takes and nobody hides."""
    safe = _NOT_IN_NAMES.sub("_", name).strip(" .") or "_"
    while len(safe.encode()) > _MOST_BYTES:
        safe = safe[: len(safe) // 2] + safe[len(safe) // 2 + 1 :]
    return safe


def _folded(path: str) -> str:
    """Fold what some file systems take for the same name."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _write_images(dataset: Dataset, failures: list[Failure], folder: Path) -> None:
    rows = dataset.index.filter(pl.col("image").is_in([each.image for each in failures]))
    files = {each.image: each.file for each in failures}
    below = sorted({parent for file in files.values() for parent in Path(file).parents})
    with disk_errors(folder):
        for parent in below:
            (folder / parent).mkdir(exist_ok=True)
    for image, data in read_images(dataset, exported_rows(dataset, rows)):
        put_file(folder / files[image.name], data)
    with disk_errors(folder):
        for parent in below:
            sync_folder(folder / parent)


def _table(failures: list[Failure]) -> bytes:
    columns = {
        "image": pl.String,
        "labels": pl.String,
        "predicted": pl.String,
        "confidence": pl.Float32,
        "leaked": pl.Boolean,
        "file": pl.String,
    }
    table = pl.DataFrame([msgspec.structs.asdict(each) for each in failures], schema=columns)
    written = io.BytesIO()
    table.write_csv(written, float_precision=4)
    return written.getvalue()


def _gallery(evaluation: Evaluation, dataset: Dataset, failures: list[Failure]) -> str:
    """Write a page that shows the files beside it; what no browser shows is put into the page."""
    unshown = [each.image for each in failures if not each.file.lower().endswith(_SHOWN)]
    drawn = thumbnails(dataset, unshown) if unshown else {}
    groups = [
        (labels, answer, [(each, quote(each.file), drawn.get(each.image)) for each in members])
        for labels, answer, members in _grouped(failures)
    ]
    return fill_template(
        "failures.html.j2",
        name=evaluation.name,
        images=len(evaluation.predictions),
        count=len(failures),
        groups=groups,
        table=TABLE,
    )


def _grouped(failures: list[Failure]) -> Iterator[tuple[str, str, list[Failure]]]:
    """Gather the images of each confusion, the largest first."""
    groups: dict[tuple[str, str], list[Failure]] = {}
    for each in failures:
        folder = each.file.rpartition("/")[0]
        groups.setdefault((folder, each.labels), []).append(each)
    for (folder, labels), members in sorted(groups.items(), key=lambda pair: -len(pair[1])):
        is_silent = folder.rpartition("/")[2].startswith(NO_ANSWER)
        answer = "no answer" if is_silent else f"taken for {members[0].predicted or NOTHING}"
        yield labels or NOTHING, answer, members
