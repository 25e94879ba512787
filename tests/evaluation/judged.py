"""Runs that were never trained, and what an evaluation of them could have measured.

The runs are real artifacts without weights; the answers are drawn, with a few classes that are
hard to tell apart, so that a report has something to say.
"""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.decision import Decision, decide
from darkroom.disk import write_file
from darkroom.evaluation.baselines import Baseline
from darkroom.evaluation.calibration import Calibration, ReliabilityBin
from darkroom.evaluation.coverage import CoveragePoint
from darkroom.evaluation.curves import ClassCurves
from darkroom.evaluation.deciding import DecisionFit
from darkroom.evaluation.details import Details, Judged
from darkroom.evaluation.evaluation import EvaluationRecord
from darkroom.evaluation.metrics import ClassMetrics, Metrics, TopK
from darkroom.evaluation.regression import RegressionMetrics
from darkroom.evaluation.slices import Slice, Slices
from darkroom.evaluation.thresholds import ClassTradeOff, CostPoint, Costs
from darkroom.evaluation.unknown import OutlierKind, Unknown
from darkroom.intervals import Estimate, Rate, mean_of_rates, wilson
from darkroom.models.architecture import Architecture
from darkroom.problem import Problem, judge
from darkroom.records import to_json
from darkroom.storage import verified
from darkroom.training.recipe import Recipe
from darkroom.training.record import Device, Epoch, History, RunRecord
from darkroom.training.run import Run

NOTHING = Rate(value=None, low=None, high=None)


def make_run(dataset: Dataset, *, epochs: int = 8) -> Run:
    """Keep a run that looks trained, without weights."""
    preprocess = dataset.default_preprocess()
    architecture = Architecture(
        name="mlp",
        version=1,
        height=preprocess.height,
        width=preprocess.width,
        channels=preprocess.channels,
        classes=max(len(dataset.classes), 1),
        task=dataset.task,
    )
    record = RunRecord(
        recipe=Recipe(model="mlp", epochs=epochs, batch_size=16, monitor="accuracy"),
        architecture=architecture,
        preprocess=preprocess,
        task=dataset.task,
        classes=dataset.classes,
        device=Device(kind="cpu", name="two cores", backend="jax", precision="float32"),
        parameters=123_456,
        images=dataset.counts["train"],
        versions={"darkroom": "0", "keras": "3"},
        findings=(),
        despite=(),
        outcome="finished",
        best_epoch=epochs - 1,
    )
    workspace = dataset.workspace
    name = workspace.next_name("run", "drawn")
    parents = (dataset.as_parent(),)
    with workspace.stage("run", name, made_by="train", parents=parents) as staging:
        write_file(staging / "run.json", to_json(record))
        history = History(epochs=tuple(_epoch(dataset, number) for number in range(1, epochs + 1)))
        write_file(staging / "history.json", to_json(history))
    path = workspace.folder("run") / name
    return Run(path, verified(path, "run"))


def _epoch(dataset: Dataset, number: int) -> Epoch:
    loss = 1.6 * 0.72**number + 0.2
    right = {"accuracy": 0.96 - 0.6 * 0.7**number, "valid_accuracy": 0.92 - 0.6 * 0.68**number}
    if dataset.task == "regression":
        right = {"error": loss, "valid_error": 1.2 * loss}
    return Epoch(
        number=number, loss=loss, valid_loss=loss + 0.02 * number, learning_rate=1e-3, **right
    )


def draw_answers(dataset: Dataset, part: str, *, skill: float = 6.0, seed: int = 0) -> np.ndarray:
    """Draw probabilities in which neighbouring classes are confused, in pairs.

    Returns:
        Images x classes; of several labels each for itself.
    """
    rng = np.random.default_rng(seed)
    targets = dataset.targets(part)
    images, classes = targets.shape
    logits = rng.normal(0, 1.6, (images, classes)) + skill * targets
    if dataset.task == "multi-label":
        return (1 / (1 + np.exp(skill / 2 - logits))).astype(np.float32)
    # The classes differ in how hard they are; each one's other half looks much like it.
    true = targets.argmax(axis=1)
    likeness = np.linspace(0.15, 0.8, classes)[true] * rng.random(images) * skill
    logits[np.arange(images), np.where(true % 2, true - 1, np.minimum(true + 1, classes - 1))] += (
        likeness
    )
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (exponents / exponents.sum(axis=1, keepdims=True)).astype(np.float32)


