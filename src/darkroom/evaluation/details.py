"""What an evaluation found beside its metrics: curves, calibration, costs, slices, baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec
import polars as pl

from darkroom.evaluation.baselines import Baseline
from darkroom.evaluation.calibration import Calibration
from darkroom.evaluation.coverage import CoveragePoint
from darkroom.evaluation.curves import ClassCurves
from darkroom.evaluation.deciding import DecisionFit
from darkroom.evaluation.diagnosis.diagnosis import Diagnosis
from darkroom.evaluation.metrics import Metrics
from darkroom.evaluation.regression import RegressionMetrics
from darkroom.evaluation.slices import Slices
from darkroom.evaluation.thresholds import Costs
from darkroom.evaluation.unknown import Unknown

if TYPE_CHECKING:
    from darkroom.evaluation.explain.gallery import Gallery

DETAILS = "details.json"
DIAGNOSIS = "diagnosis.json"
WITHOUT_LEAKS = "metrics_without_leaks.json"
EXPLANATIONS = "explanations"  # a folder


class Details(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything of the report that is no plain rate; what is None does not apply."""

    SCHEMA: ClassVar[int] = 1

    fit: DecisionFit | None = None  # how the Decision came about
    curves: tuple[ClassCurves, ...] = ()
    calibration: Calibration | None = None
    coverage: tuple[CoveragePoint, ...] = ()  # share answered against share right
    costs: Costs | None = None  # None: the Problem names no costs
    unknown: Unknown | None = None  # None: the Problem names no share of false alarms
    slices: Slices | None = None
    baselines: tuple[Baseline, ...] = ()
    notes: tuple[str, ...] = ()  # what could not be measured, and why


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of a run, on its way into the artifact."""

    metrics: Metrics | RegressionMetrics
    without_leaks: Metrics | RegressionMetrics | None  # None: nothing leaked, or everything did
    details: Details
    predictions: pl.DataFrame
    diagnosis: Diagnosis = Diagnosis()  # of the run, whichever part is judged
    gallery: Gallery | None = None  # what some of the answers rest on; None: nobody asked
