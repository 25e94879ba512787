"""The search for a learning rate: it climbs on copies of a network, and the loss is watched."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np

from darkroom.backend import keras
from darkroom.data.dataset import Dataset
from darkroom.data.opening import open_dataset
from darkroom.data.split import split_dataset
from darkroom.errors import RecipeError
from darkroom.progress import track
from darkroom.training.batches import as_input
from darkroom.training.course import stage_epochs
from darkroom.training.loop import build_network
from darkroom.training.optimizers import make_optimizer, usual_peak_lr
from darkroom.training.plan import plan
from darkroom.training.rate_search import Climb, Proof, RateSearch
from darkroom.training.recipe import Recipe, given_recipe
from darkroom.training.record import RunRecord
from darkroom.training.repeats import Mean, geometric_mean_of
from darkroom.training.run import Run, assign_weights, dump_weights
from darkroom.training.stages import Stage, make_stage
from darkroom.training.valley import Explosion, find_valley
from darkroom.workspace import Workspace

if TYPE_CHECKING:
    from jaxtyping import Float

_DOWN, _UP = 1e-4, 1e2  # times the optimizer's usual rate: where a search begins and ends; own


def find_learning_rate(
    dataset: Dataset | Run | str | Path,
    recipe: Recipe | None = None,
    *,
    repeats: int = 3,
    steps: int = 100,
    bounds: tuple[float, float] | None = None,
    workspace: Workspace | None = None,
) -> RateSearch:
    """Find the learning rate at which a network learns fastest on a dataset.

    The rate climbs step by step, evenly on a logarithmic axis, until the loss explodes. Every
    repeat trains a copy, with other images first; nothing is kept, and no run is made. Of a
    training in stages it is the first that is searched, and a curriculum is left out.

    Args:
        dataset: What is trained on, as `train` takes it; or a Run, whose weights each repeat then
            copies and whose recipe and dataset are taken.
        recipe: As for `train`; its learning rate and schedule do not matter.
        repeats: Climbs with seeds of their own, at least 2.
        steps: Of one climb, at least 20.
        bounds: The lowest and the highest rate; default: a ten-thousandth and a hundred times the
            usual rate of the optimizer.
        workspace: Where a dataset is opened.

    Returns:
        All climbs and two suggestions, each the geometric mean over the repeats with its 95 %
        interval; none where fewer than half of the repeats, or fewer than 2, have a valley.

    Raises:
        RecipeError: The settings are wrong, a recipe is given beside a run, or the run was trained
            in stages.
        DataError: As `train`.

    Source: Smith 2015, arXiv:1506.01186.
    """
    _refuse(repeats, steps, bounds)
    run, dataset = _opened(dataset, workspace)
    if run is not None:
        _refuse_run(run, recipe)
    dataset.verify_source()
    record = _for_search(run.record if run else plan(dataset, given_recipe(recipe)), dataset, steps)
    optimizer = record.recipe.optimizer.name or "sgd"
    usual = usual_peak_lr(optimizer)
    rates = np.geomspace(*(bounds or (_DOWN * usual, _UP * usual)), steps).tolist()
    files = run_digest(run) if run else ""
    seeded = [_reseeded(record, number) for number in range(repeats)]
    origins = [_origin(dataset, each, run) for each in seeded]
    weights = _digest(origins)
    climbs = tuple(_climbs(dataset, seeded, origins, rates))
    return RateSearch(
        dataset=dataset.name,
        began_from=f"the weights of {run.name}" if run else "fresh weights",
        model=record.architecture.name,
        optimizer=optimizer,
        rates=tuple(rates),
        climbs=climbs,
        valley=_suggested([climb.found.valley for climb in climbs]),
        steepest=_suggested([climb.found.steepest for climb in climbs]),
        proof=Proof(
            weights=(weights, _digest(origins)), files=(files, run_digest(run)) if run else None
        ),
    )


def weights_digest(model: keras.Model) -> str:
    """Name the weights of a model, also those that are not trained, by one sha256."""
    return hashlib.sha256(dump_weights(model)).hexdigest()


def _digest(stages: Sequence[Stage]) -> str:
    """Name the weights of several networks by one sha256; where all have the same, by theirs."""
    each = [weights_digest(stage.network) for stage in stages]
    return each[0] if len(set(each)) == 1 else hashlib.sha256(" ".join(each).encode()).hexdigest()


def run_digest(run: Run) -> str:
    """Name all files of a run, by name and content, by one sha256."""
    digest = hashlib.sha256()
    for path in sorted(path for path in run.path.rglob("*") if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(run.path)}\0{content}\n".encode())
    return digest.hexdigest()


def _suggested(rates: Sequence[float | None]) -> Mean | None:
    known = [rate for rate in rates if rate is not None]
    return geometric_mean_of(known) if len(known) >= max(len(rates) / 2, 2) else None


def _refuse(repeats: int, steps: int, bounds: tuple[float, float] | None) -> None:
    if repeats < 2 or steps < 20:
        raise RecipeError(
            f"a search of {repeats} x {steps} steps cannot tell: it takes 2 repeats of 20 steps",
            hint="find_learning_rate(dataset, repeats=3, steps=100)",
        )
    if bounds is not None and not 0 < bounds[0] < bounds[1] < math.inf:
        raise RecipeError(
            f"bounds = {bounds} are not two rates above 0, the lower one first",
            hint="bounds=(1e-5, 1)",
        )


def _refuse_run(run: Run, recipe: Recipe | None) -> None:
    if recipe is not None:
        raise RecipeError(
            f"{run.name} brings its own recipe, another was given as well",
            hint="leave recipe= out, or search with the dataset instead of the run",
        )
    if len(stage_epochs(run.record)) > 1:
        raise RecipeError(
            f"{run.name} was trained in stages, and the first, which can be searched, is over",
            hint=f"darkroom find-lr {run.dataset.name}",
        )


def _opened(
    source: Dataset | Run | str | Path, workspace: Workspace | None
) -> tuple[Run | None, Dataset]:
    if isinstance(source, Run):
        return source, source.dataset
    dataset = source
    if not isinstance(dataset, Dataset):
        dataset = open_dataset(dataset, workspace=workspace)
    return None, dataset if dataset.record.split else split_dataset(dataset)


def _for_search(record: RunRecord, dataset: Dataset, steps: int) -> RunRecord:
    """Plan as many epochs as the steps need, of all images, without an average of the weights."""
    images = dataset.counts["train"]
    recipe = msgspec.structs.replace(
        record.recipe,
        curriculum=None,
        epochs=math.ceil(steps / math.ceil(images / (record.recipe.batch_size or images))),
        optimizer=msgspec.structs.replace(record.recipe.optimizer, ema=None),
    )
    return msgspec.structs.replace(record, recipe=recipe)


def _reseeded(record: RunRecord, number: int) -> RunRecord:
    seed = (record.recipe.seed + number) % 2**32
    return msgspec.structs.replace(record, recipe=msgspec.structs.replace(record.recipe, seed=seed))


def _origin(dataset: Dataset, record: RunRecord, run: Run | None) -> Stage:
    """Make what a climb begins with: its images, and the network that it copies."""
    network = build_network(record)
    if run is not None:
        assign_weights(network, run.weights())
    return make_stage(dataset, record, network, 0)


def _compiled(dataset: Dataset, record: RunRecord, rates: Float[np.ndarray, "steps"]) -> Stage:
    """Make the stage that every repeat trains: compiled once, because that may take the longest."""
    stage = make_stage(dataset, record, build_network(record), 0)
    stage.model.compile(
        optimizer=make_optimizer(stage.model, record.recipe.optimizer, rates.astype(np.float32)),
        loss=stage.model.loss,
        jit_compile=stage.model.jit_compile,
    )
    return stage


def _climbs(
    dataset: Dataset,
    records: Sequence[RunRecord],
    origins: Sequence[Stage],
    rates: list[float],
) -> Iterator[Climb]:
    """Train from the beginning again and again, each time while the rate climbs."""
    stage = _compiled(dataset, records[0], np.array(rates))
    state = stage.model.optimizer.variables
    unused = [variable.numpy() for variable in state]
    bar = track(range(len(records) * len(rates)), "searching", len(records) * len(rates))
    with contextlib.closing(cast("Generator[int, None, None]", bar)):
        for record, origin in zip(records, origins, strict=True):
            copied = zip(stage.network.variables, origin.network.variables, strict=True)
            for variable, value in copied:
                variable.assign(value)
            for variable, value in zip(state, unused, strict=True):
                variable.assign(value)
            losses = _losses(stage, origin, len(rates), bar)
            yield Climb(
                seed=record.recipe.seed,
                losses=losses,
                found=find_valley(np.array(rates), np.array(losses)),
            )


def _losses(stage: Stage, images: Stage, steps: int, bar: Iterator[int]) -> tuple[float, ...]:
    """Run the steps of one climb, with another stage's batches; give the loss of each."""
    watch = _Watch(bar)
    stage.model.fit(
        as_input(images.batches),
        steps_per_epoch=steps,
        epochs=1,
        shuffle=False,
        callbacks=[watch],
        verbose=0,
    )
    for _ in range(steps - watch.steps):
        next(bar, None)
    return tuple(watch.losses)


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the loss of every step, and stops when it explodes."""

    def __init__(self, bar: Iterator[int]) -> None:
        super().__init__()
        self.losses: list[float] = []
        self.steps = 0
        self._bar, self._explosion, self._mean = bar, Explosion(), 0.0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Take the loss of the step out of the mean of all steps, which is what Keras tells."""
        next(self._bar, None)
        mean = float((logs or {})["loss"])
        loss = mean * (batch + 1) - self._mean * batch
        self._mean, self.steps = mean, batch + 1
        if math.isfinite(loss):
            self.losses.append(loss)
        if self._explosion.is_reached(loss):
            self.model.stop_training = True
