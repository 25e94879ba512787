"""What a recipe leaves open is settled: the network by the images, the rest by the network."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import polars as pl

from darkroom.data.dataset import Dataset
from darkroom.decision import Task
from darkroom.errors import RecipeError, ServiceError
from darkroom.models.architecture import Network
from darkroom.models.catalog import network_named
from darkroom.models.trunks import TRUNKS
from darkroom.models.weights import FoundWeights, Pretrained, find_weights
from darkroom.settings import with_overrides
from darkroom.training.devices import refuse_batch_size, shared_batch_size
from darkroom.training.losses import refuse_class_weights, refuse_loss, usual_loss
from darkroom.training.optimizers import usual_peak_lr, usual_weight_decay
from darkroom.training.recipe import Augment, Monitor, Optimizer, OptimizerName, Recipe
from darkroom.training.schedules import USUAL_CLIMB

_SHIFT = 0.125  # share of the side, as He et al. 2015, arXiv:1512.03385, move CIFAR's images
_MANY_EPOCHS = 5  # in fewer, moving images costs more accuracy than it brings
_OTHERS_FOLLOW = ("batch_size", "epochs", "optimizer.name", "optimizer.schedule", "loss")
SMALL_PX = 64  # images up to this side are small ones; larger ones are photographs


class Usual(msgspec.Struct, frozen=True, kw_only=True):
    """What a kind of network learns well with."""

    optimizer: OptimizerName
    peak_lr: float
    weight_decay: float
    batch_size: int  # images
    steps: int  # in the whole training
    epochs: tuple[int, int]  # the fewest and the most that the steps may come to
    label_smoothing: float = 0.0
    monitor: Monitor = "accuracy"


# Chosen by measuring; docs/experiments.md says how.
_PLAIN = Usual(
    optimizer="adamw", peak_lr=4e-3, weight_decay=0.01, batch_size=64, steps=0, epochs=(12, 12)
)
_NORMED = Usual(
    optimizer="sgd",
    peak_lr=0.3,
    weight_decay=0.01,
    batch_size=128,
    steps=700,
    epochs=(2, 40),
    label_smoothing=0.1,
)
# A squared error has no largest gradient as a cross-entropy has: under SGD at 0.05 and above most
# trainings came to no number.
_NORMED_NUMBERS = msgspec.structs.replace(
    _NORMED, optimizer="adamw", peak_lr=4e-3, label_smoothing=0.0
)
_HEAD = Usual(
    optimizer="adamw",
    peak_lr=1e-3,
    weight_decay=0.01,
    batch_size=64,
    steps=300,
    epochs=(5, 30),
    monitor="loss",  # it is mostly used where a validation image more or less decides an accuracy
)


_WITHOUT_NORM = ("mlp", "cnn_simple", "cnn_dropout", "cnn_deep", "alexnet")


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """A network, what it starts from, and why it was taken when the recipe named none."""

    network: Network
    found: FoundWeights
    why: str = ""


def choose_network(dataset: Dataset, recipe: Recipe) -> Chosen:
    """Take the network that the recipe names, or the one that suits the images.

    Small images get a small residual network. Photographs get MobileNetV2 when its pretrained
    weights can be had, because it needs few of them; else a residual network from scratch.

    Raises:
        RecipeError: There is no such network, or none with such weights.
        ServiceError: The weights that were asked for cannot be fetched.
        ArtifactError: The file that was named holds none.
    """
    wanted = recipe.transfer.weights
    if recipe.model is not None:
        network = network_named(recipe.model)
        usual = "imagenet" if network.name in TRUNKS else "none"
        found = find_weights(network.name, wanted or usual, width=recipe.width)
        return Chosen(network=network, found=found)
    side = recipe.image_size or _side(dataset)
    from_scratch = FoundWeights(width=recipe.width, where="at random")
    if side <= SMALL_PX and wanted in (None, "none"):
        return Chosen(network=network_named("resnet_tiny"), found=from_scratch)
    if wanted == "none":
        return Chosen(
            network=network_named("resnet_small"),
            found=from_scratch,
            why=f"from scratch as asked, for photographs of {side} px",
        )
    try:
        found = find_weights("mobilenet_v2", wanted or "imagenet", width=recipe.width)
    except ServiceError as offline:
        if wanted is not None:
            raise
        return Chosen(
            network=network_named("resnet_small"),
            found=from_scratch,
            why=f"from scratch: {offline.problem}; a copy of them: --set transfer.weights=FILE",
        )
    return Chosen(
        network=network_named("mobilenet_v2"),
        found=found,
        why=f"for photographs of {side} px; its pretrained weights are {found.where}",
    )


def _side(dataset: Dataset) -> int:
    """Give the shorter side of the typical image."""
    sides = dataset.index.select(pl.min_horizontal("height", "width"))
    return int(np.median(sides.to_series().to_numpy()))


def settle_recipe(dataset: Dataset, recipe: Recipe, chosen: Chosen, *, devices: int = 1) -> Recipe:
    """Fill in what the recipe leaves open.

    Args:
        dataset: Split.
        recipe: As the user gave it.
        chosen: Its network.
        devices: That will share every batch.

    Raises:
        RecipeError: A setting does not fit the task or the network, or the batch is larger than
            the part.
    """
    refuse_loss(recipe, dataset.task)
    refuse_class_weights(recipe, dataset.classes)
    name, is_pretrained = chosen.network.name, chosen.found.pretrained is not None
    _refuse_idle(recipe, chosen)
    usual = _usual(name, dataset.task, is_pretrained=is_pretrained)
    images = dataset.counts["train"]
    batch_size = recipe.batch_size or shared_batch_size(min(usual.batch_size, images), devices)
    if batch_size > images:
        raise RecipeError(
            f"batch_size = {batch_size} is more than the {images:,} images of the training part",
            hint=f"--set batch_size={min(usual.batch_size, images)}",
        )
    refuse_batch_size(batch_size, devices)
    usual_epochs = round(usual.steps / math.ceil(images / batch_size))
    epochs = recipe.epochs or min(max(usual_epochs, usual.epochs[0]), usual.epochs[1])
    loss = recipe.loss or usual_loss(dataset.task)
    smoothing = usual.label_smoothing if loss == "categorical-crossentropy" else 0.0
    return msgspec.structs.replace(
        recipe,
        model=name,
        width=chosen.found.width,
        batch_size=batch_size,
        epochs=epochs,
        augment=_settle_augment(recipe.augment, epochs),
        optimizer=_settle_optimizer(recipe.optimizer, usual),
        loss=loss,
        monitor=recipe.monitor or usual.monitor,
        label_smoothing=smoothing if recipe.label_smoothing is None else recipe.label_smoothing,
    )


def settled_by_user(
    dataset: Dataset, recipe: Recipe, pretrained: Pretrained | None
) -> dict[str, object]:
    """Say which settings of a settled recipe are not what they would be, had they been left open.

    Args:
        dataset: Split, as it was settled for.
        recipe: Settled.
        pretrained: What its trunk was trained on before; None: nothing.

    Returns:
        Values by dotted names, the network always among them: in a recipe of these alone the rest
        is settled to the same.
    """
    network = network_named(recipe.model or "")
    found = FoundWeights(width=recipe.width, where="", pretrained=pretrained)
    wanted = _by_dotted_name(recipe)
    kept: dict[str, object] = {"model": network.name}
    if recipe.width != Recipe().width:
        kept["width"] = recipe.width
    while True:
        alone = with_overrides(Recipe(), [f"{name}={value}" for name, value in kept.items()])
        usual = _by_dotted_name(settle_recipe(dataset, alone, Chosen(network=network, found=found)))
        others = [name for name, value in wanted.items() if value != usual.get(name)]
        others = [name for name in others if name not in kept]
        if not others:
            return kept
        # One at a time: a shift, for one, may only follow from the epochs.
        name = min(others, key=lambda name: name not in _OTHERS_FOLLOW)
        kept[name] = wanted[name]


def _by_dotted_name(record: msgspec.Struct) -> dict[str, object]:
    """Give every setting that says something, by its dotted name."""
    told: dict[str, object] = {}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if isinstance(value, msgspec.Struct):
            told |= {f"{name}.{inner}": v for inner, v in _by_dotted_name(value).items()}
        elif isinstance(value, dict):
            # A class with a dot in its name cannot be said by a dotted one.
            told |= {f"{name}.{k}": v for k, v in value.items() if not {".", "="} & set(k)}
        elif isinstance(value, tuple):
            told[name] = list(value)
        elif value is not None:
            told[name] = str(value).lower() if isinstance(value, bool) else value
    return told


def usual_rate(recipe: Recipe, task: Task, *, is_pretrained: bool) -> float:
    """Give the highest learning rate that a network usually learns with under its optimizer.

    Args:
        recipe: Settled.
        task: That it was settled for.
        is_pretrained: Whether the network began with a pretrained trunk.
    """
    usual = _usual(recipe.model or "", task, is_pretrained=is_pretrained)
    settled = _settle_optimizer(Optimizer(name=recipe.optimizer.name), usual)
    return settled.peak_lr or usual.peak_lr


def _usual(name: str, task: Task, *, is_pretrained: bool) -> Usual:
    if is_pretrained:
        return _HEAD
    if name in _WITHOUT_NORM:
        return _PLAIN
    return _NORMED_NUMBERS if task == "regression" else _NORMED


def _refuse_idle(recipe: Recipe, chosen: Chosen) -> None:
    """Refuse what would change nothing."""
    name, transfer = chosen.network.name, recipe.transfer
    if chosen.found.pretrained is None and transfer.fine_tune_epochs:
        raise RecipeError(
            f"transfer.fine_tune_epochs = {transfer.fine_tune_epochs} needs a pretrained network, "
            f"and {name} starts at random",
            hint="--set model=mobilenet_v2, or --set transfer.fine_tune_epochs=0",
        )
    if name in TRUNKS and recipe.scaling not in (None, chosen.network.scaling):
        raise RecipeError(
            f"scaling = {recipe.scaling} does not fit {name}, which brings its own",
            hint="leave scaling out of the recipe",
        )


def _settle_augment(asked: Augment, epochs: int) -> Augment:
    """Move images only when they are seen so often that they would be learned by heart."""
    shift = _SHIFT if epochs >= _MANY_EPOCHS else 0.0
    return msgspec.structs.replace(asked, shift=shift if asked.shift is None else asked.shift)


def _settle_optimizer(asked: Optimizer, usual: Usual) -> Optimizer:
    name = asked.name or usual.optimizer
    own = name == usual.optimizer
    peak = usual.peak_lr if own else usual_peak_lr(name)
    decay = usual.weight_decay if own else usual_weight_decay(name)
    climb = USUAL_CLIMB if asked.schedule == "one-cycle" else 0.0
    return msgspec.structs.replace(
        asked,
        name=name,
        peak_lr=peak if asked.peak_lr is None else asked.peak_lr,
        weight_decay=decay if asked.weight_decay is None else asked.weight_decay,
        warmup=climb if asked.warmup is None else asked.warmup,
    )
