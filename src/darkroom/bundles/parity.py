"""Parity: does the exported network answer as the run did?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from darkroom.bundles.record import Proof
from darkroom.decision import Decision, decide
from darkroom.errors import GateError

if TYPE_CHECKING:
    from jaxtyping import Float

TOLERANCE = 1e-4  # largest difference of a probability between run and export


def prove_parity(
    original: Float[np.ndarray, "images classes"],
    exported: Float[np.ndarray, "images classes"],
    decision: Decision,
) -> Proof:
    """Compare two tables of answers to the same images.

    Args:
        original: What the run's network answers.
        exported: What the exported one answers.
        decision: How both become labels.

    Returns:
        The proof.

    Raises:
        GateError: A probability is off by more than the tolerance, or a label is another.
    """
    gap = float(np.abs(original - exported).max()) if np.isfinite(exported).all() else np.inf
    one, other = decide(original, decision), decide(exported, decision)
    same = int((one.chosen == other.chosen).all(axis=1).sum())
    if not gap <= TOLERANCE or same < len(original):
        raise GateError(
            f"the exported network does not answer as the run did: {same} of {len(original)} "
            f"answers are the same, the largest difference is {gap:.2g} (at most {TOLERANCE:.0e})",
            hint="nothing was written; report this with the run's recipe",
        )
    return Proof(
        images=len(original), same_answers=same, largest_difference=gap, tolerance=TOLERANCE
    )
