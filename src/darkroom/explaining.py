"""`explain`: a Run or a Bundle, and images, become Explanations.

It stands above both, because a bundle is made of what is upstream of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from darkroom.bundles.bundle import Bundle, open_bundle
from darkroom.errors import ArtifactError, DataError, nearest
from darkroom.evaluation.compare import find_evaluation
from darkroom.evaluation.evaluation import Evaluation
from darkroom.evaluation.explain.choosing import (
    Picked,
    pick_files,
    pick_from_validation,
    pick_telling,
    read_picked,
)
from darkroom.evaluation.explain.explained import Effort
from darkroom.evaluation.explain.explanations import Explanations
from darkroom.evaluation.explain.gallery import Asking
from darkroom.evaluation.explain.methods import choose_methods
from darkroom.evaluation.explain.subject import Subject, refuse_numbers, run_subject
from darkroom.evaluation.explain.write import write_explanations
from darkroom.storage import read_manifest
from darkroom.training.run import Run, open_run
from darkroom.workspace import Workspace


def explain(
    subject: Run | Bundle | str | Path,
    images: Sequence[str | Path] | None = None,
    *,
    methods: Sequence[str] | None = None,
    of_class: str | None = None,
    effort: Effort | None = None,
    to: Path | str | None = None,
) -> Explanations:
    """Show what answers rest on, and test whether that can be believed.

    Every map is held against random orders of the image's cells, and, of a run, against the maps
    of the same network with random weights; one that fails is marked on its picture.

    Args:
        subject: A run or a bundle, its path or its name. Only a run can be looked into.
        images: Files, folders and patterns; default: of the run's latest evaluation those it was
            surely wrong about, uncertain of and surely right about; of a bundle its golden images.
        methods: `grad-cam`, `gradients`, `integrated-gradients`, `occlusion`, `lime`, `shap`, and
            to look inside `kernels` and `feature-maps`; default: the quick ones that work.
        of_class: What is explained; default: what was answered for each image.
        effort: What it may cost.
        to: A folder that does not exist yet; default: a new one below `explain/` in the workspace.

    Returns:
        The folder of pictures, with a page that opens offline.

    Raises:
        RecipeError: There is no such method, or the subject has not what it needs.
        DataError: There is no such class, an image is unreadable, or numbers are predicted.
        MissingExtra: The package of a method is not installed.
        ArtifactError: There is no such run or bundle, or the folder exists already.
    """
    opened, effort = _opened(subject), effort or Effort()
    if isinstance(opened, Run):
        evaluation = _latest_evaluation(opened)
        explained = run_subject(opened, evaluation.record.decision if evaluation else None)
    else:
        evaluation, explained = None, _bundle_subject(opened)
    chosen = choose_methods(explained, methods, answers=effort.answers)
    picked, unreadable = (
        (_picked(opened, evaluation), [])
        if images is None
        else pick_files(images, explained.preprocess)
    )
    asking = Asking(
        subject=explained,
        picked=tuple(picked),
        unreadable=tuple(unreadable),
        chosen=chosen,
        of_class=None if of_class is None else _class_index(explained, of_class),
        effort=effort,
    )
    return write_explanations(Path(to).expanduser() if to else _next_folder(opened), asking)


def _opened(subject: Run | Bundle | str | Path) -> Run | Bundle:
    if isinstance(subject, Run | Bundle):
        return subject
    path = Workspace().find(subject, "run", "bundle")
    return open_run(path) if read_manifest(path).kind == "run" else open_bundle(path)


def _latest_evaluation(run: Run) -> Evaluation | None:
    for part in ("test", "valid"):
        with contextlib.suppress(ArtifactError):
            return find_evaluation(run, part=part)
    return None


def _bundle_subject(bundle: Bundle) -> Subject:
    record = bundle.record
    refuse_numbers(bundle.name, record.task)
    return Subject(
        name=bundle.name,
        task=record.task,
        classes=record.classes,
        preprocess=record.preprocess,
        decision=record.decision,
        answer=bundle.predictor.answer_pixels,
    )


def _picked(opened: Run | Bundle, evaluation: Evaluation | None) -> list[Picked]:
    if isinstance(opened, Run):
        if evaluation is None:
            return pick_from_validation(opened)
        return pick_telling(opened, evaluation.predictions)
    record = opened.record
    return [
        read_picked(
            opened.path / "golden" / golden.file,
            record.preprocess,
            labels=(golden.label,) if record.task == "single-label" else None,
            why="golden",
        )
        for golden in record.golden
    ]


def _class_index(subject: Subject, name: str) -> int:
    if name not in subject.classes:
        raise DataError(
            f"{subject.name} knows no class `{name}`",
            hint=f"did you mean {nearest(name, subject.classes)}?",
        )
    return subject.classes.index(name)


def _next_folder(opened: Run | Bundle) -> Path:
    """Number the folder after every one that exists."""
    root = opened.workspace.root if isinstance(opened, Run) else Workspace().root
    stem, number = opened.name.replace("/", "-"), 1
    while (root / "explain" / f"{stem}-{number}").exists():
        number += 1
    return root / "explain" / f"{stem}-{number}"
