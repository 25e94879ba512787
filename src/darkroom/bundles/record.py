"""What a bundle says of itself: its record, its score, its proof and its golden images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import ClassVar

import msgspec

from darkroom.data.preprocess import Preprocess
from darkroom.decision import Decision, Task
from darkroom.errors import ArtifactError
from darkroom.problem import Problem, Promise

MODEL_FILE = "model.onnx"
FOLDER_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,63}")  # of a bundle and of its version


class Score(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the run reached when it was evaluated."""

    part: str
    images: int
    accuracy: float  # 0..1; without the images that training had seen, if others are left
    low: float  # 95 % interval
    high: float
    looks: int  # how often that test part had been looked at
    leaked: int = 0  # images that training had seen or nearly so; left out, if others are left
    with_leaks: float | None = None  # accuracy on all images; None where none or all of them leaked


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

    def __post_init__(self) -> None:
        """Refuse what no `pack` writes: a bundle may come from anybody."""
        for wrong in self._contradictions():
            raise ArtifactError(
                f"the bundle's record {wrong}", hint="pack the run again: darkroom pack RUN"
            )

    def _contradictions(self) -> Iterator[str]:
        count = len(self.classes)
        for word, value in (("name", self.name), ("version", self.version)):
            if not FOLDER_NAME.fullmatch(value):
                yield f"has a {word} that cannot name a folder: {value!r}"
        if not all(self.classes) or not count:
            yield "has a class without a name" if count else "names no classes"
        if len(set(self.classes)) < count:
            twice = next(name for name in self.classes if self.classes.count(name) > 1)
            yield f"has the class {twice!r} twice"
        if len(self.decision.thresholds) not in (0, count):
            yield f"has {len(self.decision.thresholds)} thresholds, not one per class"
        if not self.golden:
            yield "has no golden images to prove the network on"
        for golden in self.golden:
            if PurePosixPath(golden.file).name != golden.file or golden.file in ("", ".."):
                yield f"has a golden image outside of `golden/`: {golden.file!r}"
            if (given := len(golden.probabilities)) != count:
                yield f"has {given} probabilities of {golden.file}, not one for each class"
