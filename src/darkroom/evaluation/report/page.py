"""The page itself: everything that stands on it, and the template that is filled with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from darkroom.evaluation.explain.page import picture_uris
from darkroom.evaluation.looks import Look
from darkroom.evaluation.regression import RegressionMetrics
from darkroom.evaluation.report import contents, leads
from darkroom.evaluation.report.album import Album, Shown, tell_few
from darkroom.evaluation.report.brief import make_brief
from darkroom.evaluation.report.confusions import Cell, Confusions, shown_cells
from darkroom.evaluation.report.numbers import brief_of_numbers, target_ranges
from darkroom.evaluation.report.verdict import make_headline
from darkroom.pages import fill_template, script_data
from darkroom.version import __version__
from darkroom.wording import percent

if TYPE_CHECKING:
    from darkroom.evaluation.details import Details, Judged
    from darkroom.evaluation.diagnosis.diagnosis import Diagnosis
    from darkroom.evaluation.evaluation import EvaluationRecord
    from darkroom.evaluation.explain.gallery import Gallery
    from darkroom.evaluation.metrics import Metrics
    from darkroom.evaluation.report.figures import Drawn
    from darkroom.training.run import Run

_SHORT = 4  # letters of a class that fits above a narrow column
_SECTIONS = {
    "verdict": "Verdict",
    "findings": "Findings",
    "confusions": "Confusions",
    "errors": "Errors",
    "pictures": "Pictures",
    "why": "Why",
    "classes": "Classes",
    "sureness": "Sureness",
    "curves": "Curves",
    "slices": "Slices",
    "baselines": "Baselines",
    "learning": "Learning",
    "origin": "Origin",
    "repeat": "Repeat",
}


class LookWords(msgspec.Struct, frozen=True, kw_only=True):
    """A look, and what it is good for."""

    name: Look
    told: str
    none: str  # what to say when there is no such image


LOOKS = (
    LookWords(
        name="confident wrong",
        told="Wrong and sure of it: a label to doubt, or something learned by accident.",
        none="None: no image was taken for something else.",
    ),
    LookWords(
        name="random wrong",
        told="Wrong ones, drawn at random: what a usual mistake looks like.",
        none="None: no image was taken for something else.",
    ),
    LookWords(
        name="most uncertain",
        told="Nearly another answer: more images like these would teach it most.",
        none="None: there is no image.",
    ),
    LookWords(
        name="random right",
        told="Right ones, drawn at random: are they right for the right reason?",
        none="None: no image was right.",
    ),
    LookWords(
        name="confident right",
        told="The easy ones: what it takes for typical.",
        none="None: no image was right.",
    ),
)


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What a report is made of."""

    name: str  # of the evaluation
    run: Run
    record: EvaluationRecord
    judged: Judged
    confusions: Confusions | None  # None: several labels, or numbers
    album: Album
    figures: Mapping[str, Drawn]

    @property
    def metrics(self) -> Metrics | RegressionMetrics:
        """Of all images."""
        return self.judged.metrics

    @property
    def diagnosis(self) -> Diagnosis:
        """What ails the run."""
        return self.judged.diagnosis

    @property
    def details(self) -> Details:
        """All that is no plain rate."""
        return self.judged.details

    @property
    def is_regression(self) -> bool:
        """Whether numbers were predicted."""
        return isinstance(self.metrics, RegressionMetrics)


def render(page: Page, script: tuple[str, str]) -> str:
    """Write the page as HTML.

    Args:
        page: What stands on it.
        script: Of the page, with its digest.
    """
    record, fresh = page.record, page.judged.without_leaks or page.metrics
    shell, python = contents.commands(page.name, page.run, record)
    return fill_template(
        "report.html.j2",
        page=page,
        record=record,
        run=page.run,
        details=page.details,
        metrics=page.metrics,
        figures=page.figures,
        diagnosis=page.diagnosis,
        sections=_sections(page),
        headline=make_headline(record, fresh),
        facts=contents.at_a_glance(page.metrics),
        goal_to_try=contents.goal_to_try(page.metrics),
        looks=LOOKS,
        first_look=next((look.name for look in LOOKS if page.album.looks.get(look.name)), ""),
        has_wrong=bool(page.album.looks.get("random wrong")),
        numbers=page.album.numbers(),
        training=contents.of_the_training(page.run),
        data_words=contents.of_the_data(page.run),
        why=_why(page.judged.gallery),
        lineage=page.run.workspace.lineage(page.run.path),
        shell=shell,
        python=python,
        specs=script_data([drawn.spec for drawn in page.figures.values()]),
        album=script_data(_album(page)),
        script=script[0],
        script_digest=script[1],
        version=__version__,
        **_of_the_task(page, fresh),
    )


