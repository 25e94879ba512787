"""What a model has to beat: four simple classifiers, run on the same images without being asked.

They learn from the part `train` alone. A dataset comes in with whether each image of a part was
right; accuracies and paired differences go out. What was computed once is kept in the cache.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.decode import DECODER
from darkroom.data.embedding import describe_pixels
from darkroom.data.prepared import pixel_rows
from darkroom.data.preprocess import pixel_key
from darkroom.disk import write_file
from darkroom.errors import DataError
from darkroom.evaluation.paired import paired_difference
from darkroom.intervals import Estimate, Rate, wilson
from darkroom.progress import track

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int, UInt8

    Labels = Bool[np.ndarray, "images classes"]
    Numbers = Float[np.ndarray, "images ..."]
    Pixels = UInt8[np.ndarray, "images height width channels"]

MAJORITY = "majority"
_VERSION = 1  # raise it when the same images get other answers
_TRAINED_ON = 20_000  # images at most, drawn by seed
_ASKED = 20_000  # images of the part at most, drawn by seed
_FITTED_ON = 10_000  # of those trained on, for the logistic regression
_NUMBERS = 2_000_000  # images times classes that it is fitted on at most; takes seconds
_CELLS = 8  # per side, for the nearest neighbour; own: 16 answered CIFAR-10 no better
_COMPONENTS = 64  # of the colours and gradients
_STRENGTH = 10.0  # inverse of the regularisation, for vectors of length 1; own
_CHUNK = 256  # images
_DIGEST_BYTES = 32


class Baseline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A simple classifier beside the model."""

    name: str
    what: str  # in words
    accuracy: Rate  # share of images whose labels are all right; not defined when it was not run
    difference: Estimate = Estimate(value=None)  # the model's share right less its own, paired
    is_beaten: bool | None = None  # None: it was not run, or the images are too few to tell
    why_not: str = ""  # why it was not run; empty: it was


