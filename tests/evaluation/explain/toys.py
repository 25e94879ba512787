"""A network of one convolution that sees red, images with a red corner, and what to do with both.

Nothing is trained: the weights are written down, so that everybody knows what has to be found.
"""

from __future__ import annotations

import numpy as np

from darkroom.backend import keras
from darkroom.data.preprocess import Preprocess
from darkroom.decision import Decision
from darkroom.evaluation.explain.inside import Inside
from darkroom.evaluation.explain.subject import Known, Subject
from darkroom.models.architecture import Architecture

SIDE, CUE = 16, 4  # pixels
CLASSES = ("plain", "red")
PREPROCESS = Preprocess(height=SIDE, width=SIDE, scaling="unit")
ARCHITECTURE = Architecture(
    name="resnet_tiny", version=3, height=SIDE, width=SIDE, channels=3, classes=2,
    task="single-label",
)  # fmt: skip


def red_network() -> keras.Model:
    """Build what answers `red` by how much of an image is redder than it is green and blue."""
    image = keras.Input((SIDE, SIDE, 3))
    redness = keras.layers.Conv2D(2, 1, activation="relu", name="redness")(image)
    pooled = keras.layers.GlobalAveragePooling2D()(redness)
    logits = keras.layers.Dense(2, name="logits")(pooled)
    network = keras.Model(image, keras.layers.Activation("softmax")(logits), name="seesred")
    kernel = np.array([[1, -1], [-0.5, 0.5], [-0.5, 0.5]], np.float32).reshape(1, 1, 3, 2)
    network.get_layer("redness").set_weights([kernel, np.zeros(2, np.float32)])
    weights = np.array([[0, 200], [0, -20]], np.float32)
    network.get_layer("logits").set_weights([weights, np.array([5, 0], np.float32)])
    return network


def red_subject(*, known: bool = False) -> Subject:
    """Give the network as a subject, with labelled images if they are wanted."""
    inside = Inside(red_network(), ARCHITECTURE, PREPROCESS)
    pixels, labels, _ = draw_images(24)
    return Subject(
        name="toy",
        task="single-label",
        classes=CLASSES,
        preprocess=PREPROCESS,
        decision=Decision(task="single-label"),
        answer=inside.answer,
        inside=inside,
        known=Known(pixels=pixels, targets=np.eye(2, dtype=np.float32)[labels]) if known else None,
    )


def draw_images(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw grey noise; every image but each fourth has a red square in one of its corners.

    Returns:
        Pixels, labels, and a mask of the square for each image.
    """
    rng = np.random.default_rng(seed)
    grey = rng.integers(90, 160, (count, SIDE, SIDE, 1)).astype(np.uint8)
    pixels, cues = np.repeat(grey, 3, axis=3), np.zeros((count, SIDE, SIDE), bool)
    labels = (np.arange(count) % 4 > 0).astype(int)
    for row in np.flatnonzero(labels):
        top, left = rng.choice([0, SIDE - CUE], 2)
        cues[row, top : top + CUE, left : left + CUE] = True
        pixels[row][cues[row]] = (230, 30, 30)
    return pixels, labels, cues


def red_images(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw images of the class `red` alone."""
    pixels, labels, cues = draw_images(2 * count)
    chosen = np.flatnonzero(labels)[:count]
    return pixels[chosen], labels[chosen], cues[chosen]


def peaks_in_cue(heat: np.ndarray, cues: np.ndarray) -> np.ndarray:
    """Tell for each image whether the hottest place lies in the square."""
    hottest = heat.reshape(len(heat), -1).argmax(axis=1)
    return cues.reshape(len(cues), -1)[np.arange(len(cues)), hottest]