def _of_the_task(page: Page, fresh: Metrics | RegressionMetrics) -> dict[str, Any]:
    """Give what only classes have, or only numbers."""
    metrics, details = page.metrics, page.details
    if isinstance(metrics, RegressionMetrics) or isinstance(fresh, RegressionMetrics):
        predictions = page.judged.predictions
        return {
            "brief": brief_of_numbers(page.record, fresh, predictions),  # type: ignore[arg-type]
            "ranges": target_ranges(predictions),
            "with_leaks": contents.at_a_glance(metrics)["Mean absolute error"][0],
        }
    thresholds = page.record.decision.thresholds
    if not thresholds and page.record.task == "multi-label":
        thresholds = (0.5,) * len(metrics.classes)
    return {
        "brief": make_brief(page.record, fresh, details),
        "with_leaks": percent(metrics.accuracy.value or 0.0),
        "matrix": _matrix_style(page.record.classes),
        "thresholds": thresholds,
        "classes_lead": leads.of_classes(metrics),
        "why_undefined": leads.why_undefined(metrics),
        "rule": leads.of_the_rule(page.record.decision, details),
        "coverage_steps": contents.coverage_steps(details.coverage),
        "cost_words": leads.of_costs(details.costs) if details.costs else "",
        "slices_lead": leads.of_slices(details.slices) if details.slices else "",
        "baselines_lead": leads.of_baselines(details.baselines),
    }


def _why(gallery: Gallery | None) -> dict[str, Any]:
    """Give the explained images with their pictures; nothing when nobody asked."""
    if gallery is None:
        return {}
    return {
        "record": gallery.record,
        "uris": picture_uris(gallery.record, gallery.pictures),
    }


def _sections(page: Page) -> dict[str, str]:
    """Name the sections that this page has, by their ids."""
    figures = page.figures
    is_there = {
        "findings": bool(page.diagnosis.findings or page.diagnosis.unclear),
        "confusions": page.confusions is not None,
        "errors": page.is_regression,
        "why": page.judged.gallery is not None,
        "classes": not page.is_regression,
        "sureness": not page.is_regression,
        "curves": "roc" in figures or "precision-recall" in figures,
        "slices": page.details.slices is not None,
        "baselines": bool(page.details.baselines),
    }
    return {name: short for name, short in _SECTIONS.items() if is_there.get(name, True)}


def _matrix_style(classes: tuple[str, ...]) -> dict[str, Any]:
    """Choose how large the cells of a confusion matrix are, in rem, and how columns are named."""
    count = len(classes)
    side, text = (4.0, 0.9) if count <= 6 else (2.9, 0.82) if count <= 12 else (2.1, 0.68)
    return {
        "side": side,
        "text": text,
        "columns": count + 3,
        "is_short": max(map(len, classes), default=0) <= _SHORT or count <= 3,
    }


def _album(page: Page) -> dict[str, Any]:
    """Give the script the pictures that do not stand in the page, and all groups by number."""
    album, numbers = page.album, page.album.numbers()
    in_page = {image for images in album.looks.values() for image in images}

    def told(shown: Shown) -> dict[str, str]:
        own = {
            "name": shown.image,
            "caption": shown.caption,
            "note": shown.note,
            "state": shown.state,
        }
        uri = {} if shown.image in in_page else {"uri": album.pictures[shown.image]}
        return own | uri

    cells = shown_cells(page.confusions) if page.confusions else ()
    return {
        "images": [told(shown) for shown in album.shown.values()],
        "classes": [
            {look: [numbers[image] for image in images] for look, images in groups.items()}
            for groups in album.classes.values()
        ],
        "cells": {
            cell.key: _cell(cell, [numbers[image] for image in album.cells[cell.key]])
            for cell in cells
            if cell.key in album.cells
        },
    }


def _cell(cell: Cell, images: list[int]) -> dict[str, Any]:
    order = "the least sure first" if cell.is_right else "the surest first"
    title = f"{cell.true}, found" if cell.is_right else f"{cell.true} taken for {cell.taken}"
    share = "" if cell.of_true is None else f" · {percent(cell.of_true)} of its class"
    return {
        "title": title,
        "told": f"{tell_few(len(images), cell.images)}, {order}{share}",
        "images": images,
    }
