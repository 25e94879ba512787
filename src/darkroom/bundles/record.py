"""What a bundle says of itself: its record, its score, its proof and its golden images."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from darkroom.data.preprocess import Preprocess
from darkroom.decision import Decision, Task
from darkroom.problem import Problem, Promise

MODEL_FILE = "model.onnx"


class Score(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the run reached when it was evaluated."""

    part: str
    images: int
    accuracy: float  # 0..1
    low: float  # 95 % interval
    high: float
    looks: int  # how often that test part had been looked at


class Proof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the exported network was held against the run before the bundle was written."""

    images: int  # compared: the golden ones and up to 256 of the validation part
    same_answers: int  # with the same labels
    largest_difference: float  # of any probability
    tolerance: float  # beyond it the bundle refuses to load


class Golden(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One image that travels with the bundle, and what the run answered to it."""

    file: str  # below `golden/`
    label: str  # what it truly is
    pixels_sha256: str  # of its prepared uint8 pixels
    probabilities: tuple[float, ...]


class BundleRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a bundle answers and how."""

    SCHEMA: ClassVar[int] = 1

    name: str
    version: str
    task: Task
    classes: tuple[str, ...]
    preprocess: Preprocess
    decision: Decision
    model: str  # the catalog's name, for people; the architecture stands beside it
    score: Score
    promises: tuple[Promise, ...]
    problem: Problem
    proof: Proof
    golden: tuple[Golden, ...]
    trained_with: dict[str, str]  # package -> version
