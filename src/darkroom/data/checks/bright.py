"""Images that are washed out or overexposed."""

from __future__ import annotations

from darkroom.data.checks.outlying import outlying_images
from darkroom.data.dataset import Dataset
from darkroom.data.measures import measure_images
from darkroom.findings import Finding

_LIMIT = 0.25  # less than white, own: the counterpart of what is dark


def bright(dataset: Dataset) -> list[Finding]:
    """Name the images whose shadows (mean less two standard deviations) stay above 0.75."""
    measures = measure_images(dataset)
    shadows = 1 - measures["brightness"] + 2 * measures["contrast"]
    return outlying_images(dataset, "bright", shadows, _LIMIT, "nearly white")
