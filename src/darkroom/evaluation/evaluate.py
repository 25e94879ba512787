"""`evaluate`: a Run and a part of its Dataset become an Evaluation."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import polars as pl

from darkroom.backend import keras
from darkroom.data.dataset import Dataset
from darkroom.data.leaks import Leaks, find_leaks
from darkroom.data.pixels import load_images
from darkroom.decision import Decision
from darkroom.disk import write_file
from darkroom.errors import ArtifactError, DataError, nearest
from darkroom.evaluation.columns import read_columns
from darkroom.evaluation.details import DETAILS, DIAGNOSIS, EXPLANATIONS, WITHOUT_LEAKS, Judged
from darkroom.evaluation.diagnosis.ailments import judge_evidence
from darkroom.evaluation.diagnosis.gather import gather
from darkroom.evaluation.evaluation import Evaluation, EvaluationRecord, open_evaluation
from darkroom.evaluation.explain.subject import refuse_numbers
from darkroom.evaluation.explain.telling import explain_telling
from darkroom.evaluation.explain.write import fill_folder
from darkroom.evaluation.gates import check_metric, judge_problem
from darkroom.evaluation.judging import Asked, judge_classes, judge_numbers
from darkroom.evaluation.predict import Answerer
from darkroom.evaluation.report import Beside, work_beside, write_report
from darkroom.evaluation.slices import Column
from darkroom.evaluation.strangers import prepare_strangers
from darkroom.problem import Problem
from darkroom.records import to_json
from darkroom.training.run import Run, open_run

PARTS = ("test", "valid", "train")


def evaluate(
    run: Run | str | Path,
    *,
    part: str = "test",
    problem: Problem | None = None,
    slices: Mapping[str, Column] | str | Path | None = None,
    unknown: Sequence[Dataset | str | Path] = (),
    explain: bool = False,
) -> Evaluation:
    """Measure a run on a part of its dataset, with error bars.

    How probabilities become labels is fitted on the validation part first: temperature, and by
    the Problem's costs and shares also thresholds and when to give no answer. A look at the test
    part is counted in the ledger before anything is computed. When images of the part stand in a
    part that training has seen, as copies or near-duplicates, everything is measured twice: as it
    is, and without them; promises are held against the latter.

    Args:
        run: A run, its path or its name.
        part: `test`, `valid` or `train`.
        problem: The numbers to reach; they are held against the intervals. What errors and no
            answers cost decides the thresholds.
        slices: What to slice by on top of the usual: columns with a value per image in the order
            of the part, or a CSV or Parquet file with a column `image` and any others.
        unknown: Sources of images of no known class, to measure how many are taken for known;
            also a plain folder of them.
        explain: Show for a few telling images what the answers rest on, each map tested; takes
            from a second with a small network to minutes with a large one.

    Returns:
        Metrics with 95 % intervals, a table of predictions and an HTML report; everything is
        computed in float32, whatever precision trained.

    Raises:
        ArtifactError: The run is open, damaged, or has no weights.
        DataError: The part is missing or unlabelled, a slice or a source of strangers does not
            fit, the run's source is gone or changed, or numbers were to be explained.
        RecipeError: The problem names a class that does not exist, or a metric of another task.
    """
    run = run if isinstance(run, Run) else open_run(run)
    dataset, problem = run.dataset, problem or Problem()
    # Whatever can be refused is refused here, before a look is counted.
    _refuse(run, part, problem)
    if explain:
        refuse_numbers(run.name, run.record.task)
    dataset.verify_source()
    images, leaks = load_images(dataset, part, run.record.preprocess), find_leaks(dataset, part)
    table = dataset.part(part)
    asked = Asked(
        run=run,
        part=part,
        images=images,
        leaked=table["image"].is_in(list(leaks.images)).to_numpy(),
        problem=problem,
        columns=_columns(slices, table),
        strangers=dict(prepare_strangers(run, source) for source in unknown),
    )
    looks = _count_look(run, dataset.fingerprint(part)) if part == "test" else 0
    with work_beside(run.workspace.cache) as beside:
        answerer = Answerer(run)
        if run.record.task == "regression":
            decision, judged = Decision(task=run.record.task), judge_numbers(asked, answerer)
        else:
            decision, judged = judge_classes(asked, answerer)
        diagnosis = judge_evidence(gather(run, answerer))
        gallery = explain_telling(run, decision, judged.predictions) if explain else None
        judged = msgspec.structs.replace(judged, diagnosis=diagnosis, gallery=gallery)
        return _store(asked, _record(asked, leaks, looks, decision, judged), judged, beside)


def _refuse(run: Run, part: str, problem: Problem) -> None:
    run.require_weights()
    check_metric(problem, run.record.task)
    problem.check_classes(run.record.classes)
    if part not in PARTS:
        raise DataError(
            f"{part!r} is no part with labels to measure against: those are {', '.join(PARTS)}",
            hint=f"--part {nearest(part, PARTS).strip('`')}",
        )


def _columns(
    slices: Mapping[str, Column] | str | Path | None, table: pl.DataFrame
) -> dict[str, Column]:
    """Give what the user wants to slice by, a value for each image of the part."""
    if slices is None:
        return {}
    if isinstance(slices, str | Path):
        return read_columns(Path(slices), table["image"].to_list())
    for name, values in slices.items():
        if len(values) != len(table):
            raise DataError(
                f"the slice {name} has {len(values):,} values, the part {len(table):,} images",
                hint="give a value for each image, in the order of dataset.part(part)",
            )
    return dict(slices)


def _record(
    asked: Asked, leaks: Leaks, looks: int, decision: Decision, judged: Judged
) -> EvaluationRecord:
    run, part = asked.run, asked.part
    fresh = judged.without_leaks if leaks.images else judged.metrics
    return EvaluationRecord(
        run=run.name,
        dataset=run.dataset.name,
        part=part,
        part_fingerprint=run.dataset.fingerprint(part),
        looks=looks,
        copies=len(leaks.copies),
        near_duplicates=len(leaks.near),
        task=run.record.task,
        classes=run.record.classes,
        decision=decision,
        problem=asked.problem,
        promises=judge_problem(asked.problem, fresh),
        backend=keras.backend.backend(),
    )


def _count_look(run: Run, fingerprint: str) -> int:
    run.workspace.record_event("look", subject=fingerprint, by=run.name)
    return len(run.workspace.events("look", subject=fingerprint))


def _store(asked: Asked, record: EvaluationRecord, judged: Judged, beside: Beside) -> Evaluation:
    run = asked.run
    workspace = run.workspace
    parents = (run.manifest.as_parent(), run.dataset.as_parent())
    parquet = io.BytesIO()
    judged.predictions.write_parquet(parquet)
    files = {
        "evaluation.json": to_json(record),
        "metrics.json": to_json(judged.metrics),
        DETAILS: to_json(judged.details),
        DIAGNOSIS: to_json(judged.diagnosis),
        "predictions.parquet": parquet.getvalue(),
    }
    if judged.without_leaks is not None:
        files[WITHOUT_LEAKS] = to_json(judged.without_leaks)
    while True:
        name = workspace.next_name("evaluation", f"{run.name}-{record.part}")
        target = workspace.folder("evaluation") / name
        try:
            with workspace.stage(
                "evaluation", name, made_by="evaluate", parents=parents
            ) as staging:
                for file, content in files.items():
                    write_file(staging / file, content)
                if judged.gallery is not None:
                    fill_folder(staging / EXPLANATIONS, judged.gallery)
                write_report(staging / "report.html", name, run, record, judged, beside)
        except ArtifactError:
            if target.exists():
                continue  # another process took the number in between
            raise
        return open_evaluation(target)
