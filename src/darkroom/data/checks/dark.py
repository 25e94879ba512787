"""Images in which next to nothing is lit."""

from __future__ import annotations

from darkroom.data.checks.outlying import outlying_images
from darkroom.data.dataset import Dataset
from darkroom.data.measures import measure_images
from darkroom.findings import Finding

_LIMIT = 0.25  # of white, own: below it photographs looked at were hard to make out


def dark(dataset: Dataset) -> list[Finding]:
    """Name the images whose lights (mean and two standard deviations) do not reach a quarter.

    A dark subject before a bright wall is not dark, a lit window in the night is.
    """
    measures = measure_images(dataset)
    lights = measures["brightness"] + 2 * measures["contrast"]
    return outlying_images(dataset, "dark", lights, _LIMIT, "very dark")
