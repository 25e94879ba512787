"""Write explanations to a folder: pictures, maps, a record, and a page that opens offline."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from PIL import Image

from darkroom.decision import decide
from darkroom.disk import appear, disk_errors, staging_folder, sync_folder, write_file
from darkroom.evaluation.explain.choosing import Picked
from darkroom.evaluation.explain.explained import Effort, Outcome, explain_images
from darkroom.evaluation.explain.explanations import (
    PAGE,
    RECORD,
    Explained,
    Explanations,
    ExplanationsRecord,
    MethodResult,
    Sheet,
    agreement_of,
)
from darkroom.evaluation.explain.insides import feature_maps, first_kernels
from darkroom.evaluation.explain.methods import METHODS, Chosen
from darkroom.evaluation.explain.page import render
from darkroom.evaluation.explain.pictures import enlarged, heated
from darkroom.evaluation.explain.subject import Subject
from darkroom.records import to_json

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_SEEN_INTO = 3  # images whose feature maps are drawn
_SHEET_PX = 8  # a value of a kernel, enlarged
_MAPS_PX = 640  # the width of a sheet of feature maps, about


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be explained, of which images, how."""

    subject: Subject
    picked: tuple[Picked, ...]
    chosen: Chosen
    of_class: int | None  # None: of each image what was answered
    effort: Effort


def write_explanations(folder: Path, asking: Asking) -> Explanations:
    """Explain images and write all that comes out; the folder appears whole or not at all.

    Args:
        folder: Must not exist yet.
        asking: What to explain.

    Raises:
        ArtifactError: The folder exists already, or the disk is full or refuses.
    """
    subject, picked = asking.subject, asking.picked
    pixels = np.stack([each.pixels for each in picked])
    decided = decide(subject.answer(pixels), subject.decision)
    classes = _explained_classes(asking, decided.probabilities, decided.chosen)
    with staging_folder(folder) as staging:
        outcome = explain_images(subject, pixels, classes, asking.chosen.methods, asking.effort)
        pictures = {
            **{_file(row, "image"): enlarged(each.pixels, subject.preprocess)
               for row, each in enumerate(picked)},
        }  # fmt: skip
        for maps in outcome.maps:
            for row, trust in enumerate(maps.trust):
                pictures[_file(row, maps.method)] = heated(
                    pictures[_file(row, "image")],
                    maps.heat[row],
                    is_trustworthy=trust.is_trustworthy,
                )
        sheets = _sheets(asking, pictures)
        images = tuple(
            Explained(
                image=each.name,
                labels=each.labels,
                predicted=tuple(np.array(subject.classes)[decided.chosen[row]].tolist()),
                explained=subject.classes[one],
                probability=float(decided.probabilities[row, one]),
                why=each.why,
                picture=_file(row, "image"),
            )
            for row, (each, one) in enumerate(zip(picked, classes.tolist(), strict=True))
        )
        record = _record(asking, outcome, images, sheets)
        _fill(staging, record, pictures, {maps.method: maps.heat for maps in outcome.maps})
        appear(staging, folder)
    return Explanations(folder)


def _explained_classes(
    asking: Asking,
    probabilities: Float[np.ndarray, "images classes"],
    chosen: np.ndarray,
) -> Int[np.ndarray, "images"]:
    """Take the class that was asked for, else what was answered, else the most probable."""
    if asking.of_class is not None:
        return np.full(len(probabilities), asking.of_class)
    answered = np.where(chosen.any(axis=1, keepdims=True), chosen, True)  # noqa: FBT003 - NumPy's
    return np.asarray(np.where(answered, probabilities, -1).argmax(axis=1))


def _record(
    asking: Asking,
    outcome: Outcome,
    images: tuple[Explained, ...],
    sheets: tuple[Sheet, ...],
) -> ExplanationsRecord:
    return ExplanationsRecord(
        subject=asking.subject.name,
        can_redraw=asking.subject.inside is not None,
        learned=outcome.learned,
        images=images,
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
        sheets=sheets,
        left_out=outcome.left_out,
        effort=asking.effort,
    )


def _sheets(asking: Asking, pictures: dict[str, Image.Image]) -> tuple[Sheet, ...]:
    """Draw what was asked for of the inside, add it to the pictures, and say what it is."""
    inside, wanted = asking.subject.inside, asking.chosen.insides
    sheets: list[Sheet] = []
    if inside is None:
        return ()
    if "kernels" in wanted:
        drawn, first = first_kernels(inside), inside.convolutions[0]
        pictures["kernels.png"] = _grown(drawn, _SHEET_PX)
        told = f"{first.name}: {first.kernel.shape[-1]} kernels, each in its own contrast"
        sheets.append(Sheet(title="First kernels", told=told, picture="kernels.png"))
    if "feature-maps" in wanted:
        for row, each in enumerate(asking.picked[:_SEEN_INTO]):
            for maps in feature_maps(inside, each.pixels):
                file = _file(row, f"maps-{maps.layer}")
                pictures[file] = _grown(maps.sheet, max(_MAPS_PX // maps.sheet.shape[1], 1))
                told = f"{maps.layer}: the most active of {maps.of} maps"
                sheets.append(Sheet(title=each.name, told=told, picture=file))
    return tuple(sheets)


def _grown(sheet: np.ndarray, by: int) -> Image.Image:
    return Image.fromarray(sheet.repeat(by, axis=0).repeat(by, axis=1))


def _file(row: int, what: str) -> str:
    return f"{row + 1:03d}-{what}.png"


def _fill(
    folder: Path,
    record: ExplanationsRecord,
    pictures: Mapping[str, Image.Image],
    maps: Mapping[str, np.ndarray],
) -> None:
    for name, image in pictures.items():
        write_file(folder / name, _encoded(image))
    for method, heat in maps.items():
        buffer = io.BytesIO()
        np.save(buffer, heat)
        write_file(folder / f"{method}.npy", buffer.getvalue())
    write_file(folder / RECORD, to_json(record))
    write_file(folder / PAGE, render(record, pictures).encode())
    with disk_errors(folder):
        sync_folder(folder)


def _encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
