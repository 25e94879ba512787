"""Draws small image folders that a network can learn, and makes runs and bundles of them.

No image files lie in git; what tests need is drawn here, the same every time.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

CLASSES = ("ball", "box", "stripe")


def draw_image(label: str, seed: int, size: tuple[int, int] = (24, 20)) -> Image.Image:
    """Draw one image of a class: its shape somewhere, on a noisy ground of any colour."""
    rng = np.random.default_rng((seed, *label.encode()))
    width, height = size
    ground = rng.integers(0, 120, 3) + rng.integers(0, 24, (height, width, 3))
    image = Image.fromarray(ground.astype(np.uint8))
    pen = ImageDraw.Draw(image)
    ink = tuple(int(channel) for channel in rng.integers(150, 256, 3))
    x, y = (int(rng.integers(1, max(side // 3, 2))) for side in size)
    reach = min(size) // 2
    if label.startswith("ball"):
        pen.ellipse((x, y, x + reach, y + reach), fill=ink)
    elif label.startswith("box"):
        pen.rectangle((x, y, x + reach, y + reach), outline=ink, width=2)
    else:
        for top in range(y, height, 4):
            pen.line((0, top, width, top), fill=ink, width=2)
    return image


def image_bytes(label: str = "ball", seed: int = 0, kind: str = "PNG", **options: object) -> bytes:
    """Draw one image and encode it."""
    buffer = io.BytesIO()
    draw_image(label, seed).save(buffer, kind, **options)
    return buffer.getvalue()


def draw_folder(
    root: Path,
    classes: Sequence[str] = CLASSES,
    per_class: int = 20,
    *,
    seed: int = 0,
    size: tuple[int, int] = (24, 20),
) -> Path:
    """Draw a class-per-folder tree of PNG files and return its root."""
    for label in classes:
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            draw_image(label, 1000 * seed + number, size).save(root / label / f"{number:03d}.png")
    return root


def real_data(name: str) -> Path:
    """Give real images or weights by their path in the test data, or skip the test and say why."""
    root = Path(os.environ.get("DARKROOM_TEST_DATA", "../shared/data"))
    if not root.is_absolute():
        root = Path(__file__).parent.parent / root
    path = root / name
    if not path.exists():
        pytest.skip(f"needs {name} in the test data; set DARKROOM_TEST_DATA")
    return path
