"""What a page that opens offline is made of: a filled template, pictures, data for its script."""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any

import jinja2

from darkroom.wording import percent, visible

if TYPE_CHECKING:
    from PIL import Image


def fill_template(template: str, /, **values: Any) -> str:
    """Write a page; whatever a value holds is text there, never markup.

    Args:
        template: A file in `templates/`. Its filter `visible` writes out what cannot be seen, and
            `percent` writes a share.
        values: Every name that the template uses.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("darkroom"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"visible": visible, "percent": percent}
    return environment.get_template(template).render(**values)


def data_uri(content: bytes, kind: str) -> str:
    """Put a picture into the address that shows it, so that no file has to be loaded.

    Args:
        content: Of the file.
        kind: `png`, `jpeg` or `svg+xml`.
    """
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def image_uri(image: Image.Image, *, quality: int | None = None) -> str:
    """Put an image into a data URI.

    Args:
        image: Grey or RGB.
        quality: Of a JPEG, 1 to 95; None: a PNG, exact to the pixel.
    """
    buffer = io.BytesIO()
    if quality is None:
        image.save(buffer, "PNG")
        return data_uri(buffer.getvalue(), "png")
    image.save(buffer, "JPEG", quality=quality)
    return data_uri(buffer.getvalue(), "jpeg")


def script_data(value: object) -> str:
    """Write what a script reads as JSON that cannot end the element it stands in."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
