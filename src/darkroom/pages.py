"""What a page that opens offline is made of: a filled template, pictures, and one script."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import jinja2
import vl_convert

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


def page_script(*files: str) -> tuple[str, str]:
    """Give a page's one script: Vega, and behind it what calls it.

    Args:
        files: Scripts in `templates/`; `figures.js` makes the page's figures live.

    Returns:
        The script, and the digest by which the page's policy lets it run and no other.
    """
    folder = resources.files("darkroom").joinpath("templates")
    own = [folder.joinpath(file).read_text(encoding="utf-8") for file in files]
    script = "\n".join([_vega(), *own])
    return script, base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


@functools.cache
def _vega() -> str:
    """Bundle Vega, which is always the same and takes a second or two."""
    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def script_data(value: object) -> str:
    """Write what a script reads as JSON that cannot end the element it stands in."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
