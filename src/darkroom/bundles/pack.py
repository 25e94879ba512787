"""`pack`: a Run and its Evaluation become a Bundle, or nothing is written."""

from __future__ import annotations

import io
import re
from pathlib import Path, PurePosixPath
from shlex import quote

import numpy as np
import polars as pl

from darkroom.bundles.bundle import Bundle, open_bundle
from darkroom.bundles.card import write_card
from darkroom.bundles.export.onnx import export_onnx
from darkroom.bundles.parity import prove_parity
from darkroom.bundles.predictor import GOLDEN_PIXELS, pixels_sha256
from darkroom.bundles.record import FOLDER_NAME, MODEL_FILE, BundleRecord, Golden, Score
from darkroom.bundles.runtimes import OnnxRuntime
from darkroom.data.pixels import Images, load_images
from darkroom.data.preprocess import scale_pixels
from darkroom.disk import refuse_taken, write_file
from darkroom.errors import ArtifactError, DataError, RecipeError
from darkroom.evaluation.evaluation import Evaluation, open_evaluation
from darkroom.records import to_json
from darkroom.training.run import BEST_WEIGHTS, Run, open_run
from darkroom.workspace import Workspace

_GOLDEN = 16
_COMPARED = 256
_NO_NAME = re.compile(r"[^0-9A-Za-z._-]+")


def pack(
    run: Run | str | Path,
    evaluation: Evaluation | str | Path | None = None,
    *,
    name: str | None = None,
    version: str | None = None,
    workspace: Workspace | None = None,
) -> Bundle:
    """Pack a run into a bundle, proven to answer as the run did.

    The network is exported to ONNX and held against the original on 16 golden images and up to
    256 images of the validation part, never of the test part.

    Args:
        run: A run, its path or its name.
        evaluation: Whose score is quoted; default is the latest on the test part.
        name: Of the bundle; default is that of the data, as far as it can name a folder.
        version: Default is the next free one: 0.1.0, 0.2.0, ...
        workspace: Where artifacts are found by name.

    Raises:
        DataError: The run predicts numbers.
        ArtifactError: The run has no evaluation of its test part, the version exists, or the
            export failed.
        GateError: The exported network does not answer as the run did.
        RecipeError: The name or version is no good as a folder's name.
    """
    run = run if isinstance(run, Run) else open_run(run, workspace=workspace)
    if run.record.task == "regression":
        raise DataError(
            f"{run.name} predicts a number, and only classes can be packed so far",
            hint=f"open_run({run.name!r}).model() answers in Python",
        )
    if evaluation is None:
        evaluation = _latest_evaluation(run)
    elif not isinstance(evaluation, Evaluation):
        evaluation = open_evaluation(evaluation, workspace=workspace)
    if run.manifest.id not in {parent.id for parent in evaluation.manifest.parents}:
        raise ArtifactError(
            f"{evaluation.name} is not an evaluation of {run.name}",
            hint=f"darkroom evaluate {quote(str(run.path))}",
        )
    name, version = _checked_name(run, name, version)
    refuse_taken(run.workspace.folder("bundle") / name / version)
    images = load_images(run.dataset, "valid", run.record.preprocess)
    golden = _golden_rows(images)
    rest = np.setdiff1d(np.arange(len(images)), golden)
    compared = np.concatenate([golden, _spread(rest, _COMPARED)])
    scaled = scale_pixels(images.take(compared), run.record.preprocess)
    exported = export_onnx(run.record.architecture, (run.path / BEST_WEIGHTS).read_bytes(), scaled)
    files = run.dataset.read(run.dataset.part("valid")[golden.tolist()])
    parents = (run.manifest.as_parent(), evaluation.manifest.as_parent())
    target = f"{name}/{version}"
    with run.workspace.stage("bundle", target, made_by="pack", parents=parents) as staging:
        write_file(staging / MODEL_FILE, exported.model)
        answers = OnnxRuntime(staging / MODEL_FILE).answer(scaled)
        record = BundleRecord(
            name=name,
            version=version,
            task=run.record.task,
            classes=run.record.classes,
            preprocess=run.record.preprocess,
            decision=evaluation.record.decision,
            model=run.record.architecture.name,
            score=_score(evaluation),
            promises=evaluation.record.promises,
            problem=evaluation.record.problem,
            proof=prove_parity(exported.answers, answers, evaluation.record.decision),
            golden=_golden_records(run, images, golden, exported.answers),
            trained_with=run.record.versions,
        )
        _fill(staging, record, run, images.take(golden), files)
    return open_bundle(run.workspace.folder("bundle") / target)