class _Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Images as the baselines see them."""

    pixels: Float[np.ndarray, "images rows columns channels"]  # of at most 8 x 8 cells, 0..1
    features: Float[np.ndarray, "described numbers"]  # colours and gradients of the first images
    labels: Labels


Answer = Callable[[_Seen, _Seen], "Labels"]  # of what to learn from and what to answer for


def run_baselines(
    dataset: Dataset, part: str, correct: Bool[np.ndarray, "images"]
) -> tuple[Baseline, ...]:
    """Hold a model against four classifiers that anybody has for nothing.

    Args:
        dataset: What the model was trained on.
        part: That it was evaluated on; of more than 20,000 images as many are drawn.
        correct: Whether the model was right, in the order of `dataset.part(part)`.

    Returns:
        The majority, the nearest mean colour, the nearest neighbour and a logistic regression;
        none where numbers are predicted.

    Raises:
        DataError: `correct` is of another length, or an image changed since the dataset was
            opened.
        ArtifactError: The disk is full.

    Source: the nearest neighbour, Cover and Hart 1967, doi:10.1109/TIT.1967.1053964.
    """
    if dataset.task == "regression":
        return ()
    asked = dataset.part(part)
    if len(asked) != len(correct):
        raise DataError(
            f"{len(correct):,} answers do not belong to the {len(asked):,} images of {part}",
            hint=f"evaluate the run again: darkroom evaluate RUN --part {part}",
        )
    why_not = {name: _why_not(name, dataset, part) for name, _, _ in _BASELINES}
    runnable = [name for name, reason in why_not.items() if not reason]
    rows = _drawn(len(asked), _ASKED)
    rights = _rights(dataset, part, runnable, rows) if runnable else {}
    return tuple(
        _judged(name, what, rights[name], correct[rows])
        if name in rights
        else Baseline(name=name, what=what, accuracy=wilson(0, 0), why_not=why_not[name])
        for name, what, _ in _BASELINES
    )


def _judged(
    name: str, what: str, right: Bool[np.ndarray, "images"], correct: Bool[np.ndarray, "images"]
) -> Baseline:
    difference = paired_difference(correct, right)
    is_beaten = None
    if (difference.low or 0.0) > 0 or (difference.high or 0.0) < 0:
        is_beaten = (difference.value or 0.0) > 0
    return Baseline(
        name=name,
        what=what,
        accuracy=wilson(int(right.sum()), len(right)),
        difference=difference,
        is_beaten=is_beaten,
    )


def _why_not(name: str, dataset: Dataset, part: str) -> str:
    """Say why a baseline cannot be run; empty when it can."""
    labelled = _labelled(dataset) if "train" in dataset.counts else None
    if labelled is None or not len(labelled):
        return "there is no labelled image to learn from"
    if name == MAJORITY:
        return ""
    if labelled["labels"].n_unique() < 2:
        return "all images to learn from have the same label"
    if name == "nearest neighbour" and part == "train":
        return "every image it is asked about is its own nearest neighbour"
    if name == "mean colour" and dataset.task == "multi-label":
        return "with several labels per image no class has a colour of its own"
    return ""


def _labelled(dataset: Dataset) -> pl.DataFrame:
    train = dataset.part("train")
    least = 0 if dataset.task == "multi-label" else 1  # there an image may have no label
    return train.filter(pl.col("labels").list.len() >= least)


def _rights(
    dataset: Dataset, part: str, names: list[str], rows: Int[np.ndarray, "images"]
) -> dict[str, Bool[np.ndarray, "images"]]:
    """Say for which images each baseline is right: as it was kept, else computed and kept."""
    asked = dataset.part(part)
    made_by = [_VERSION, DECODER, pixel_key(dataset.default_preprocess()), *names]
    contents = [dataset.fingerprint(each) for each in ("train", part)]
    # The same content under other names stands in another order.
    words = " ".join(map(str, [*made_by, *contents, *asked["sha256"]]))
    key = hashlib.sha256(words.encode()).hexdigest()[:32]
    path = dataset.workspace.cache / "baselines" / f"{key}.bits"
    kept = _read(path, (len(names), len(rows)))
    if kept is None:
        kept = _computed(dataset, asked[rows], names)
        bits = np.packbits(kept).tobytes()
        write_file(path, hashlib.sha256(bits).digest() + bits)
    return dict(zip(names, kept, strict=True))


def _read(path: Path, shape: tuple[int, int]) -> Bool[np.ndarray, "baselines images"] | None:
    """Read what was kept; None where nothing is, or it is damaged."""
    if not path.is_file():
        return None
    content = path.read_bytes()
    digest, bits = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    count = shape[0] * shape[1]
    if hashlib.sha256(bits).digest() != digest or len(bits) != -(-count // 8):
        return None
    whole = np.unpackbits(np.frombuffer(bits, np.uint8), count=count)
    return whole.reshape(shape).astype(np.bool_)


def _computed(
    dataset: Dataset, asked: pl.DataFrame, names: list[str]
) -> Bool[np.ndarray, "baselines images"]:
    train = _labelled(dataset)
    train = train[_drawn(len(train), _TRAINED_ON)]
    fitted = min(_FITTED_ON, max(_NUMBERS // max(len(dataset.classes), 1), 4_000))
    order = np.random.default_rng(0).permutation(len(train))  # the first of them are a fair draw
    known = _see(dataset, train[order], described=fitted)
    answered = _see(dataset, asked, described=len(asked))
    answers = [answer(known, answered) for name, _, answer in _BASELINES if name in names]
    return np.array([(each == answered.labels).all(axis=1) for each in answers])


def _drawn(count: int, most: int) -> Int[np.ndarray, "chosen"]:
    """Draw rows by seed, in their order; all when there are no more."""
    return np.sort(np.random.default_rng(0).permutation(count)[:most])


def _see(dataset: Dataset, table: pl.DataFrame, *, described: int) -> _Seen:
    pixels, rows = pixel_rows(dataset, table, dataset.default_preprocess())
    labels = np.zeros((len(table), len(dataset.classes)), np.bool_)
    lengths = table["labels"].list.len().fill_null(0).to_numpy()
    own = table["labels"].explode().drop_nulls().to_numpy()
    labels[np.repeat(np.arange(len(table)), lengths), own] = True
    return _Seen(
        pixels=_in_chunks(_cells, pixels, rows, "looking at colours"),
        features=_in_chunks(describe_pixels, pixels, rows[:described], "describing images"),
        labels=labels,
    )


def _in_chunks(
    work: Callable[[Pixels], Numbers], pixels: Pixels, rows: Int[np.ndarray, "images"], what: str
) -> Numbers:
    """Make numbers of images with every core, a few at a time."""
    starts = range(0, len(rows), _CHUNK)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made: Iterator[Numbers] = pool.map(
            lambda start: work(np.asarray(pixels[rows[start : start + _CHUNK]])), starts
        )
        return np.concatenate(list(track(made, what, len(starts))))


def _cells(pixels: Pixels) -> Float[np.ndarray, "images rows columns channels"]:
    """Average whole blocks of pixels to at most 8 x 8 cells; what is left over falls off."""
    images, height, width, channels = pixels.shape
    tall, wide = -(-height // _CELLS), -(-width // _CELLS)
    cut = pixels[:, : height // tall * tall, : width // wide * wide]
    # Whole rows first: adding up long stretches of bytes is several times faster.
    rows = cut.reshape(images, height // tall, tall, -1).sum(axis=2, dtype=np.uint32)
    cells = rows.reshape(images, height // tall, -1, wide, channels).sum(axis=3, dtype=np.float32)
    return np.asarray(cells / np.float32(255 * tall * wide))


def _majority(known: _Seen, asked: _Seen) -> Labels:
    kinds, counts = np.unique(known.labels, axis=0, return_counts=True)
    return np.broadcast_to(kinds[counts.argmax()], asked.labels.shape)


def _mean_colour(known: _Seen, asked: _Seen) -> Labels:
    colours, wanted = (seen.pixels.mean(axis=(1, 2)) for seen in (known, asked))
    there = np.flatnonzero(known.labels.any(axis=0))
    means = np.array([colours[known.labels[:, label]].mean(axis=0) for label in there])
    apart = ((wanted[:, None, :] - means[None, :, :]) ** 2).sum(axis=2)
    return _one_hot(there[apart.argmin(axis=1)], known.labels.shape[1])


def _nearest(known: _Seen, asked: _Seen) -> Labels:
    """Take the labels of the image whose pixels are nearest, by blocks of one multiplication."""
    # |a - b|² is smallest where a·b - |b|²/2 is largest; a column of ones brings in the latter.
    own, wanted = (seen.pixels.reshape(len(seen.pixels), -1) for seen in (known, asked))
    others = np.concatenate([own, (own**2).sum(axis=1, keepdims=True) / -2], axis=1).T.copy()
    wanted = np.concatenate([wanted, np.ones((len(wanted), 1), np.float32)], axis=1)
    starts = range(0, len(wanted), _CHUNK)
    found = [
        (wanted[start : start + _CHUNK] @ others).argmax(axis=1)
        for start in track(starts, "looking for neighbours", len(starts))
    ]
    return np.asarray(known.labels[np.concatenate(found)])


def _logistic(known: _Seen, asked: _Seen) -> Labels:
    """Fit a logistic regression on colours and gradients: one, or one per class."""
    from sklearn.decomposition import PCA  # a second to import
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer, StandardScaler
    from threadpoolctl import threadpool_limits

    labels = known.labels[: len(known.features)]
    components = min(_COMPONENTS, *known.features.shape)
    shorten = make_pipeline(StandardScaler(), PCA(components, random_state=0), Normalizer())
    # On a busy machine two threads wait for each other.
    with threadpool_limits(1):
        vectors, wanted = shorten.fit_transform(known.features), shorten.transform(asked.features)
        if (known.labels.sum(axis=1) == 1).all() and (labels.any(axis=0)).sum() > 1:
            whole = LogisticRegression(C=_STRENGTH, max_iter=500)
            whole.fit(vectors, labels.argmax(axis=1))
            return _one_hot(whole.predict(wanted), labels.shape[1])
        chosen = np.zeros(asked.labels.shape, np.bool_)
        for label in track(range(labels.shape[1]), "fitting classes", labels.shape[1]):
            if len(np.unique(labels[:, label])) == 1:
                chosen[:, label] = labels[0, label]
                continue
            own = LogisticRegression(C=_STRENGTH, max_iter=500).fit(vectors, labels[:, label])
            chosen[:, label] = own.predict(wanted)
    return chosen


def _one_hot(chosen: Int[np.ndarray, "images"], classes: int) -> Labels:
    hot = np.zeros((len(chosen), classes), np.bool_)
    hot[np.arange(len(chosen)), chosen] = True
    return hot


_BASELINES: tuple[tuple[str, str, Answer], ...] = (
    (MAJORITY, "always the most frequent label", _majority),
    ("mean colour", "the class whose mean colour is nearest", _mean_colour),
    ("nearest neighbour", "the label of the image whose pixels are nearest", _nearest),
    ("logistic regression", "fitted on colours and gradients", _logistic),
)
