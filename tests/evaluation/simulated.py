"""Draws answers whose honesty is known."""

from __future__ import annotations

import numpy as np


def answers(
    seed: int,
    images: int,
    *,
    classes: int = 3,
    apart: float = 2.0,
    sharpness: float = 1.0,
    shift: tuple[float, ...] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Draw probabilities and targets of images with one label.

    Args:
        seed: Of the draw.
        images: How many.
        classes: Equally frequent.
        apart: How far the classes lie from each other, in standard deviations.
        sharpness: 1 is honest; the temperature that mends it.
        shift: Added to the last layer: what makes some classes too probable.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images)
    seen = rng.normal(size=(images, classes))
    seen[np.arange(images), labels] += apart
    layer = apart * seen * sharpness + np.array(shift or (0.0,) * classes)
    raised = np.exp(layer - layer.max(axis=1, keepdims=True))
    shares = raised / raised.sum(axis=1, keepdims=True)
    return shares.astype(np.float32), np.eye(classes, dtype=np.float32)[labels]


def label_answers(
    seed: int, images: int, *, labels: int = 3, sharpness: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw probabilities and targets of images with several labels."""
    rng = np.random.default_rng(seed)
    layer = rng.normal(-0.5, 1.5, (images, labels))
    targets = rng.random((images, labels)) < 1 / (1 + np.exp(-layer))
    shares = 1 / (1 + np.exp(-layer * sharpness))
    return shares.astype(np.float32), targets.astype(np.float32)
