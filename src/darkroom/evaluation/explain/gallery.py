"""A gallery: images beside their maps, as a record of what is said and the pictures of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from PIL import Image

from darkroom.decision import Decided, decide
from darkroom.evaluation.explain.choosing import Picked
from darkroom.evaluation.explain.explained import Effort, Outcome, explain_images
from darkroom.evaluation.explain.explanations import (
    Explained,
    ExplanationsRecord,
    MethodResult,
    Sheet,
    agreement_of,
)
from darkroom.evaluation.explain.insides import feature_maps, first_kernels
from darkroom.evaluation.explain.methods import METHODS, Chosen
from darkroom.evaluation.explain.pictures import enlarged, heated
from darkroom.evaluation.explain.subject import Subject

if TYPE_CHECKING:
    from jaxtyping import Int

_SEEN_INTO = 3  # images whose feature maps are drawn
_KERNEL_PX, _SHEET_PX = 8, 640  # a value of a kernel, and the width of feature maps, about


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be explained, of which images, how."""

    subject: Subject
    picked: tuple[Picked, ...]
    chosen: Chosen
    of_class: int | None = None  # None: of each image what was answered
    effort: Effort = Effort()
    unreadable: tuple[str, ...] = ()  # images that were named, and why each cannot be read


class Gallery(msgspec.Struct, frozen=True, kw_only=True):
    """What came out, before it is written anywhere."""

    record: ExplanationsRecord
    pictures: Mapping[str, Image.Image]  # by the names that the record gives them
    outcome: Outcome


def make_gallery(asking: Asking) -> Gallery:
    """Explain images, test every map, and draw them.

    Args:
        asking: What to explain, with at least one image.
    """
    pixels = np.stack([each.pixels for each in asking.picked])
    decided = decide(asking.subject.answer(pixels), asking.subject.decision)
    classes = _explained_classes(decided, asking.of_class)
    outcome = explain_images(asking.subject, pixels, classes, asking.chosen.methods, asking.effort)
    sheets = dict(_sheets(asking))
    record = ExplanationsRecord(
        subject=asking.subject.name,
        can_redraw=asking.subject.inside is not None,
        learned=outcome.learned,
        images=_images(asking, decided, classes),
        methods=tuple(
            MethodResult(
                name=maps.method,
                says=METHODS[maps.method].says,
                source=METHODS[maps.method].source,
                trust=maps.trust,
                pictures=tuple(_file(row, maps.method) for row in range(len(maps.trust))),
            )
            for maps in outcome.maps
        ),
        agreement=agreement_of(outcome.maps),
        sheets=tuple(sheets),
        left_out=(*asking.unreadable, *outcome.left_out),
        effort=asking.effort,
    )
    drawn = {sheet.picture: image for sheet, image in sheets.items()}
    return Gallery(record=record, pictures=_pictures(asking, outcome) | drawn, outcome=outcome)


def _explained_classes(decided: Decided, of_class: int | None) -> Int[np.ndarray, "images"]:
    """Take the class that was asked for, else what was answered, else the most probable."""
    probabilities, chosen = decided.probabilities, decided.chosen
    if of_class is not None:
        return np.full(len(probabilities), of_class)
    allowed = chosen | ~chosen.any(axis=1, keepdims=True)
    return np.asarray(np.where(allowed, probabilities, -1).argmax(axis=1))


def _images(
    asking: Asking, decided: Decided, classes: Int[np.ndarray, "images"]
) -> tuple[Explained, ...]:
    names = asking.subject.classes
    return tuple(
        Explained(
            image=each.name,
            labels=each.labels,
            predicted=tuple(names[at] for at in np.flatnonzero(decided.chosen[row])),
            explained=names[one],
            probability=float(decided.probabilities[row, one]),
            why=each.why,
            picture=_file(row, "image"),
        )
        for row, (each, one) in enumerate(zip(asking.picked, classes.tolist(), strict=True))
    )


def _pictures(asking: Asking, outcome: Outcome) -> dict[str, Image.Image]:
    """Draw every image, alone and under each of its maps."""
    pictures = {}
    for row, each in enumerate(asking.picked):
        image = pictures[_file(row, "image")] = enlarged(each.pixels, asking.subject.preprocess)
        for maps in outcome.maps:
            if row < len(maps.trust):
                pictures[_file(row, maps.method)] = heated(
                    image, maps.heat[row], is_trustworthy=maps.trust[row].is_trustworthy
                )
    return pictures


def _sheets(asking: Asking) -> Iterator[tuple[Sheet, Image.Image]]:
    """Draw what was asked for of the inside, and say what it is."""
    inside, wanted = asking.subject.inside, asking.chosen.insides
    if inside is not None and "kernels" in wanted:
        first = inside.convolutions[0]
        told = f"{first.name}: {first.kernel.shape[-1]} kernels, each in its own contrast"
        sheet = Sheet(title="First kernels", told=told, picture="kernels.png")
        yield sheet, _grown(first_kernels(inside), _KERNEL_PX)
    if inside is not None and "feature-maps" in wanted:
        few = asking.picked[:_SEEN_INTO]
        seen = feature_maps(inside, np.stack([each.pixels for each in few]))
        for row, (each, layers) in enumerate(zip(few, seen, strict=True)):
            for maps in layers:
                told = f"{maps.layer}: the most active of {maps.of} maps"
                file = _file(row, f"maps-{maps.layer}")
                sheet = Sheet(title=each.name, told=told, picture=file)
                yield sheet, _grown(maps.sheet, max(_SHEET_PX // maps.sheet.shape[1], 1))


def _grown(sheet: np.ndarray, by: int) -> Image.Image:
    return Image.fromarray(sheet.repeat(by, axis=0).repeat(by, axis=1))


def _file(row: int, what: str) -> str:
    return f"{row + 1:03d}-{what}.png"
