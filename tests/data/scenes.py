"""Draws pictures with as much in them as a photograph, and changes them a little."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from tests.making import CLASSES


def draw_scene(seed: int, size: tuple[int, int] = (96, 80)) -> Image.Image:
    """Draw forty soft shapes of any colour over a slope of light."""
    rng = np.random.default_rng((7, seed))
    width, height = size
    slope = np.linspace(*rng.integers(0, 256, 2), width)[None, :, None]
    ground = 0.5 * slope + 0.5 * rng.integers(0, 256, 3) + rng.normal(0, 3, (height, width, 3))
    image = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(40):
        x, y = rng.uniform(-0.1, 1, 2) * size
        reach = rng.uniform(0.04, 0.35, 2) * size
        ink = tuple(int(level) for level in rng.integers(0, 256, 3))
        draw = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        draw((x, y, x + reach[0], y + reach[1]), fill=ink)
    return image.filter(ImageFilter.GaussianBlur(0.7))


def draw_digit(seed: int) -> Image.Image:
    """Write a one, a zero or a seven with an unsteady hand: 28 x 28, grey on black."""
    rng = np.random.default_rng((8, seed))
    image = Image.new("L", (112, 112))
    turns = np.linspace(0, 2 * np.pi, 12)
    line = np.column_stack([56 + np.linspace(6, -6, 8), np.linspace(22, 90, 8)])
    strokes = {
        0: [np.column_stack([56 + 22 * np.sin(turns), 56 + 34 * np.cos(turns)])],
        1: [line],
        2: [line, np.column_stack([np.linspace(28, 62, 5), np.full(5, 24.0)])],
    }[seed % 3]
    lean = rng.normal(0, 0.1)
    for stroke in strokes:
        points = stroke * rng.normal(1, 0.04, 2) + rng.normal(0, 2.5, stroke.shape)
        points[:, 0] += lean * (56 - points[:, 1])
        path = [tuple(point) for point in points]
        ImageDraw.Draw(image).line(path, fill=255, width=int(rng.integers(7, 13)), joint="curve")
    return image.resize((28, 28), Image.Resampling.BILINEAR)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _cropped(image: Image.Image) -> bytes:
    width, height = image.size
    return encoded(image.crop((round(0.04 * width), 0, width, round(0.96 * height))))


def _labelled(image: Image.Image) -> bytes:
    image = image.copy()
    width, height = image.size
    box = (round(0.75 * width), round(0.8 * height), width - 2, height - 2)
    ImageDraw.Draw(image).rectangle(box, fill="white")
    return encoded(image)


SMALL_CHANGES: dict[str, Callable[[Image.Image], bytes]] = {
    "encoded anew": lambda image: encoded(image, "JPEG", quality=50),
    "resized": lambda image: encoded(image.resize((image.width * 3 // 4, image.height * 3 // 4))),
    "cropped": _cropped,
    "brighter": lambda image: encoded(ImageEnhance.Brightness(image).enhance(1.1)),
    "darker": lambda image: encoded(ImageEnhance.Brightness(image).enhance(0.9)),
    "turned": lambda image: encoded(image.rotate(2, Image.Resampling.BILINEAR)),
    "with a logo": _labelled,
}


def write_images(root: Path, images: dict[str, bytes]) -> Path:
    """Write files of one class below a folder."""
    (root / "all").mkdir(parents=True, exist_ok=True)
    for name, data in images.items():
        (root / "all" / name).write_bytes(data)
    return root


def draw_scenes(root: Path, per_class: int, *, seed: int = 0) -> Path:
    """Draw a class-per-folder tree of scenes, no two of them alike, and return its root."""
    for place, label in enumerate(CLASSES):
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            scene = draw_scene(100_000 * seed + 1000 * place + number)
            scene.save(root / label / f"{number:03d}.png")
    return root
