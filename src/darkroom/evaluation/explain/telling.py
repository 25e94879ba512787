"""What the report shows: a few telling answers of an evaluation, explained by the quick methods."""

from __future__ import annotations

import msgspec
import polars as pl

from darkroom.decision import Decision
from darkroom.evaluation.explain.choosing import pick_telling
from darkroom.evaluation.explain.gallery import Asking, Gallery, make_gallery
from darkroom.evaluation.explain.methods import choose_methods
from darkroom.evaluation.explain.subject import run_subject
from darkroom.training.run import Run

_OF_A_LOOK = 2  # images


def explain_telling(run: Run, decision: Decision, predictions: pl.DataFrame) -> Gallery | None:
    """Explain the answers that tell most: surely wrong, uncertain, surely right.

    Args:
        run: That was evaluated.
        decision: How its probabilities became labels.
        predictions: A row per image, as an evaluation keeps them.

    Returns:
        The images with their maps; None when there is no image.

    Raises:
        DataError: It predicts numbers.
    """
    picked = pick_telling(run, predictions, count=_OF_A_LOOK)
    if not picked:
        return None
    subject = run_subject(run, decision)
    chosen = msgspec.structs.replace(choose_methods(subject), insides=())
    return make_gallery(Asking(subject=subject, picked=tuple(picked), chosen=chosen))
