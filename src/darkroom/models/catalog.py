"""The catalog: every network by name, and the one way to build it."""

from __future__ import annotations

from darkroom.backend import keras
from darkroom.errors import RecipeError, nearest
from darkroom.models.alexnet import ALEXNET
from darkroom.models.applications import APPLICATIONS
from darkroom.models.architecture import Architecture, Network
from darkroom.models.plain import CNN_DEEP, CNN_DROPOUT, CNN_SIMPLE, MLP
from darkroom.models.residual import RESNET_TINY
from darkroom.models.resnet import RESNET18, RESNET34, RESNET_SMALL

_FROM_SCRATCH = (
    *(MLP, CNN_SIMPLE, CNN_DROPOUT, CNN_DEEP),
    *(RESNET_TINY, RESNET_SMALL, RESNET18, RESNET34, ALEXNET),
)
CATALOG: dict[str, Network] = {network.name: network for network in (*_FROM_SCRATCH, *APPLICATIONS)}


def network_named(name: str) -> Network:
    """Look a network up.

    Raises:
        RecipeError: The catalog has none of that name; the nearest is named.
    """
    if name not in CATALOG:
        raise RecipeError(
            f"there is no model `{name}`", hint=f"did you mean {nearest(name, CATALOG)}?"
        )
    return CATALOG[name]


def build_model(architecture: Architecture, *, precision: str = "float32") -> keras.Model:
    """Build a network with fresh weights.

    Args:
        architecture: What to build.
        precision: `float32` or `bfloat16`; weights are float32 in both.

    Returns:
        A Keras model from scaled images (`images height width channels`, float32) to
        probabilities (`images classes`, float32).

    Raises:
        RecipeError: The name is unknown, the version is not this catalog's, or the images are
            too small for the network.
    """
    network = network_named(architecture.name)
    if architecture.version != network.version:
        raise RecipeError(
            f"{network.name} version {architecture.version} was asked for; "
            f"this darkroom builds version {network.version}",
            hint="install the darkroom that made it; `darkroom lineage` names its version",
        )
    side = min(architecture.height, architecture.width)
    if side < network.smallest_px:
        raise RecipeError(
            f"{network.name} needs images of at least {network.smallest_px} px, got {side}",
            hint=f"--set image_size={network.smallest_px}",
        )
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    try:
        return network.build(architecture)
    finally:
        keras.config.set_dtype_policy(before)
