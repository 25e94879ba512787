"""Nearly the same image several times in one part: bursts, frames of a film, re-encoded copies."""

from __future__ import annotations

import polars as pl

from darkroom.data.checks.naming import listing_command
from darkroom.data.dataset import Dataset
from darkroom.data.near_duplicates import near_duplicates as find_near_duplicates
from darkroom.findings import Finding
from darkroom.wording import percent

_MANY = 0.05  # of all images, own: beyond it there are clearly fewer images than it seems


def near_duplicates(dataset: Dataset) -> list[Finding]:
    """Name near-duplicates within a part: a note, a warning above 5 % of the images."""
    pairs = pairs_with_parts(dataset).filter(pl.col("part").eq_missing(pl.col("other_part")))
    if pairs.is_empty():
        return []
    images = images_of(pairs)
    share = len(images) / len(dataset.index)
    one, other = images[:2]
    most = ":" if len(pairs) == 1 else "; the most alike are"
    place = " in the same part" if pairs["part"].count() else ""
    return [
        Finding(
            name="near-duplicates",
            severity="warning" if share > _MANY else "note",
            what=(
                f"{len(images):,} images ({percent(share)}) have a near-duplicate{place}{most} "
                f"{one} and {other}"
            ),
            where=images,
            next_step=f"look: {listing_command(dataset, 'near-duplicates')}; "
            "a split by darkroom keeps them together",
        )
    ]


def pairs_with_parts(dataset: Dataset) -> pl.DataFrame:
    """Give the pairs of near-duplicates, the most alike first, with the part of either image."""
    parts = dataset.index.select("image", "part")
    others = parts.rename({"image": "other", "part": "other_part"})
    pairs = find_near_duplicates(dataset).pairs
    joined = pairs.join(parts, on="image").join(others, on="other")
    return joined.sort("likeness", "image", "other", descending=[True, False, False])


def images_of(pairs: pl.DataFrame) -> tuple[str, ...]:
    """Name each image of some pairs once, in their order."""
    named = pairs.select("image", "other").iter_rows()
    return tuple(dict.fromkeys(image for pair in named for image in pair))