def make_predictions(
    dataset: Dataset, part: str, answers: np.ndarray, decision: Decision, *, leaked: int = 0
) -> pl.DataFrame:
    """Make the table of an evaluation; the first images leaked."""
    decided, names = decide(answers, decision), np.array(dataset.classes, dtype=object)
    truth = dataset.targets(part) > 0.5
    return pl.DataFrame(
        {
            "image": dataset.part(part)["image"],
            "labels": [names[row].tolist() for row in truth],
            "predicted": [names[row].tolist() for row in decided.chosen],
            "correct": (truth == decided.chosen).all(axis=1) & ~decided.abstained,
            "confidence": decided.probabilities.max(axis=1),
            "probabilities": decided.probabilities.tolist(),
            "abstained": decided.abstained,
            "leaked": np.arange(len(truth)) < leaked,
        },
        schema_overrides={
            "labels": pl.List(pl.String),
            "predicted": pl.List(pl.String),
            "confidence": pl.Float32,
            "probabilities": pl.List(pl.Float32),
        },
    )


def count(dataset: Dataset, table: pl.DataFrame) -> Metrics:
    """Count what a table of predictions is worth; what needs a bootstrap is about right."""
    classes = dataset.classes
    truth, taken = (
        np.array([[name in row for name in classes] for row in table[column].to_list()])
        for column in ("labels", "predicted")
    )
    per_class = tuple(
        _count_class(name, truth[:, place], taken[:, place]) for place, name in enumerate(classes)
    )
    right, images = int(table["correct"].sum()), len(table)
    answered = int((~table["abstained"]).sum())
    accuracy = wilson(right, images)
    confusion = np.zeros((len(classes), len(classes)), int)
    if dataset.task == "single-label":
        best = np.array(table["probabilities"].to_list()).argmax(axis=1)
        chosen = np.where(taken.any(axis=1), taken.argmax(axis=1), best)
        np.add.at(confusion, (truth.argmax(axis=1), chosen), 1)
    single = dataset.task == "single-label"
    return Metrics(
        images=images,
        accuracy=accuracy,
        balanced_accuracy=mean_of_rates([each.recall for each in per_class]),
        macro_f1=mean_of_rates([each.f1 for each in per_class]),
        weighted_f1=mean_of_rates([each.f1 for each in per_class]),
        answered=wilson(answered, images),
        accuracy_of_answered=wilson(right, answered),
        top_k=tuple(
            TopK(k=k, rate=wilson(images - (images - right) // k, images))
            for k in (2, 3, 5)
            if single and k < len(classes)
        ),
        roc_area=mean_of_rates([each.roc_area for each in per_class]),
        loss=Estimate(value=0.2871, low=0.2702, high=0.3046),
        brier=Estimate(value=0.1214, low=0.1147, high=0.1283),
        classes=per_class,
        confusion=tuple(tuple(map(int, row)) for row in confusion) if single else (),
    )


def _count_class(name: str, truth: np.ndarray, taken: np.ndarray) -> ClassMetrics:
    hits, own, others = int((truth & taken).sum()), int(truth.sum()), int((~truth).sum())
    false = int((~truth & taken).sum())
    f1 = wilson(2 * hits, 2 * hits + false + own - hits) if own + false else NOTHING
    return ClassMetrics(
        name=name,
        images=own,
        precision=wilson(hits, hits + false),
        recall=wilson(hits, own),
        false_positive_rate=wilson(false, others),
        false_negative_rate=wilson(own - hits, own),
        f1=msgspec.structs.replace(f1, hits=None, of=None),
        roc_area=wilson(99 * hits, 100 * hits) if own and others else NOTHING,
        average_precision=wilson(97 * hits, 100 * hits) if own and others else NOTHING,
    )


def make_details(dataset: Dataset, table: pl.DataFrame, decision: Decision) -> Details:
    """Make up the rest, in the forms that the real measurements have."""
    right, images = int(table["correct"].sum()), len(table)
    share = np.linspace(0, 1, 41)
    is_single = dataset.task == "single-label"
    return Details(
        fit=DecisionFit(images=dataset.counts["valid"], notes=("too few images for thresholds",)),
        curves=tuple(
            ClassCurves(
                name=name,
                roc=tuple((float(at), float(at ** (0.05 + 0.01 * place))) for at in share),
                precision_recall=tuple((float(at), float(1 - 0.6 * at**9)) for at in share),
            )
            for place, name in enumerate(dataset.classes)
        ),
        calibration=_calibration(decision),
        coverage=tuple(
            CoveragePoint(
                threshold=float(at),
                answered=float(1 - 0.8 * at**4),
                accuracy=float(right / images + (1 - right / images) * at**2),
                cost=None,
            )
            for at in share[:-1]
        ),
        costs=_costs(dataset),
        unknown=_unknown() if is_single else None,
        slices=_slices(dataset, table),
        baselines=_baselines(right, images),
    )


def _calibration(decision: Decision) -> Calibration:
    middles = np.linspace(0.15, 0.98, 12)
    answers = np.geomspace(40, 4000, 12).astype(int)

    def bins(honesty: float) -> tuple[ReliabilityBin, ...]:
        return tuple(
            ReliabilityBin(
                low=float(at) - 0.03,
                high=min(float(at) + 0.03, 1.0),
                images=int(of),
                confidence=float(at),
                accuracy=wilson(round(float(of * at * honesty)), int(of)),
            )
            for at, of in zip(middles, answers, strict=True)
        )

    return Calibration(
        images=int(answers.sum()),
        gap=Estimate(value=0.012, low=0.009, high=0.017),
        gap_before=Estimate(value=0.061, low=0.055, high=0.067),
        temperature=decision.temperature,
        bins=bins(0.99),
        bins_before=bins(0.92),
    )


def _costs(dataset: Dataset) -> Costs:
    curve = ClassTradeOff(
        name=dataset.classes[-1],
        chosen=0.4,
        points=tuple(
            CostPoint(
                threshold=float(at),
                false_positive_rate=float((1 - at) ** 4),
                false_negative_rate=float(at**4),
                cost=float(2 * (1 - at) ** 4 + at**4),
            )
            for at in np.linspace(0, 1, 41)
        ),
    )
    return Costs(
        images=dataset.counts["test"],
        plain=Estimate(value=0.31, low=0.28, high=0.34),
        chosen=Estimate(value=0.22, low=0.20, high=0.24),
        difference=Estimate(value=-0.09, low=-0.11, high=-0.07),
        curves=(curve,) if len(dataset.classes) == 2 or dataset.task == "multi-label" else (),
    )


def _unknown() -> Unknown:
    return Unknown(
        by="certainty",
        threshold=0.71,
        false_alarms_wanted=0.05,
        false_alarms=wilson(52, 1000),
        kinds=(
            OutlierKind(
                name="noise", images=256, caught=wilson(250, 256), roc_area=wilson(99, 100)
            ),
            OutlierKind(name="stripes", images=0, caught=wilson(0, 0), roc_area=NOTHING),
        ),
        points=tuple((float(at), float(at**0.15)) for at in np.linspace(0, 1, 41)),
    )


def _slices(dataset: Dataset, table: pl.DataFrame) -> Slices:
    right, images = int(table["correct"].sum()), len(table)
    whole = right / images

    def of(column: str, value: str, share: float, accuracy: float, *, worse: bool) -> Slice:
        count = max(round(images * share), 10)
        return Slice(
            column=column,
            value=value,
            images=count,
            accuracy=wilson(round(accuracy * count), count),
            difference=Estimate(
                value=accuracy - whole, low=accuracy - whole - 0.03, high=accuracy - whole + 0.03
            ),
            p=0.0004 if worse else 0.8,
            is_worse=worse,
        )

    return Slices(
        rows=(
            of("class", dataset.classes[-1], 0.1, 0.85 * whole, worse=True),
            of("brightness", "0.06 .. 0.31", 0.25, 0.93 * whole, worse=True),
            of("sharpness", "0.1 .. 0.22", 0.25, 0.99 * whole, worse=False),
            of("brightness", "0.61 .. 0.9", 0.25, min(1.03 * whole, 1), worse=False),
        ),
        compared=18,
        left_out=("camera: nothing is said of it", "group: fewer than 10 images in each"),
    )


def _baselines(right: int, images: int) -> tuple[Baseline, ...]:
    def ran(name: str, what: str, share: float) -> Baseline:
        accuracy, difference = wilson(round(share * images), images), right / images - share
        return Baseline(
            name=name,
            what=what,
            accuracy=accuracy,
            difference=Estimate(value=difference, low=difference - 0.02, high=difference + 0.02),
            is_beaten=difference > 0.02,
            why_not="",
        )

    return (
        ran("majority", "always the most frequent class", 0.1),
        ran("mean colour", "the class of the most alike mean colour", 0.21),
        ran("logistic regression", "on small pixels", 0.4),
        Baseline(
            name="nearest neighbour",
            what="the class of the most alike training image",
            accuracy=NOTHING,
            difference=Estimate(value=None),
            is_beaten=None,
            why_not="60,000 training images are more than it can compare",
        ),
    )


def make_judged(
    dataset: Dataset,
    *,
    part: str = "test",
    decision: Decision | None = None,
    leaked: int = 0,
    skill: float = 6.0,
) -> Judged:
    """Make everything that an evaluation of a dataset measures, without a network."""
    if dataset.task == "regression":
        return _judged_numbers(dataset, part)
    rule = decision or Decision(task=dataset.task, temperature=1.4)
    answers = draw_answers(dataset, part, skill=skill)
    table = make_predictions(dataset, part, answers, rule, leaked=leaked)
    fresh = table.filter(~pl.col("leaked"))
    return Judged(
        metrics=count(dataset, table),
        without_leaks=count(dataset, fresh) if leaked and len(fresh) else None,
        details=make_details(dataset, table, rule),
        predictions=table,
    )


def _judged_numbers(dataset: Dataset, part: str) -> Judged:
    targets = dataset.targets(part)[:, 0].astype(np.float64)
    errors = np.random.default_rng(0).normal(0.02, 0.3 * targets.std() + 1e-6, len(targets))
    spread, mae = float(targets.std()), float(np.abs(errors).mean())

    def about(value: float) -> Estimate:
        return Estimate(value=value, low=value - 0.1 * abs(value), high=value + 0.1 * abs(value))

    return Judged(
        metrics=RegressionMetrics(
            images=len(targets),
            mae=about(mae),
            mse=about(float((errors**2).mean())),
            rmse=about(float((errors**2).mean() ** 0.5)),
            r2=about(1 - float((errors**2).mean()) / max(spread**2, 1e-9)),
            bias=about(float(errors.mean())),
            always_mean=about(0.8 * spread),
        ),
        without_leaks=None,
        details=Details(),
        predictions=pl.DataFrame(
            {
                "image": dataset.part(part)["image"],
                "target": targets,
                "value": (targets + errors).astype(np.float32),
                "error": errors.astype(np.float32),
                "leaked": np.zeros(len(targets), bool),
            }
        ),
    )


def make_record(
    run: Run,
    judged: Judged,
    *,
    part: str = "test",
    problem: Problem | None = None,
    decision: Decision | None = None,
) -> EvaluationRecord:
    """Make the record that belongs to what was measured."""
    asked, leaked = problem or Problem(), int(judged.predictions["leaked"].sum())
    fresh = judged.without_leaks or judged.metrics
    promises = []
    if asked.goal is not None:
        measured = getattr(fresh, asked.metric.replace("-", "_"))
        promises.append(
            judge(
                asked.metric,
                wanted=asked.goal,
                measured=measured,
                images=fresh.images,
                less_is_better=asked.metric in ("mae", "rmse"),
            )
        )
    promises += [
        judge(f"recall of {each.name}", wanted=asked.floors[each.name], measured=each.recall)
        for each in getattr(fresh, "classes", ())
        if each.name in asked.floors
    ]
    return EvaluationRecord(
        run=run.name,
        dataset=run.dataset.name,
        part=part,
        part_fingerprint=run.dataset.fingerprint(part),
        looks=1 if part == "test" else 0,
        copies=leaked - leaked // 2,
        near_duplicates=leaked // 2,
        task=run.record.task,
        classes=run.record.classes,
        decision=decision or Decision(task=run.record.task, temperature=1.4),
        problem=asked,
        promises=tuple(promises),
        backend="jax",
    )
