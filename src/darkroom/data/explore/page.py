"""The page itself: a template, its figures still and live, and a policy that lets nothing load."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import msgspec
import numpy as np

from darkroom.data.dataset import Dataset
from darkroom.data.explore.contents import Group, describe_index
from darkroom.data.explore.evidence import Evidence
from darkroom.data.explore.likeness import Likeness
from darkroom.data.measures import measure_images
from darkroom.data.showing import class_counts
from darkroom.data.suspects import Suspect, Suspects
from darkroom.data.wording import what_opens
from darkroom.pages import fill_template, script_data
from darkroom.plots import Figure, class_balance, measure_histogram, size_map
from darkroom.plots.live import live_script
from darkroom.version import __version__
from darkroom.wording import visible

_SKIPPED = 100  # names listed per reason


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that stands on the page."""

    dataset: Dataset
    evidence: tuple[Evidence, ...]
    groups: tuple[Group, ...]
    likeness: Likeness
    suspects: Suspects | None
    listed: tuple[Suspect, ...]  # those in the table
    why_no_suspects: str
    made_by: str  # what likeness is judged by
    labels: Mapping[str, str]  # of every image, in words
    pictures: Mapping[str, str]  # data URIs by image


def render(page: Page) -> str:
    """Write the page as HTML."""
    dataset, record = page.dataset, page.dataset.record
    figures = _figures(page)
    script, digest = live_script("figures.js", kept_in=dataset.workspace.cache)
    return fill_template(
        "explore.html.j2",
        page=page,
        dataset=dataset,
        record=record,
        source=shlex.quote(what_opens(dataset)),
        facts=describe_index(dataset),
        reasons=_skipped(dataset),
        figures=figures,
        order=list(figures),
        specs=script_data([figure.spec for figure in figures.values()]),
        script=script,
        script_digest=digest,
        fingerprint=dataset.fingerprint(),
        version=__version__,
    )


def _figures(page: Page) -> dict[str, Figure]:
    dataset = page.dataset
    index = dataset.index
    figures = {}
    if dataset.classes:
        figures["balance"] = class_balance(
            {_named(part, dataset): counts for part, counts in class_counts(dataset).items()},
            [*map(visible, dataset.classes)],
        )
    if len(index.select("width", "height").unique()) > 1:
        figures["sizes"] = size_map(index["width"].to_numpy(), index["height"].to_numpy())
    parts = index["part"].fill_null("unsplit").to_numpy()
    measures = measure_images(dataset)

    def spread(values: np.ndarray) -> dict[str, np.ndarray]:
        return {_named(part, dataset): values[parts == part] for part in dataset.counts}

    for name, unit in (
        ("brightness", "0 black to 1 white"),
        ("contrast", "0 to 0.5"),
        ("saturation", "0 grey to 1"),
        ("sharpness", "0 blurred to 1 sharp"),
    ):
        values = measures[name].fill_null(float("nan")).to_numpy()
        if np.nanmax(values, initial=0.0) > 0:
            figures[name] = measure_histogram(spread(values), what=name, unit=unit)
    if dataset.task == "regression":
        target = index["target"].fill_null(float("nan")).to_numpy()
        figures["target"] = measure_histogram(spread(target), what="target")
    figures["map"] = page.likeness.map
    return figures


def _named(part: str, dataset: Dataset) -> str:
    """Word a part for a figure; images that are not split yet are simply all."""
    return "all" if part == "unsplit" and len(dataset.counts) == 1 else part


def _skipped(dataset: Dataset) -> list[tuple[str, int, list[tuple[str, str]]]]:
    """Give each reason why files are not used, with how many and the first of them."""
    by_reason: dict[str, list[tuple[str, str]]] = {}
    for name, reason in dataset.skipped.select("name", "reason").iter_rows():
        kind, _, detail = reason.partition(":")
        by_reason.setdefault(kind, []).append((name, detail.strip()))
    most_first = sorted(by_reason.items(), key=lambda pair: -len(pair[1]))
    return [(kind, len(files), files[:_SKIPPED]) for kind, files in most_first]
