"""Sphinx configuration: MyST pages, furo, and the reference out of docstrings."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "src"))

from darkroom.version import __version__  # noqa: E402 - the path has to stand before it

project = "darkroom"
author = "the darkroom contributors"
project_copyright = author
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
# The notebooks are scripts here and stay unexecuted; `make notebooks` runs them.
source_suffix = {".md": "markdown"}
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"darkroom {release}"
html_show_sphinx = False

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Source", "notes_style")]

FIELD = re.compile(r"^    (\w+): (.+?)(?: = (.+?))?(?:  # (.+))?$")


def document_fields(
    _app: object, what: str, _name: str, documented: object, _options: object, lines: list[str]
) -> None:
    """Add a record's fields to its docstring: their units stand in comments beside them."""
    if what != "class" or not (
        isinstance(documented, type) and issubclass(documented, msgspec.Struct)
    ):
        return
    matches = map(FIELD.match, inspect.getsource(documented).splitlines())
    fields = {match[1]: match for match in matches if match}
    lines.append("")
    for name in documented.__struct_fields__:
        kind, default, comment = fields[name].group(2, 3, 4)
        usual = f", default ``{default}``" if default else ""
        lines.append(f"- **{name}** (``{kind}``{usual}){': ' + comment if comment else ''}")
    lines.append("")


def setup(app: Any) -> None:
    """Hook the fields in."""
    app.connect("autodoc-process-docstring", document_fields)
