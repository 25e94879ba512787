"""Every figure, once: the same specification in notebook, report and page.

Plain numbers come in; a Figure goes out that is a static picture and an interactive chart at once.
"""

from __future__ import annotations

from darkroom.plots.balance import class_balance, size_map
from darkroom.plots.curves import precision_recall_curves, roc_curves
from darkroom.plots.errors import residuals
from darkroom.plots.figure import Figure
from darkroom.plots.judging import confusion_matrix, rate_intervals
from darkroom.plots.learning import learning_curves, rate_curve
from darkroom.plots.likeness import embedding_map
from darkroom.plots.measures import measure_histogram, measure_ranges, value_histograms
from darkroom.plots.pictures import Picture, picture_sheet
from darkroom.plots.sureness import (
    cost_trade_off,
    coverage_curve,
    reliability_diagram,
    unknown_trade_off,
)

__all__ = [
    "Figure",
    "Picture",
    "class_balance",
    "confusion_matrix",
    "cost_trade_off",
    "coverage_curve",
    "embedding_map",
    "learning_curves",
    "measure_histogram",
    "measure_ranges",
    "picture_sheet",
    "precision_recall_curves",
    "rate_curve",
    "rate_intervals",
    "reliability_diagram",
    "residuals",
    "roc_curves",
    "size_map",
    "unknown_trade_off",
    "value_histograms",
]
