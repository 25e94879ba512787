"""Images out of focus, moved, or blown up from something small."""

from __future__ import annotations

from darkroom.data.checks.outlying import outlying_images
from darkroom.data.dataset import Dataset
from darkroom.data.measures import measure_images
from darkroom.findings import Finding

# Own: 19 of 20 photographs of flowers and pets fell below it when they were blurred by a hundredth
# of their short side, and all photographs of hands by a fiftieth.
_LIMIT = 0.4


def blurry(dataset: Dataset) -> list[Finding]:
    """Name the images with a sharpness below 0.4 and far below the median.

    Images with a short side under 64 px are not judged.
    """
    sharpness = measure_images(dataset)["sharpness"]
    return outlying_images(dataset, "blurry", sharpness, _LIMIT, "blurred")
