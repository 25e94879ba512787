"""Gather the Evidence of a run: what its weights answer, and what is known of its parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

import msgspec
import numpy as np

from darkroom.data.dataset import Dataset
from darkroom.data.leaks import find_leaks
from darkroom.data.pixels import Images, load_images
from darkroom.data.preprocess import scale_pixels
from darkroom.data.wording import what_opens
from darkroom.errors import ArtifactError, DataError
from darkroom.evaluation.diagnosis.evidence import Answered, Evidence, gap_between
from darkroom.evaluation.diagnosis.probes import answer_changed, find_silent, probed
from darkroom.evaluation.predict import Answerer
from darkroom.models.catalog import network_named
from darkroom.training.guards import measure_chance
from darkroom.training.run import Run
from darkroom.training.settle import settled_by_user, usual_rate

if TYPE_CHECKING:
    from jaxtyping import Int

_SAMPLE = 1_000  # images of a part at most
_GAP = 0.05  # own: from where on it is asked why the network answers worse than it learned

T = TypeVar("T")


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part, and what the network answers for some of its images."""

    images: Images
    chosen: Int[np.ndarray, "images"]
    answered: Answered


def gather(run: Run, answerer: Answerer) -> Evidence:
    """Collect what ailments judge by, within seconds.

    Args:
        run: Closed.
        answerer: Of this run; what it has answered already is not computed again.

    Raises:
        ArtifactError: The dataset is gone.
    """
    missing: dict[str, str] = {}

    def tried(name: str, work: Callable[[], T]) -> T | None:
        try:
            return work()
        except (ArtifactError, DataError) as refused:
            missing[name] = refused.problem
            return None

    plain = _told_by_records(run)
    train = tried("train", lambda: _answer(run, answerer, "train"))
    valid = tried("valid", lambda: _answer(run, answerer, "valid"))
    leaks = tried("leaked", lambda: find_leaks(run.dataset, "valid"))
    evidence = msgspec.structs.replace(
        plain,
        train=train.answered if train else None,
        valid=valid.answered if valid else None,
        leaked=leaks.images if leaks else None,
        missing=missing,
    )
    if train is None:
        return evidence
    return _look_inside(run, answerer, evidence, train, valid)


def _told_by_records(run: Run) -> Evidence:
    record, dataset = run.record, run.dataset
    targets = dataset.targets("train")
    looks = []
    if "test" in dataset.counts:
        looks = run.workspace.events("look", subject=dataset.fingerprint("test"))
    is_classes = record.task != "regression"
    exchanged = (found.what for found in record.findings if found.name == "channel-order")
    return Evidence(
        run=run.name,
        source=what_opens(dataset),
        location=dataset.record.location,
        opened_with=_opened_with(dataset),
        brings_test="test" in dataset.record.brought,
        task=record.task,
        classes=record.classes,
        recipe=record.recipe,
        settled=settled_by_user(dataset, record.recipe, record.pretrained),
        is_pretrained=record.pretrained is not None,
        takes_bytes=network_named(record.architecture.name).scaling == "bytes",
        usual_lr=usual_rate(record.recipe, record.task, is_pretrained=bool(record.pretrained)),
        steps=len(run.rates()),
        outcome=record.outcome,
        history=run.history,
        best_epoch=record.best_epoch,
        chance=measure_chance(targets, record.task, record.recipe.loss or "mse"),
        class_counts=tuple((targets > 0.5).sum(axis=0).tolist()) if is_classes else (),
        valid_images=dataset.counts.get("valid", 0),
        looks=len(looks),
        lookers=len({look.by for look in looks}),
        exchanged=next(exchanged, ""),
    )


def _opened_with(dataset: Dataset) -> dict[str, object]:
    """Give the settings of `data` that a user typed to open and group the images so."""
    columns = cast("dict[str, object]", msgspec.to_builtins(dataset.record.columns))
    named = {f"data.{name}": value for name, value in columns.items() if value is not None}
    group_by = dataset.record.group_by
    return named | ({"data.group_by": group_by} if group_by else {})


def _answer(run: Run, answerer: Answerer, part: str) -> _Part:
    run.require_weights()
    table = run.dataset.part(part)
    images = load_images(run.dataset, part, run.record.preprocess)
    count = min(len(images), _SAMPLE)
    chosen = np.unique(np.linspace(0, len(images) - 1, count).round().astype(np.int64))
    answered = Answered(
        task=run.record.task,
        images=tuple(table["image"].gather(chosen)),
        answers=answerer(part, images, chosen),
        targets=images.targets[chosen],
    )
    return _Part(images=images, chosen=chosen, answered=answered)


def _look_inside(
    run: Run, answerer: Answerer, evidence: Evidence, train: _Part, valid: _Part | None
) -> Evidence:
    """Add what takes the network itself; of a trunk that is as it was pretrained, nothing."""
    preprocess = run.record.preprocess
    some = train.images.take(probed(train.chosen, preprocess))
    evidence = msgspec.structs.replace(
        evidence, input_spread=float(scale_pixels(some, preprocess).std()), seen_images=len(some)
    )
    if run.best.stage != "head":
        silent = find_silent(answerer.network, scale_pixels(some, preprocess))
        evidence = msgspec.structs.replace(evidence, silent=silent)
    if valid is None or evidence.task != "single-label" or not _is_odd(evidence):
        return evidence
    chosen = probed(valid.chosen, preprocess)
    places = np.searchsorted(valid.chosen, chosen)
    changed = {
        name: Answered(
            task=evidence.task,
            images=tuple(valid.answered.images[place] for place in places),
            answers=answers,
            targets=valid.answered.targets[places],
        )
        for name, answers in answer_changed(
            answerer.network, valid.images.take(chosen), some, preprocess
        ).items()
    }
    return msgspec.structs.replace(evidence, changed=changed)


def _is_odd(evidence: Evidence) -> bool:
    """Tell whether new images are answered worse than known ones, or these worse than in training.

    Only then can the network be shown something else than it learned from.
    """
    best, train, valid = evidence.best, evidence.train, evidence.valid
    if best is None or train is None or valid is None:
        return False
    forgot = (best.accuracy or 0.0) - (train.score.high or 1.0)
    return max(forgot, gap_between(train.score, valid.score).low or 0.0) > _GAP