def _fill(
    staging: Path, record: BundleRecord, run: Run, pixels: np.ndarray, files: list[bytes]
) -> None:
    write_file(staging / "bundle.json", to_json(record))
    write_file(staging / "architecture.json", to_json(run.record.architecture))
    write_file(staging / "weights.safetensors", (run.path / BEST_WEIGHTS).read_bytes())
    buffer = io.BytesIO()
    np.save(buffer, pixels)
    write_file(staging / GOLDEN_PIXELS, buffer.getvalue())
    for golden, data in zip(record.golden, files, strict=True):
        write_file(staging / "golden" / golden.file, data)
    card = write_card(record, run.record, run.dataset.name, run.dataset.counts)
    write_file(staging / "card.md", card.encode())


def _latest_evaluation(run: Run) -> Evaluation:
    """Find the score to quote: one on training images would flatter, so only the test part's."""
    for path, manifest in run.workspace.artifacts("evaluation"):
        if run.manifest.id in {parent.id for parent in manifest.parents}:
            evaluation = open_evaluation(path)
            if evaluation.record.part == "test":
                return evaluation
    raise ArtifactError(
        f"{run.name} was never evaluated on its test part",
        hint=f"darkroom evaluate {quote(str(run.path))}",
    )


def _checked_name(run: Run, name: str | None, version: str | None) -> tuple[str, str]:
    name = _default_name(run.dataset.record.name) if name is None else name
    if version is None:
        below = run.workspace.folder("bundle") / name
        taken = [path.name.split(".") for path in below.glob("0.*.0")]
        minors = [int(parts[1]) for parts in taken if len(parts) == 3 and parts[1].isdecimal()]
        version = f"0.{max(minors, default=0) + 1}.0"
    for word, value in (("name", name), ("version", version)):
        if not FOLDER_NAME.fullmatch(value):
            raise RecipeError(
                f"the {word} {value!r} cannot name a folder: it begins with a letter or digit of "
                "a-z, and holds no more than 64 of them, dots, dashes, pluses and underscores",
                hint=f"--{word} {'digits' if word == 'name' else '1.0.0'}",
            )
    return name, version


def _default_name(data: str) -> str:
    return _NO_NAME.sub("-", data)[:64].strip("-._") or "bundle"


def _golden_rows(images: Images) -> np.ndarray:
    """Take images of every class in turn, spread over each, until there are enough."""
    labels = images.targets.argmax(axis=1)
    count = min(_GOLDEN, len(images))
    turns = np.zeros(len(images), np.int64)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        turns[own[np.argsort(images.identities[own], kind="stable")]] = np.arange(len(own))
    return np.sort(np.lexsort((labels, turns))[:count])


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    places = np.linspace(0, len(rows) - 1, min(count, len(rows)))
    return rows[places.astype(np.int64)]


def _golden_records(
    run: Run, images: Images, rows: np.ndarray, answers: np.ndarray
) -> tuple[Golden, ...]:
    names = run.dataset.part("valid").select(pl.col("image"))["image"].to_list()
    classes = run.record.classes
    return tuple(
        Golden(
            file=f"{number:02d}{PurePosixPath(names[row]).suffix.lower()}",
            label=", ".join(classes[label] for label in np.flatnonzero(images.targets[row])),
            pixels_sha256=pixels_sha256(images.take(np.array([row]))[0]),
            probabilities=tuple(float(share) for share in answers[number]),
        )
        for number, row in enumerate(rows.tolist())
    )


def _score(evaluation: Evaluation) -> Score:
    record, whole = evaluation.record, evaluation.metrics
    fresh = evaluation.metrics_without_leaks
    honest = fresh or whole
    return Score(
        part=record.part,
        images=honest.images,
        accuracy=honest.accuracy.value or 0.0,
        low=honest.accuracy.low or 0.0,
        high=honest.accuracy.high or 0.0,
        looks=record.looks,
        leaked=record.copies + record.near_duplicates,
        with_leaks=whole.accuracy.value if fresh else None,
    )
