"""What is explained: something that answers, and the network behind it where there is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from darkroom.data.pixels import load_images
from darkroom.data.preprocess import Preprocess
from darkroom.decision import Decision, Task, log_odds
from darkroom.errors import DarkroomError, DataError, RecipeError
from darkroom.evaluation.explain.inside import Inside

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt8

    from darkroom.training.run import Run

    Pixels = UInt8[np.ndarray, "images height width channels"]
    Answers = Float[np.ndarray, "images classes"]

_KNOWN = 128  # labelled images at most; a network that knows nothing is told from one with fewer


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """Images whose labels are known and that no training has seen."""

    pixels: Pixels
    targets: Float[np.ndarray, "images classes"]


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A run or a bundle, as explanations see it."""

    name: str
    task: Task
    classes: tuple[str, ...]
    preprocess: Preprocess
    decision: Decision
    answer: Callable[[Pixels], Answers]  # from prepared pixels to probabilities, no temperature
    inside: Inside | None = None  # None: it answers, and nothing else is known of it
    known: Known | None = None  # None: there are no such images any more

    def looked_into(self) -> Inside:
        """Give the network.

        Raises:
            RecipeError: It answers, and cannot be looked into.
        """
        if self.inside is None:
            raise RecipeError(
                f"{self.name} is a bundle, which answers and cannot be looked into",
                hint="darkroom explain RUN, or --method occlusion",
            )
        return self.inside

    def score(
        self, pixels: Pixels, classes: Int[np.ndarray, "images"]
    ) -> Float[np.ndarray, "images"]:
        """Give the log of the odds of a class for each image: what every method explains.

        It is not squeezed at its ends, as a probability is: where the network is certain, it still
        tells what makes it so.
        """
        odds = log_odds(self.answer(pixels), "multi-label")
        return np.asarray(odds[np.arange(len(pixels)), classes])


def run_subject(run: Run, decision: Decision | None = None) -> Subject:
    """Make a run's best weights ready to be explained.

    Args:
        run: Any closed run of classes that has weights.
        decision: How its probabilities become labels; None: the most probable one.

    Raises:
        ArtifactError: The run has no weights.
        DataError: It predicts numbers.
    """
    record = run.record
    refuse_numbers(run.name, record.task)
    inside = Inside(run.model(), record.architecture, record.preprocess)
    return Subject(
        name=run.name,
        task=record.task,
        classes=record.classes,
        preprocess=record.preprocess,
        decision=decision or Decision(task=record.task),
        answer=inside.answer,
        inside=inside,
        known=_known(run),
    )


def refuse_numbers(name: str, task: Task) -> None:
    """Refuse what predicts numbers: of which class it speaks is the question that is answered.

    Raises:
        DataError: It does.
    """
    if task == "regression":
        raise DataError(
            f"{name} predicts numbers, and what is explained is the answer for a class",
            hint="look at its largest errors: darkroom evaluate RUN",
        )


def _known(run: Run) -> Known | None:
    """Take images of the validation part, at even distances; None when they are gone."""
    try:
        images = load_images(run.dataset, "valid", run.record.preprocess)
    except DarkroomError:
        return None
    chosen = np.unique(np.linspace(0, len(images) - 1, _KNOWN).round().astype(np.int64))
    return Known(pixels=images.take(chosen), targets=images.targets[chosen])
