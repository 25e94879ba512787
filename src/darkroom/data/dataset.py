"""The Dataset artifact: an index of labelled images that stay where they are.

A row of the index is one image, with the columns of `INDEX_COLUMNS`. Every image that is not used
stands in `skipped` with its reason.
"""

from __future__ import annotations

import hashlib
import html
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec
import numpy as np
import polars as pl

from darkroom.data.preprocess import Preprocess, default_preprocess
from darkroom.data.sources import Columns, Source
from darkroom.data.sources.locate import locate_source
from darkroom.data.wording import begin_anew, check_command, what_opens
from darkroom.decision import Task
from darkroom.errors import DataError
from darkroom.records import Upgrade, from_json
from darkroom.storage import Manifest, Parent
from darkroom.wording import counted
from darkroom.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float, Int

    from darkroom.data.export import Format
    from darkroom.data.plotting import DatasetPlots

PARTS = ("train", "valid", "test", "unlabelled")

INDEX_COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "image": pl.String,
    "part": pl.String,  # null before the split
    "labels": pl.List(pl.UInt16),  # class indices; null when unlabelled
    "sha256": pl.String,
    "size_bytes": pl.Int64,
    "modified_ns": pl.Int64,
    "height": pl.Int32,
    "width": pl.Int32,
    "channels": pl.UInt8,
    "format": pl.String,  # JPEG, PNG, ...
    "group": pl.String,  # what must not be torn apart; null: nothing is said
    "target": pl.Float64,  # for regression, else null
    "taken": pl.Datetime("ms"),  # when the photograph was made; null: nothing is said
    "camera": pl.String,  # maker and model; null: nothing is said
}


class DatasetRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a Dataset is, beside its index."""

    SCHEMA: ClassVar[int] = 2
    UPGRADES: ClassVar[dict[int, Upgrade]] = {1: lambda document: document}  # fields came anew

    name: str
    task: Task
    classes: tuple[str, ...]  # in the order of the label indices
    empty_classes: tuple[str, ...] = ()  # a folder without one readable image
    location: str  # what opens the source again
    columns: Columns = Columns()  # of a table, that the user named
    stamp: str  # the source's stamp when it was opened
    found: int  # everything there was: used + rows of the table `skipped` + left_out
    used: int
    left_out: int = 0  # images that are not in the sample
    split: str = ""  # how the parts were made, in words; empty when the source brought them
    sample: float = 1.0  # the share that was kept, 0..1
    brought: tuple[str, ...] = ()  # parts that are as the source has them
    group_by: str = ""  # `folder`: images of one stay in one part

    @property
    def skipped(self) -> int:
        """Files and ignored folders that are not used."""
        return self.found - self.used - self.left_out


class Dataset:
    """An index of images with their parts, classes and task.

    Args:
        path: The artifact's folder.
        manifest: Its verified manifest.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        where = path / "dataset.json"
        self.record = from_json(where.read_bytes(), DatasetRecord, where=str(where))
        self.workspace = Workspace(path.parent.parent)

    @cached_property
    def index(self) -> pl.DataFrame:
        """One row per image, sorted by name."""
        index = pl.read_parquet(self.path / "index.parquet")
        missing = [name for name in INDEX_COLUMNS if name not in index.columns]  # of schema 1
        return index.with_columns(
            pl.lit(None, dtype=INDEX_COLUMNS[name]).alias(name) for name in missing
        )

    @cached_property
    def skipped(self) -> pl.DataFrame:
        """Every file and ignored folder that is not used: `name` and `reason`."""
        return pl.read_parquet(self.path / "skipped.parquet")

    @property
    def name(self) -> str:
        """The short name that commands take."""
        return self.manifest.name

    @property
    def task(self) -> Task:
        """`single-label`, `multi-label` or `regression`."""
        return self.record.task

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the label indices."""
        return self.record.classes

    @cached_property
    def counts(self) -> dict[str, int]:
        """Images per part, in the order train, valid, test, unlabelled, then `unsplit`."""
        grouped = dict(self.index.group_by("part").len().iter_rows())
        named = {part: grouped[part] for part in PARTS if part in grouped}
        return named | ({"unsplit": grouped[None]} if None in grouped else {})

    @property
    def is_split(self) -> bool:
        """Whether there are the three parts a training and its evaluation need."""
        return all(part in self.counts for part in ("train", "valid", "test"))

    def part(self, part: str) -> pl.DataFrame:
        """Take the rows of one part.

        Raises:
            DataError: There is no such part.
        """
        if part not in self.counts:
            have = ", ".join(self.counts)
            raise DataError(
                f"{self.name} has no part `{part}`, only {have}",
                hint=check_command(what_opens(self)),
            )
        return self.index.filter(pl.col("part") == part)

    def label_indices(self, part: str) -> Int[np.ndarray, "images"]:
        """Give each image's class index; only for the task `single-label`.

        Raises:
            DataError: The part is missing or the images have no single label.
        """
        if self.task != "single-label":
            raise DataError(f"{self.name} is {self.task}", hint="use dataset.targets(part)")
        labels = self.part(part)["labels"].list.first()
        if labels.null_count():
            raise DataError(
                f"the part `{part}` of {self.name} holds images without a label",
                hint="name the part train, valid or test",
            )
        return labels.to_numpy()

    def targets(self, part: str) -> Float[np.ndarray, "images classes"]:
        """Give each image's labels as ones in a row of zeros, or its number, as float32.

        Returns:
            A column per class; for a regression one, NaN where no number is known.

        Raises:
            DataError: There is no such part.
        """
        if self.task == "regression":
            return self.part(part)["target"].to_numpy().astype(np.float32).reshape(-1, 1)
        labels = self.part(part)["labels"]
        hot = np.zeros((len(labels), len(self.classes)), np.float32)
        rows = np.repeat(np.arange(len(labels)), labels.list.len().fill_null(0).to_numpy())
        hot[rows, labels.explode().drop_nulls().to_numpy()] = 1.0
        return hot

    def default_preprocess(self) -> Preprocess:
        """Choose size and channels from all images: their own up to 64 px, else 64."""
        sizes = set(self.index.select("height", "width").unique().iter_rows())
        grey = bool((self.index["channels"] == 1).all())
        return default_preprocess(sizes, is_grey=grey)

    def source(self) -> Source:
        """Open what the images are read from.

        Raises:
            DataError: It is gone.
        """
        kept_in = self.workspace.root / "sources"
        return locate_source(self.record.location, kept_in, columns=self.record.columns)

    def read(self, rows: pl.DataFrame) -> list[bytes]:
        """Read image files, each checked against the sha256 it was opened with.

        Args:
            rows: Some rows of the index.

        Raises:
            DataError: A file is gone or changed since; it is named.
        """
        source = self.source()
        return [
            self.checked(name, source.read(name), sha256)
            for name, sha256 in rows.select("image", "sha256").iter_rows()
        ]

    def checked(self, name: str, data: bytes, sha256: str) -> bytes:
        """Pass on the bytes of an image if they are the ones that were opened.

        Raises:
            DataError: They are not.
        """
        if hashlib.sha256(data).hexdigest() != sha256:
            raise DataError(
                f"{name} in {self.record.location} changed after the dataset was opened",
                hint=begin_anew(self.record.location),
            )
        return data

    def verify_source(self) -> None:
        """Check that no image changed since the source was opened.

        A file is read again only where its time stamp or its size is another.

        Raises:
            DataError: The source is gone or an image in it changed; it is named.
        """
        source = self.source()
        if source.stamp() == self.record.stamp:
            return
        now = {
            entry.name: (entry.size_bytes, entry.modified_ns) for entry in source.listing().entries
        }
        columns = ("image", "sha256", "size_bytes", "modified_ns")
        for name, sha256, size, modified in self.index.select(columns).iter_rows():
            if now.get(name) != (size, modified) or modified == 0:
                self.checked(name, source.read(name), sha256)

    @cached_property
    def plot(self) -> DatasetPlots:
        """Figures of this dataset, each still and interactive: `dataset.plot.class_balance()`."""
        from darkroom.data.plotting import DatasetPlots  # the figures, which few callers want

        return DatasetPlots(self)

    def export(
        self,
        target: Path | str,
        *,
        format: Format = "folder",  # noqa: A002 - the word for it everywhere
        parts: Sequence[str] | None = None,
    ) -> Path:
        """Write every image, byte for byte, with its part and labels to a new folder.

        Args:
            target: A folder that does not exist yet.
            format: `folder`, `parquet` or `webdataset`.
            parts: Only these.

        Returns:
            The folder; `open_dataset` opens it again as the same dataset.

        Raises:
            DataError: An image changed since the dataset was opened, the format or a part is
                unknown, or the target lies within the images.
            ArtifactError: The target exists already, or the disk is full or refuses.
        """
        from darkroom.data.export import export_dataset  # which reads with this class

        return export_dataset(self, target, format=format, parts=parts)

    def fingerprint(self, part: str | None = None) -> str:
        """Name the content, wherever it lies: 64 hex digits over images, labels and classes.

        Args:
            part: Only this part; the ledger counts looks by the test part's fingerprint.
        """
        rows = self.index if part is None else self.part(part)
        answer = "target" if self.task == "regression" else "labels"
        table = rows.select("sha256", answer, "part")
        lines = sorted(f"{sha256} {answer} {of}\n" for sha256, answer, of in table.iter_rows())
        digest = hashlib.sha256(repr((self.task, self.classes)).encode())
        digest.update("".join(lines).encode())
        return digest.hexdigest()

    def as_parent(self) -> Parent:
        """Name this dataset the way its children do."""
        return self.manifest.as_parent()

    def __repr__(self) -> str:
        parts = " · ".join(f"{count:,} {part}" for part, count in self.counts.items())
        classes = counted(len(self.classes), "class", "classes")
        return f"Dataset({self.name}: {classes} · {parts})"

    def _repr_html_(self) -> str:
        counts = self.index.explode("labels").group_by("labels", "part").len()
        table = {(label, part): count for label, part, count in counts.iter_rows()}
        parts = [None if part == "unsplit" else part for part in self.counts]
        head = "".join(f"<th>{part or 'unsplit'}</th>" for part in parts)
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td>"
            + "".join(f"<td>{table.get((label, part), 0):,}</td>" for part in parts)
            + "</tr>"
            for label, name in enumerate(self.classes)
        )
        return (
            f"<p><b>{html.escape(self.name)}</b> · "
            f"{counted(self.record.used, 'image', 'images')} · {self.task} · "
            f"{counted(self.record.skipped, 'file', 'files')} skipped</p>"
            f"<table><tr><th>class</th>{head}</tr>{rows}</table>"
        )
