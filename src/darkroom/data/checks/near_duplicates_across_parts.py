"""Nearly the same image in two parts: the score is then partly a test of memory."""

from __future__ import annotations

import polars as pl

from darkroom.data.checks.near_duplicates import images_of, pairs_with_parts
from darkroom.data.dataset import Dataset
from darkroom.findings import Finding
from darkroom.wording import counted


def near_duplicates_across_parts(dataset: Dataset) -> list[Finding]:
    """Name near-duplicates in different ones of train, valid and test; copies are not among them.

    A warning, since the evaluation also tells the score without them.
    """
    labelled = pl.col("part", "other_part").is_in(["train", "valid", "test"])
    pairs = pairs_with_parts(dataset).filter(
        pl.all_horizontal(labelled), pl.col("part") != pl.col("other_part")
    )
    if pairs.is_empty():
        return []
    one, other = pairs.row(0)[:2]
    count = counted(len(pairs), "pair of near-duplicates lies", "pairs of near-duplicates lie")
    most = ":" if len(pairs) == 1 else "; the most alike are"
    return [
        Finding(
            name="near-duplicates-across-parts",
            severity="warning",
            what=f"{count} across parts{most} {one} and {other}",
            where=images_of(pairs),
            next_step="deal all images anew, near-duplicates together: --set data.parts=anew; "
            "until then the evaluation quotes the score twice, with and without them",
        )
    ]
