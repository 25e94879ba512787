"""`diagnose`: a Run becomes a Diagnosis."""

from __future__ import annotations

from pathlib import Path

from darkroom.evaluation.diagnosis.ailments import judge_evidence
from darkroom.evaluation.diagnosis.diagnosis import Diagnosis
from darkroom.evaluation.diagnosis.gather import gather
from darkroom.evaluation.predict import Answerer
from darkroom.training.run import Run, open_run
from darkroom.workspace import Workspace


def diagnose(run: Run | str | Path, *, workspace: Workspace | None = None) -> Diagnosis:
    """Say what ails a run, by which evidence, and what to try next.

    Looks at the history, at answers for up to 1,000 images of the training and of the validation
    part each, and inside the network. The test part is not touched.

    Args:
        run: A closed run, its path or its name.
        workspace: Where runs are found by name.

    Returns:
        Findings with 95 % intervals and one next step each, what to mend first comes first; those
        that others explain; and what could not be judged, with why.

    Raises:
        ArtifactError: The run is open or damaged, or its dataset is gone.
    """
    run = run if isinstance(run, Run) else open_run(run, workspace=workspace)
    return judge_evidence(gather(run, Answerer(run)))
