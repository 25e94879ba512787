"""`near_duplicates`: images of a Dataset that are the same picture but for a small change.

Fingerprints of the prepared pixels find candidates, a look at the pixels decides. What was found
is kept in the workspace by the content of the images and made anew when it is gone or damaged.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.data.decode import DECODER
from darkroom.data.likeness.chunks import over_chunks
from darkroom.data.likeness.clusters import join_pairs
from darkroom.data.likeness.descriptor import fingerprint_images, is_plain, shrink
from darkroom.data.likeness.index import find_candidates
from darkroom.data.likeness.verify import COARSE, verify_pairs
from darkroom.data.prepared import pixel_rows
from darkroom.data.remembered import once_per_dataset
from darkroom.data.sources.footer import refuse_bomb
from darkroom.disk import write_file
from darkroom.errors import DataError

if TYPE_CHECKING:
    from jaxtyping import Bool, Int, UInt8, UInt64

    Take = Callable[[Int[np.ndarray, "images"]], UInt8[np.ndarray, "images height width channels"]]

_METHOD = 1  # raise it when the same images become other pairs: what is kept is then made anew
_LEAST_SIDE = 24  # pixels; smaller pictures of different things are too much alike
_FINE_SIDE = 64  # pixels; detail of smaller pictures is not looked at so closely
_CHUNK = 1024  # images
_KEPT = {"one": pl.String, "two": pl.String, "likeness": pl.Float64}


class NearDuplicates(msgspec.Struct, frozen=True, kw_only=True):
    """Images that show the same picture, re-encoded, resized, cropped, turned or the like."""

    pairs: pl.DataFrame  # image, other, likeness 0..1; image < other, sorted by both
    clusters: tuple[tuple[str, ...], ...]  # images joined by pairs and by being copies
    looked_at: int  # images that were compared
    too_small: int  # images that were not: a side is below 24 px
    too_plain: int  # images that were not: they show next to nothing


@once_per_dataset
def near_duplicates(dataset: Dataset) -> NearDuplicates:
    """Find images that are the same picture but for a small change.

    Found are copies that were encoded anew, resized, cropped by a few per cent, made brighter or
    darker, turned by a few degrees, recoloured, or given a small logo. Mirrored copies are not
    found. In a dense crowd of copies not every pair is listed, but they form one cluster.

    Args:
        dataset: Split or not; parts and labels do not matter.

    Returns:
        Pairs of images whose files differ: of identical files with the same part and labels the
        first stands for all. Clusters name every image, identical files too. Likeness is the
        correlation of fine detail.

    Raises:
        DataError: An image changed since the dataset was opened.
        ArtifactError: The disk is full.

    Source: own; see decision 0014.
    """
    large = (pl.min_horizontal("height", "width") >= _LEAST_SIDE).alias("is_large")
    contents = dataset.index.sort("image").unique("sha256", keep="first").sort("sha256")
    contents = contents.with_columns(large)
    compared = contents.filter("is_large")
    is_bare, alike = _known_or_compared(dataset, compared)
    plain = set(compared["sha256"].filter(is_bare))
    index = dataset.index.with_columns(large, pl.col("sha256").is_in(list(plain)).alias("is_plain"))
    too_small = int((~index["is_large"]).sum())
    too_plain = int(index["is_plain"].sum())
    return NearDuplicates(
        pairs=_named_pairs(index, alike),
        clusters=_clusters(index, alike),
        looked_at=len(index) - too_small - too_plain,
        too_small=too_small,
        too_plain=too_plain,
    )


def _named_pairs(index: pl.DataFrame, alike: pl.DataFrame) -> pl.DataFrame:
    """Put names in the place of contents, one for each content, part and labels."""
    spoken = index.sort("image").unique(["sha256", "part", "labels"], keep="first")
    spoken = spoken.select("sha256", "image")
    joined = alike.join(spoken, left_on="one", right_on="sha256").join(
        spoken.rename({"image": "other"}), left_on="two", right_on="sha256"
    )
    low, high = pl.min_horizontal("image", "other"), pl.max_horizontal("image", "other")
    return joined.select(low.alias("image"), high.alias("other"), "likeness").sort("image", "other")


def _clusters(index: pl.DataFrame, alike: pl.DataFrame) -> tuple[tuple[str, ...], ...]:
    first = pl.col("image").min().over("sha256").alias("first")
    copies = index.select("image", first).filter(pl.col("image") != pl.col("first"))
    names = dict(index.group_by("sha256").agg(pl.col("image").min()).iter_rows())
    near = ((names[one], names[two]) for one, two in alike.select("one", "two").iter_rows())
    return join_pairs([*copies.iter_rows(), *near])


def _known_or_compared(dataset: Dataset, compared: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
    """Give which contents are plain and which are alike, from what is kept or by looking.

    Both go into one table: a plain content stands there as alike to nothing.
    """
    preprocess = dataset.default_preprocess()
    says = f"{_METHOD} {DECODER} {preprocess} {' '.join(compared['sha256'])}"
    kept = dataset.workspace.cache / "near" / f"{hashlib.sha256(says.encode()).hexdigest()}.parquet"
    found = _read(kept)
    if found is None:
        pixels, rows = pixel_rows(dataset, compared, preprocess)
        found = _compare_all(lambda chosen: np.asarray(pixels[rows[chosen]]), compared)
        buffer = io.BytesIO()
        found.write_parquet(buffer, compression="zstd")
        write_file(kept, buffer.getvalue())
    plain = compared["sha256"].is_in(found.filter(pl.col("two") == "")["one"].to_list())
    return plain, found.filter(pl.col("two") != "")


def _read(kept: Path) -> pl.DataFrame | None:
    """Read what was found before; None when it is not there, or damaged."""
    try:
        data = kept.read_bytes()
        refuse_bomb(data, where=str(kept))
        found = pl.read_parquet(io.BytesIO(data))
    except (FileNotFoundError, DataError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    return found if dict(found.schema) == _KEPT else None


def _compare_all(take: Take, contents: pl.DataFrame) -> pl.DataFrame:
    """Find which contents are alike.

    Args:
        take: Gives the pixels of some contents by their numbers.
        contents: Rows of the index, sorted by sha256, so that nothing hangs on their names.
    """
    fingerprints, coarse, plain = _described(take, len(contents))
    is_fine = (contents.select(pl.min_horizontal("height", "width")) >= _FINE_SIDE).to_series()
    rows = np.flatnonzero(~plain)
    candidates = find_candidates(fingerprints[rows])
    one, two = rows[candidates.first], rows[candidates.second]
    likeness = verify_pairs(take, coarse, is_fine.to_numpy(), one, two)
    same = likeness > 0
    hashes = contents["sha256"].to_numpy()
    table = {
        "one": [*hashes[one[same]], *hashes[plain]],
        "two": [*hashes[two[same]], *[""] * int(plain.sum())],
        "likeness": [*likeness[same].tolist(), *[0.0] * int(plain.sum())],
    }
    return pl.DataFrame(table, schema=_KEPT)


def _described(
    take: Take, count: int
) -> tuple[
    UInt64[np.ndarray, "images words"],
    UInt8[np.ndarray, "images side side"],
    Bool[np.ndarray, "images"],
]:
    """Give the fingerprint, a tiny grey version and the plainness of every picture."""
    fingerprints = np.zeros((count, 4), np.uint64)
    coarse = np.zeros((count, COARSE, COARSE), np.uint8)
    plain = np.zeros(count, bool)

    def describe(span: slice) -> None:
        pixels = take(np.arange(span.start, span.stop))
        fingerprints[span] = fingerprint_images(pixels)
        coarse[span] = np.rint(shrink(pixels, COARSE)).astype(np.uint8)
        plain[span] = is_plain(pixels)

    over_chunks(describe, count, chunk=_CHUNK, what="describing images")
    return fingerprints, coarse, plain
