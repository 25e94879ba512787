"""Recipe: every setting of a training, as data."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from darkroom.data.decode import WHITE
from darkroom.data.preprocess import Colour, Resize, Scaling, refuse_colour
from darkroom.errors import RecipeError

OptimizerName = Literal["sgd", "adam", "adamw", "rmsprop", "adadelta"]
ScheduleName = Literal["constant", "cosine", "one-cycle"]


def _share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise RecipeError(f"{name} = {value:g} is not a share in 0..1", hint=f"--set {name}=0.1")


class Optimizer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How weights are moved, and how fast over the training."""

    name: OptimizerName = "adamw"
    peak_lr: float = 4e-3  # the highest learning rate of the schedule
    schedule: ScheduleName = "one-cycle"
    warmup: float = 0.25  # share of the training in which one-cycle climbs to the peak, 0..1
    momentum: float = 0.9  # sgd only; Nesterov
    weight_decay: float = 0.01  # adamw and sgd; never on biases or norms

    def __post_init__(self) -> None:
        if not 0 < self.peak_lr <= 1000:
            raise RecipeError(
                f"optimizer.peak_lr = {self.peak_lr:g} is not a learning rate",
                hint="--set optimizer.peak_lr=1e-3",
            )
        _share("optimizer.warmup", self.warmup)
        _share("optimizer.momentum", self.momentum)
        _share("optimizer.weight_decay", self.weight_decay)


class Augment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How training images are varied; a function of seed, epoch and image, never of order."""

    flip: bool | None = None  # mirror half of them; None: when they are in colour
    shift: float = 0.125  # largest move in either direction, as a share of the side, 0..0.5

    def __post_init__(self) -> None:
        if not 0 <= self.shift <= 0.5:
            raise RecipeError(
                f"augment.shift = {self.shift:g} is outside 0..0.5", hint="--set augment.shift=0.1"
            )


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that decides a training, beside the images."""

    SCHEMA: ClassVar[int] = 1

    model: str = "resnet_tiny"  # a name in the catalog
    image_size: int | None = None  # pixels per side; None: the images' own up to 64, else 64
    resize: Resize = "squash"  # squash, crop or pad
    scaling: Scaling | None = None  # unit, signed, bytes or standard; None: as the model wants it
    background: Colour = WHITE  # sRGB, 0..255; lies under what is transparent
    width: float = 1.0  # multiplies the model's filters and hidden units
    dropout: float | None = None  # share, 0..1; None: as the model has it
    l2: float = 0.0  # penalty on kernels
    epochs: int = 12
    batch_size: int = 64  # images
    optimizer: Optimizer = Optimizer()
    augment: Augment = Augment()
    label_smoothing: float = 0.0  # share of the target spread over all classes, 0..1
    monitor: Literal["accuracy", "loss"] = "accuracy"  # of the validation part; picks the best
    patience: int | None = None  # epochs without a better one before it stops; None: never
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        positive = (("epochs", self.epochs), ("batch_size", self.batch_size))
        for name, value in (
            *positive,
            ("patience", self.patience),
            ("image_size", self.image_size),
        ):
            if value is not None and value < 1:
                raise RecipeError(f"{name} = {value} is below 1", hint=f"--set {name}=1")
        _share("label_smoothing", self.label_smoothing)
        refuse_colour(self.background)
        if not 0 <= self.seed < 2**32:
            raise RecipeError(f"seed = {self.seed} is outside 0..2^32", hint="--set seed=0")
