"""The one script of a page whose figures become live: Vega, and behind it what calls it."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path

import vl_convert

from darkroom.disk import write_file
from darkroom.errors import ArtifactError

_EXPORTS = "window.vegaEmbed = vegaEmbed;"
_CHILD = """
import sys, vl_convert
sys.stdout.buffer.write(vl_convert.javascript_bundle(sys.argv[1]).encode())
"""


def live_script(*files: str, kept_in: Path) -> tuple[str, str]:
    """Give a page's one script.

    Args:
        files: Scripts in `templates/`; `figures.js` makes the page's figures live.
        kept_in: A folder that may be emptied at any time. Vega is always the same, and to bundle
            it takes two seconds.

    Returns:
        The script, and the digest by which the page's policy lets it run and no other.
    """
    folder = resources.files("darkroom").joinpath("templates")
    own = [folder.joinpath(file).read_text(encoding="utf-8") for file in files]
    version = metadata.version("vl-convert-python")
    script = "\n".join([_vega(kept_in / f"vega-{version}.js"), *own])
    return script, base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


@functools.cache
def _vega(kept: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return kept.read_text(encoding="utf-8")
    bundle = _bundled()
    with contextlib.suppress(ArtifactError):  # a disk that is full costs the two seconds again
        write_file(kept, bundle.encode())
    return bundle


def _bundled() -> str:
    """Bundle Vega in a process of its own: in this one, no other thread would run meanwhile."""
    command = [sys.executable, "-P", "-c", _CHILD, _EXPORTS]
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run(command, capture_output=True, check=True).stdout.decode()
    return str(vl_convert.javascript_bundle(_EXPORTS))
