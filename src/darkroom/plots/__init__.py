"""Every figure, once: the same specification in notebook, report and page.

Plain numbers come in; a Figure goes out that is a static picture and an interactive chart at once.
"""

from __future__ import annotations

from darkroom.plots.balance import class_balance, size_map
from darkroom.plots.figure import Figure
from darkroom.plots.judging import confusion_matrix
from darkroom.plots.learning import learning_curves, rate_curve
from darkroom.plots.likeness import embedding_map
from darkroom.plots.measures import measure_histogram, measure_ranges, value_histograms
from darkroom.plots.pictures import Picture, picture_sheet

__all__ = [
    "Figure",
    "Picture",
    "class_balance",
    "confusion_matrix",
    "embedding_map",
    "learning_curves",
    "measure_histogram",
    "measure_ranges",
    "picture_sheet",
    "rate_curve",
    "size_map",
    "value_histograms",
]
