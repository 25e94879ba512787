"""Recipe: every setting of a training, as data.

A setting that is None is settled when the training begins, by the images and by the network; the
run records the recipe with nothing left open.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from darkroom.data.decode import WHITE
from darkroom.data.preprocess import Colour, Resize, Scaling, refuse_colour
from darkroom.errors import RecipeError
from darkroom.models.architecture import Activation
from darkroom.settings import refuse_types

OptimizerName = Literal["sgd", "adam", "adamw", "rmsprop", "adadelta"]
ScheduleName = Literal["constant", "step", "cosine", "one-cycle", "sgdr"]
LossName = Literal[
    "categorical-crossentropy",
    "sparse-categorical-crossentropy",
    "binary-crossentropy",
    "focal",
    "mse",
    "mae",
]
Pacing = Literal["linear", "root", "step", "exponential"]
Monitor = Literal["accuracy", "loss"]


def _share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise RecipeError(
            f"{name} = {value:g} is not a share from 0 to below 1", hint=f"--set {name}=0.1"
        )


class Optimizer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How weights are moved, and how fast over the training."""

    name: OptimizerName | None = None  # None: as the network learns best
    peak_lr: float | None = None  # the highest learning rate; None: usual for the optimizer
    schedule: ScheduleName = "one-cycle"
    warmup: float | None = None  # share of the training that climbs; None: 0.25 for one-cycle, or 0
    drops: int = 2  # step only: how often the rate falls, at even distances
    drop_factor: float = 0.1  # step only: to this share of what it was
    cycles: int = 3  # sgdr only: how many cosine descents
    cycle_growth: float = 2.0  # sgdr only: each cycle's length over the one before, at least 1
    momentum: float = 0.9  # sgd only
    nesterov: bool = True  # sgd only: the gradient is taken where the momentum leads to
    weight_decay: float | None = None  # of kernels only, decoupled from the gradient; None: usual
    clip_norm: float | None = None  # gradients are scaled down to this length; None: never
    ema: float | None = None  # the weights' moving average is judged and kept; 0.99 for example

    def __post_init__(self) -> None:
        refuse_types(self, table="optimizer.")
        if self.peak_lr is not None and not 0 < self.peak_lr <= 1000:
            raise RecipeError(
                f"optimizer.peak_lr = {self.peak_lr:g} is not a learning rate",
                hint="--set optimizer.peak_lr=1e-3",
            )
        for name in ("warmup", "momentum", "weight_decay", "ema"):
            value = getattr(self, name)
            if value is not None:
                _share(f"optimizer.{name}", value)
        for name, value, least in (
            ("drops", self.drops, 1),
            ("cycles", self.cycles, 1),
            ("cycle_growth", self.cycle_growth, 1),
        ):
            if value < least:
                raise RecipeError(
                    f"optimizer.{name} = {value:g} is below {least}",
                    hint=f"--set optimizer.{name}={least}",
                )
        if not 0 < self.drop_factor < 1:
            raise RecipeError(
                f"optimizer.drop_factor = {self.drop_factor:g} is not above 0 and below 1",
                hint="--set optimizer.drop_factor=0.1",
            )
        if self.clip_norm is not None and self.clip_norm <= 0:
            raise RecipeError(
                f"optimizer.clip_norm = {self.clip_norm:g} is not above 0",
                hint="--set optimizer.clip_norm=1",
            )


class Augment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How training images are varied; a function of seed, epoch and image, never of order."""

    flip: bool | None = None  # mirror half of them; None: when they are in colour
    shift: float | None = None  # largest move, share of the side, 0..0.5; None: by the epochs

    def __post_init__(self) -> None:
        refuse_types(self, table="augment.")
        if self.shift is not None and not 0 <= self.shift <= 0.5:
            raise RecipeError(
                f"augment.shift = {self.shift:g} is outside 0..0.5", hint="--set augment.shift=0.1"
            )


class Transfer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a network with a pretrained trunk is trained: its head first, then the trunk too."""

    # Or the path of a file that Keras wrote.
    weights: Annotated[str | None, msgspec.Meta(examples=["imagenet", "none"])] = None
    fine_tune_epochs: int = 0  # after those of the head
    groups: int = 3  # the trunk's layers thaw in so many groups, the last first, one by one
    rate_decay: float = 0.3  # each group learns at this share of the rate of the one after it
    fine_tune_lr: float = 1e-3  # the head's peak rate while the trunk thaws; one-cycle, adamw

    def __post_init__(self) -> None:
        refuse_types(self, table="transfer.")
        if self.fine_tune_epochs < 0 or self.groups < 1:
            raise RecipeError(
                f"transfer.fine_tune_epochs = {self.fine_tune_epochs} with transfer.groups = "
                f"{self.groups} cannot be done",
                hint="--set transfer.fine_tune_epochs=3 --set transfer.groups=3",
            )
        if not 0 < self.rate_decay <= 1:
            raise RecipeError(
                f"transfer.rate_decay = {self.rate_decay:g} is not above 0 and at most 1",
                hint="--set transfer.rate_decay=0.3",
            )
        if not 0 < self.fine_tune_lr <= 1000:
            raise RecipeError(
                f"transfer.fine_tune_lr = {self.fine_tune_lr:g} is not a learning rate",
                hint="--set transfer.fine_tune_lr=1e-3",
            )


