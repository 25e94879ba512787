"""Label suspects: images whose label is unlikely by probabilities that never learned it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.embedding import Embedding, class_of_each, simple_embedding
from darkroom.data.groups import joined_groups, named_groups
from darkroom.data.thumbnails import thumbnails
from darkroom.errors import DataError, nearest
from darkroom.intervals import Rate, wilson
from darkroom.progress import track
from darkroom.wording import counted, percent

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

_FOLDS = 5
_TRAINED_ON = 20_000  # images at most per fold; every image is predicted
_NUMBERS = 2_000_000  # images times classes at most, for a training of seconds
_STRENGTH = 10.0  # inverse of the regularisation, for vectors of length 1; own
_UNLIKELY = 0.2  # own: a suspect's label has less than a fifth of what guessing would give it
_LIKELY = 0.5  # ... and one other class has more than all the rest
_SKILL = 0.4  # own: of the way from guessing to knowing; below it most that were named were right
_PICTURES = 24


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """One image and what speaks against its label."""

    image: str
    label: str
    suggested: str  # the likeliest class; often the label itself
    quality: float  # the probability of the label, 0 (surely wrong) to 1
    is_suspect: bool


class Suspects(msgspec.Struct, frozen=True, kw_only=True):
    """Images ranked by how unlikely their label is."""

    images: tuple[Suspect, ...]  # those named first, each group by rising quality
    accuracy: Rate  # how often the likeliest class is the label
    guessing: float  # the accuracy of always naming the largest class, 0..1
    made_by: str  # where the probabilities come from, in words
    pictures: tuple[str, ...]  # data URIs of the first 24

    @property
    def named(self) -> tuple[Suspect, ...]:
        """The suspects among the images."""
        return tuple(image for image in self.images if image.is_suspect)

    @property
    def table(self) -> pl.DataFrame:
        """One row per image: `image`, `label`, `suggested`, `quality`, `is_suspect`."""
        schema = {"image": pl.String, "label": pl.String, "suggested": pl.String}
        rows = [msgspec.structs.astuple(image) for image in self.images]
        types = {**schema, "quality": pl.Float32, "is_suspect": pl.Boolean}
        return pl.DataFrame(rows, schema=types, orient="row")

    @property
    def can_tell(self) -> bool:
        """Whether the probabilities are good enough to doubt a label by them."""
        return _can_tell(self.accuracy, self.guessing)

    def summary(self) -> str:
        """Say how many there are, and how far the probabilities can be trusted."""
        right = f"{self.made_by} give the label for {self.accuracy}"
        if not self.can_tell:
            return (
                f"No suspect can be named: {right}, "
                f"and always guessing the largest class gives {percent(self.guessing)}"
            )
        told = counted(len(self.named), "label is", "labels are")
        return f"{told} suspect of {len(self.images):,}: {right}"

    def _repr_html_(self) -> str:
        cells = "".join(
            f'<tr><td><img src="{picture}" alt="" width="64"></td>'
            f"<td>{html.escape(image.image)}</td><td>{html.escape(image.label)}</td>"
            f"<td>{html.escape(image.suggested)}</td><td>{image.quality:.4f}</td></tr>"
            for image, picture in zip(self.named, self.pictures, strict=False)
        )
        head = "".join(
            f"<th>{name}</th>" for name in ("", "image", "label", "suggested", "quality")
        )
        table = f"<table><tr>{head}</tr>{cells}</table>" if cells else ""
        return f"<p>{html.escape(self.summary())}</p>{table}"


def label_suspects(
    dataset: Dataset,
    *,
    probabilities: Mapping[str, Sequence[float] | Float[np.ndarray, "classes"]] | None = None,
    embedding: Embedding | None = None,
) -> Suspects:
    """Rank images by how unlikely their label is.

    Without probabilities, a logistic regression on the embedding gives them in five folds:
    each image is judged by a fit that saw neither it nor its copies, near-duplicates and group.

    Args:
        dataset: Of the task `single-label`.
        probabilities: Of some or all images by name, a row over `dataset.classes` that sums to
            1. They have to be out-of-sample: from a model that was not trained on the image.
        embedding: What the folds are fitted on; colours and gradients when there is none.

    Returns:
        The ranking. It is empty when the probabilities are hardly better than guessing.

    Raises:
        DataError: The task is another, the probabilities do not fit the dataset, or too few
            images are labelled.

    Source: confident learning, Northcutt et al. 2021, arXiv:1911.00068, by cleanlab; an image is
        named only if, on top, its label has less than a fifth of the probability of guessing
        and one other class has more than a half (own).
    """
    if dataset.task != "single-label":
        raise DataError(
            f"{dataset.name} is {dataset.task}: only a single label can be suspected",
            hint="leave label_suspects out for this dataset",
        )
    if probabilities is None:
        embedding = embedding or simple_embedding(dataset)
        names, given = _cross_validated(dataset, embedding)
        made_by = f"cross-validated probabilities from {embedding.made_by}"
    else:
        names, given = _handed_in(dataset, probabilities)
        made_by = "the probabilities handed in"
    labels = _labels_of(dataset, names)
    accuracy = wilson(int((given.argmax(axis=1) == labels).sum()), len(labels))
    guessing = float(np.bincount(labels).max() / len(labels))
    ranked: tuple[Suspect, ...] = ()
    if _can_tell(accuracy, guessing):
        ranked = _ranked(dataset, names, labels, given)
    shown = [image.image for image in ranked[:_PICTURES]]
    pictures = thumbnails(dataset, shown)
    return Suspects(
        images=ranked,
        accuracy=accuracy,
        guessing=guessing,
        made_by=made_by,
        pictures=tuple(pictures[name] for name in shown),
    )


def _can_tell(accuracy: Rate, guessing: float) -> bool:
    low = accuracy.low or 0.0
    return guessing < 1 and (low - guessing) / (1 - guessing) >= _SKILL


def _handed_in(
    dataset: Dataset, probabilities: Mapping[str, Sequence[float] | Float[np.ndarray, "classes"]]
) -> tuple[list[str], Float[np.ndarray, "images classes"]]:
    """Check what was handed in, and leave out images without a label."""
    known = set(dataset.index["image"])
    unknown = next((name for name in probabilities if name not in known), None)
    if unknown is not None:
        raise DataError(
            f"there are probabilities of {unknown}, which is not in {dataset.name}",
            hint=f"did you mean {nearest(unknown, known)}?",
        )
    classes = len(dataset.classes)
    for name, row in probabilities.items():
        values = np.asarray(row, np.float64)
        if values.shape != (classes,) or not np.isfinite(values).all():
            raise DataError(
                f"the probabilities of {name} are {values.size} numbers "
                f"({np.isfinite(values).sum()} finite), the dataset has {classes} classes",
                hint="give one number per class, in the order of dataset.classes",
            )
        if values.min() < 0 or abs(values.sum() - 1) > 1e-3:
            raise DataError(
                f"the probabilities of {name} sum to {values.sum():.4g}, the lowest is "
                f"{values.min():.4g}",
                hint="give probabilities from 0 to 1 that sum to 1, for example after a softmax",
            )
    labelled = dataset.index.filter(pl.col("labels").list.len() > 0)["image"]
    names = [name for name in labelled if name in probabilities]
    if not names:
        raise DataError(
            f"no labelled image of {dataset.name} has probabilities",
            hint="hand in those of its training or validation part",
        )
    return names, np.array([probabilities[name] for name in names], np.float64)


def _cross_validated(
    dataset: Dataset, embedding: Embedding
) -> tuple[list[str], Float[np.ndarray, "images classes"]]:
    """Give each image the probabilities of a fit that saw nothing of its group."""
    place = {name: number for number, name in enumerate(embedding.images)}
    index = dataset.index
    has_vector = np.array([name in place for name in index["image"]])
    labels = class_of_each(dataset)
    groups = np.array(joined_groups(dataset, index, named_groups(dataset, index, None)))
    _, numbers = np.unique(groups, return_inverse=True)
    usable = has_vector & (labels >= 0)
    rows = np.flatnonzero(usable & _in_enough_groups(labels, numbers, usable))
    if len(np.unique(labels[rows])) < 2:
        raise DataError(
            f"{dataset.name} has fewer than two classes with {_FOLDS} different images each",
            hint="add labelled images, or hand in probabilities=",
        )
    vectors = embedding.vectors[[place[name] for name in index["image"].gather(rows)]]
    folds = _deal(labels[rows], numbers[rows])
    given = _fit_folds(vectors, labels[rows], folds, len(dataset.classes))
    judged = np.isfinite(given[np.arange(len(rows)), labels[rows]])
    return index["image"].gather(rows[judged]).to_list(), np.nan_to_num(given[judged])


def _in_enough_groups(
    labels: Int[np.ndarray, "images"],
    groups: Int[np.ndarray, "images"],
    usable: Bool[np.ndarray, "images"],
) -> Bool[np.ndarray, "images"]:
    """Tell which images belong to a class that can be in every fold."""
    pairs = np.unique(np.stack([labels[usable], groups[usable]], axis=1), axis=0)
    classes, counts = np.unique(pairs[:, 0], return_counts=True)
    return np.isin(labels, classes[counts >= _FOLDS])


def _deal(
    labels: Int[np.ndarray, "images"], groups: Int[np.ndarray, "images"]
) -> Int[np.ndarray, "images"]:
    """Deal whole groups into folds, class by class."""
    _, first, own = np.unique(groups, return_index=True, return_inverse=True)
    shuffled = np.random.default_rng(0).permutation(len(first))
    by_class = shuffled[np.argsort(labels[first[shuffled]], kind="stable")]
    fold = np.empty(len(first), np.int64)
    fold[by_class] = np.arange(len(first)) % _FOLDS
    return fold[own]


def _fit_folds(
    vectors: Float[np.ndarray, "images numbers"],
    labels: Int[np.ndarray, "images"],
    folds: Int[np.ndarray, "images"],
    classes: int,
) -> Float[np.ndarray, "images classes"]:
    """Predict each fold from the others; NaN stands for a class that they lack."""
    from sklearn.linear_model import LogisticRegression  # half a second to import
    from threadpoolctl import threadpool_limits

    given = np.full((len(labels), classes), np.nan)
    limit = min(_TRAINED_ON, max(_NUMBERS // classes, 4_000))
    order = np.random.default_rng(0).permutation(len(labels))
    # The matrices are small: on a busy machine two threads took a hundred times as long as one,
    # waiting for each other.
    with threadpool_limits(1):
        for fold in track(range(_FOLDS), "judging labels", _FOLDS):
            train = order[folds[order] != fold][:limit]
            if len(np.unique(labels[train])) < 2:
                continue
            fitted = LogisticRegression(C=_STRENGTH, max_iter=500).fit(
                vectors[train], labels[train]
            )
            held_out = np.flatnonzero(folds == fold)
            given[np.ix_(held_out, fitted.classes_)] = fitted.predict_proba(vectors[held_out])
    return given


def _labels_of(dataset: Dataset, names: Sequence[str]) -> Int[np.ndarray, "images"]:
    labels = dict(zip(dataset.index["image"], class_of_each(dataset), strict=True))
    return np.array([labels[name] for name in names], np.int64)


def _ranked(
    dataset: Dataset,
    names: Sequence[str],
    labels: Int[np.ndarray, "images"],
    given: Float[np.ndarray, "images classes"],
) -> tuple[Suspect, ...]:
    from cleanlab.filter import find_label_issues  # two seconds to import

    quality = given[np.arange(len(labels)), labels]
    there, own = np.unique(labels, return_inverse=True)  # cleanlab warns of a class without images
    among = given[:, there] + 1e-9
    among /= among.sum(axis=1, keepdims=True)
    doubted = find_label_issues(own, among, filter_by="both", min_examples_per_class=0, n_jobs=1)
    likeliest = given.argmax(axis=1)
    guess = _UNLIKELY / len(there)
    named = doubted & (quality < guess) & (given.max(axis=1) > _LIKELY) & (likeliest != labels)
    order = np.lexsort((quality, ~named))
    return tuple(
        Suspect(
            image=names[row],
            label=dataset.classes[labels[row]],
            suggested=dataset.classes[likeliest[row]],
            quality=float(quality[row]),
            is_suspect=bool(named[row]),
        )
        for row in order.tolist()
    )
