"""Images with next to nothing in them: blank pages, placeholders, a thumbnail on a large ground."""

from __future__ import annotations

import numpy as np

from darkroom.data.checks.outlying import outlying_images
from darkroom.data.dataset import Dataset
from darkroom.data.measures import measure_images
from darkroom.findings import Finding

_LIMIT = 3.0  # bits, own: eight greys, equally frequent, have as much
_USUAL = 0.5  # share of the median, own: pictures of thin lines or of 8 x 8 pixels have few bits


def low_information(dataset: Dataset) -> list[Finding]:
    """Name the images whose greys have an entropy below 3 bits, and below half of the usual."""
    entropy = measure_images(dataset)["entropy"]
    usual = np.median(entropy.to_numpy()) if len(entropy) else 0.0
    limit = min(_LIMIT, _USUAL * float(usual))
    return outlying_images(dataset, "low-information", entropy, limit, "almost empty")