class Curriculum(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Easy images first: how difficult one is, and how fast harder ones come in."""

    # `loss:RUN`, a measure as `brightness` or `edges`, or `FILE:COLUMN`.
    difficulty: Annotated[str, msgspec.Meta(examples=["edges"])]
    pacing: Pacing = "linear"
    start: float = 0.2  # share of the images that the first steps draw from, above 0
    until: float = 0.5  # share of the training after which all images are in
    hardest_first: bool = False  # turns the order around: a second control

    def __post_init__(self) -> None:
        refuse_types(self, table="curriculum.")
        for name, value in (("start", self.start), ("until", self.until)):
            if not 0 < value <= 1:
                raise RecipeError(
                    f"curriculum.{name} = {value:g} is not above 0 and at most 1",
                    hint=f"--set curriculum.{name}=0.5",
                )


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that decides a training, beside the images."""

    SCHEMA: ClassVar[int] = 1

    model: str | None = None  # a name in the catalog; None: by the size of the images
    image_size: int | None = None  # pixels per side; None: the images' own up to 64, or the model's
    resize: Resize = "squash"  # squash, crop or pad
    scaling: Scaling | None = None  # unit, signed, bytes or standard; None: as the model wants it
    background: Colour = WHITE  # sRGB, 0..255; lies under what is transparent
    width: float = 1.0  # multiplies the model's filters and hidden units
    dropout: float | None = None  # share, 0..1; None: as the model has it
    l2: float = 0.0  # penalty on kernels
    activation: Activation | None = None  # between layers; None: as the model has it
    epochs: int | None = None  # None: by the model and the number of images
    batch_size: int | None = None  # images; None: by the model and the number of images
    optimizer: Optimizer = Optimizer()
    augment: Augment = Augment()
    transfer: Transfer = Transfer()
    curriculum: Curriculum | None = None
    loss: LossName | None = None  # None: by the task
    focal_gamma: float = 2.0  # focal only: how much less is made of what is right already
    label_smoothing: float | None = None  # share of the target spread over all classes, 0..1
    balance: Literal["none", "weights", "sampling"] = "none"  # so that rare classes count as much
    class_weights: dict[str, float] = {}  # what an image of a class counts; 1 where none is named
    monitor: Monitor | None = None  # of the validation part; picks the best epoch
    patience: int | None = None  # epochs without a better one before it stops; None: never
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        refuse_types(self)
        for name in ("epochs", "batch_size", "patience", "image_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RecipeError(f"{name} = {value} is below 1", hint=f"--set {name}=1")
        if self.label_smoothing is not None:
            _share("label_smoothing", self.label_smoothing)
        refuse_colour(self.background)
        if not 0 <= self.seed < 2**32:
            raise RecipeError(
                f"seed = {self.seed} is not from 0 to below 2^32", hint="--set seed=0"
            )
        if not 0 <= self.focal_gamma <= 10:
            raise RecipeError(
                f"focal_gamma = {self.focal_gamma:g} is outside 0..10", hint="--set focal_gamma=2"
            )
        for name, weight in self.class_weights.items():
            if not 0 < weight < float("inf"):
                raise RecipeError(
                    f"class_weights.{name} = {weight:g} is not above 0",
                    hint=f"--set class_weights.{name}=2",
                )


def given_recipe(recipe: Recipe | None) -> Recipe:
    """Pass on a recipe, or the default one where none was given.

    Raises:
        RecipeError: It is something else.
    """
    if recipe is not None and not isinstance(recipe, Recipe):
        raise RecipeError(f"{recipe!r} is no Recipe", hint='Recipe(model="resnet_tiny", epochs=10)')
    return recipe or Recipe()


def idle_settings(recipe: Recipe) -> dict[str, tuple[str, str]]:
    """Name the settings of another schedule, optimizer or loss than those that are taken.

    Args:
        recipe: Of what it leaves open nothing is said.

    Returns:
        By dotted name what was taken instead, and the setting with which it would count.
    """
    optimizer, usual = recipe.optimizer, Optimizer()
    found: dict[str, tuple[str, str]] = {
        f"optimizer.{name}": (str(taken), f"optimizer.{field}={needed}")
        for taken, field, needed, names in (
            (optimizer.schedule, "schedule", "step", ("drops", "drop_factor")),
            (optimizer.schedule, "schedule", "sgdr", ("cycles", "cycle_growth")),
            (optimizer.name, "name", "sgd", ("momentum", "nesterov")),
        )
        for name in names
        if getattr(optimizer, name) != getattr(usual, name) and taken not in (None, needed)
    }
    if recipe.focal_gamma != Recipe().focal_gamma and recipe.loss not in (None, "focal"):
        found["focal_gamma"] = (str(recipe.loss), "loss=focal")
    return found


def refuse_idle(recipe: Recipe) -> None:
    """Refuse a setting that would change nothing.

    Args:
        recipe: With nothing left open.

    Raises:
        RecipeError: With what it belongs to.
    """
    for name, (taken, needed) in idle_settings(recipe).items():
        raise RecipeError(
            f"{name} changes nothing with {taken}", hint=f"--set {needed}, or leave {name} out"
        )
