"""`explore`: a Dataset becomes one page to look at, which needs neither network nor scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from darkroom.data.checks import check_dataset
from darkroom.data.dataset import Dataset
from darkroom.data.embedding import Embedding, simple_embedding
from darkroom.data.explore.contents import groups_of
from darkroom.data.explore.evidence import evidence_of
from darkroom.data.explore.likeness import likeness_of
from darkroom.data.explore.page import Page, render
from darkroom.data.showing import label_names
from darkroom.data.suspects import Suspects, label_suspects
from darkroom.data.thumbnails import thumbnails
from darkroom.disk import write_file
from darkroom.errors import DataError

if TYPE_CHECKING:
    from jaxtyping import Float

_SUSPECTS = 40  # rows of the table at most
_BESIDES = 6  # rows below those that are named


def explore(
    dataset: Dataset,
    *,
    to: Path | None = None,
    embedding: Embedding | None = None,
    probabilities: Mapping[str, Sequence[float] | Float[np.ndarray, "classes"]] | None = None,
) -> Path:
    """Write one page that shows what a dataset holds and what is wrong with it.

    Findings with their pictures, classes, sizes and light, what looks alike and what like nothing
    else, and labels to doubt. The page is one file that loads nothing.

    Args:
        dataset: Split or not.
        to: The page's file; default: `explore/<dataset>.html` in its workspace.
        embedding: What likeness is judged by; colours and gradients when there is none.
        probabilities: Out-of-sample, for the label suspects, as `label_suspects` takes them.

    Returns:
        The page's file.

    Raises:
        DataError: There is no image, one changed since the dataset was opened, or `to` is a
            folder.
        ArtifactError: The disk is full.
    """
    path = to or dataset.workspace.root / "explore" / f"{dataset.name}.html"
    if path.is_dir():
        raise DataError(
            f"{path} is a folder, and the page is one file",
            hint=f"name {path / 'page.html'} instead",
        )
    findings = check_dataset(dataset)
    embedding = embedding or simple_embedding(dataset)
    labels = dict(zip(dataset.index["image"], label_names(dataset, dataset.index), strict=True))
    evidence = [evidence_of(dataset, finding, labels) for finding in findings]
    groups = groups_of(dataset)
    likeness = likeness_of(dataset, embedding, labels)
    suspects, why_none = _suspects(dataset, embedding, probabilities)
    rows = min(len(suspects.named) + _BESIDES, _SUSPECTS) if suspects else 0
    listed = suspects.images[:rows] if suspects else ()
    wanted = [
        *(image for each in evidence for image in each.images),
        *(image for group in groups for image in group.images),
        *likeness.images,
        *(suspect.image for suspect in listed),
    ]
    page = Page(
        dataset=dataset,
        evidence=tuple(evidence),
        groups=groups,
        likeness=likeness,
        suspects=suspects,
        listed=listed,
        why_no_suspects=why_none,
        made_by=embedding.made_by,
        labels=labels,
        pictures=thumbnails(dataset, wanted),
    )
    write_file(path, render(page).encode())
    return path


def _suspects(
    dataset: Dataset,
    embedding: Embedding,
    probabilities: Mapping[str, Sequence[float] | Float[np.ndarray, "classes"]] | None,
) -> tuple[Suspects | None, str]:
    """Give the label suspects, or say why there can be none; what was handed in must fit."""
    if dataset.task != "single-label":
        return None, f"Labels are not judged: {dataset.name} is {dataset.task}."
    if probabilities is not None:
        return label_suspects(dataset, probabilities=probabilities), ""
    try:
        return label_suspects(dataset, embedding=embedding), ""
    except DataError as refused:
        return None, f"Labels are not judged: {refused.problem}."
