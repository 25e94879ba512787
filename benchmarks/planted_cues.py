"""Images of which one knows what a network has to look at: the colour of a square in a corner.

The ground is noise with grey shapes all over; in one corner, another one in each image, lies a
square whose colour is the class. Nothing else tells the classes apart.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from PIL import Image, ImageDraw

import darkroom

SIDE, CUE = 32, 8  # pixels
COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 180, 60),
    "blue": (50, 80, 220),
    "yellow": (230, 210, 40),
}


class Planted(msgspec.Struct, frozen=True):
    """One image and where its cue lies."""

    pixels: np.ndarray  # uint8, SIDE x SIDE x 3
    top: int
    left: int

    def is_in_cue(self, row: int, column: int) -> bool:
        """Tell whether a pixel lies in the cue."""
        return self.top <= row < self.top + CUE and self.left <= column < self.left + CUE


def draw_planted(colour: str, rng: np.random.Generator) -> Planted:
    """Draw one image of a class."""
    ground = rng.integers(60, 190) + rng.integers(-25, 26, (SIDE, SIDE, 1))
    image = Image.fromarray(np.repeat(ground, 3, axis=2).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(4):
        x, y, reach = [*rng.integers(0, SIDE - 6, 2).tolist(), int(rng.integers(4, 12))]
        grey = (int(rng.integers(0, 256)),) * 3
        draw = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        draw((x, y, x + reach, y + reach), fill=grey)
    top, left = (int(at) for at in rng.choice([0, SIDE - CUE], 2))
    pixels = np.array(image)
    shade = np.array(COLOURS[colour]) + rng.integers(-20, 21, (CUE, CUE, 3))
    pixels[top : top + CUE, left : left + CUE] = np.clip(shade, 0, 255)
    return Planted(pixels, top, left)


def draw_many(count: int, seed: int) -> tuple[list[Planted], np.ndarray]:
    """Draw images of all classes in turn, and give their class indices, in alphabetical order."""
    rng, names = np.random.default_rng(seed), sorted(COLOURS)
    labels = np.arange(count) % len(names)
    return [draw_planted(names[label], rng) for label in labels], labels


def train_planted(folder: Path, seed: int, *, model: str = "resnet_tiny") -> darkroom.Run:
    """Train a network on planted cues, as a user would."""
    for label, name in enumerate(sorted(COLOURS)):
        (folder / name).mkdir(parents=True)
        images, labels = draw_many(480 * len(COLOURS), seed)
        for number in np.flatnonzero(labels == label):
            Image.fromarray(images[number].pixels).save(folder / name / f"{number}.png")
    workspace = darkroom.Workspace(folder.parent / "workspace")
    dataset = darkroom.split_dataset(darkroom.open_dataset(folder, workspace=workspace))
    recipe = darkroom.Recipe(model=model, epochs=6, seed=seed)
    return darkroom.train(dataset, recipe)
