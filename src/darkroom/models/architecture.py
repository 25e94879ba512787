"""Architecture: the allow-listed description from which a network can be built again.

It travels in the bundle beside the weights; nothing in it can express code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from darkroom.data.preprocess import Scaling
from darkroom.decision import Task
from darkroom.errors import RecipeError

if TYPE_CHECKING:
    from darkroom.backend import keras

Activation = Literal["sigmoid", "tanh", "relu", "leaky-relu", "prelu", "elu", "gelu"]


class Architecture(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A catalog name, its version and its parameters."""

    SCHEMA: ClassVar[int] = 1

    name: str  # in the catalog
    version: int  # of the catalog's builder; another version is another network
    height: int  # pixels
    width: int  # pixels
    channels: int  # 1 or 3
    classes: int  # outputs
    task: Task
    width_factor: float = 1.0  # multiplies the number of filters and of hidden units
    dropout: float | None = None  # share of units dropped, 0..1; None: as the network has it
    l2: float = 0.0  # penalty on the kernels of convolutions and dense layers
    activation: Activation | None = None  # between layers; None: as the network has it
    target_mean: float = 0.0  # regression only: of the training targets, added to the answer ...
    target_std: float = 1.0  # ... after it was multiplied by this

    def __post_init__(self) -> None:
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise RecipeError(
                f"dropout = {self.dropout:g} is not a share from 0 to below 1",
                hint="--set dropout=0.3",
            )
        if self.l2 < 0:
            raise RecipeError(f"l2 = {self.l2:g} is negative", hint="--set l2=1e-4")
        if not 0 < self.width_factor <= 16:
            raise RecipeError(
                f"width = {self.width_factor:g} is not above 0 and at most 16", hint="--set width=1"
            )

    def units(self, count: int) -> int:
        """Scale a number of filters or hidden units by the width factor, to at least 1."""
        return max(round(count * self.width_factor), 1)


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the catalog."""

    name: str
    version: int  # raised whenever the same Architecture would build another network
    build: Callable[[Architecture], keras.Model]  # returns probabilities in float32
    parameters: int  # at `input_px`, RGB, 10 classes
    input_px: int  # the side it was designed for; others work from `smallest_px` on
    smallest_px: int
    scaling: Scaling  # what it expects its input to be scaled to
    source: str  # the paper or course it comes from
    says: str  # one line for people who choose
