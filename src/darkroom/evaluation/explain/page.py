"""The page of explanations: each image beside its maps, what they are worth, how they agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from darkroom.evaluation.explain.testing import RANDOM_ORDERS, REDRAWS
from darkroom.evaluation.explain.trust import ALIKE
from darkroom.pages import fill_template, image_uri
from darkroom.version import __version__

if TYPE_CHECKING:
    from PIL import Image

    from darkroom.evaluation.explain.explanations import ExplanationsRecord

_QUALITY = 82  # of a photograph; what is drawn in whole pixels stays a PNG


def render(record: ExplanationsRecord, pictures: Mapping[str, Image.Image]) -> str:
    """Write the page as HTML.

    Args:
        record: What is said.
        pictures: By the names that the record gives them.
    """
    return fill_template(
        "explain.html.j2",
        record=record,
        uris=picture_uris(record, pictures),
        likeness=_likeness(record),
        orders=RANDOM_ORDERS,
        redraws=REDRAWS,
        alike=ALIKE,
        version=__version__,
    )


def picture_uris(record: ExplanationsRecord, pictures: Mapping[str, Image.Image]) -> dict[str, str]:
    """Give each picture as it stands in a page, by its name."""
    sheets = {sheet.picture for sheet in record.sheets}
    return {
        name: image_uri(image, quality=None if name in sheets else _QUALITY)
        for name, image in pictures.items()
    }


def _likeness(record: ExplanationsRecord) -> dict[tuple[str, str], str]:
    """Give the agreement of two methods in words, whichever is named first."""
    told: dict[tuple[str, str], str] = {}
    for each in record.agreement:
        value, low, high = each.likeness.value, each.likeness.low, each.likeness.high
        words = f"{value or 0.0:.2f}"
        if low is not None and high is not None:
            words += f" ({low:.2f} .. {min(high, 1.0):.2f})"
        told[each.one, each.other] = told[each.other, each.one] = words
    return told
