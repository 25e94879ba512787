"""Transfer learning on a network of two halves: a pretrained trunk, and a head of its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from darkroom.backend import keras, to_numpy
from darkroom.errors import ArtifactError
from darkroom.models.head import FEATURES
from darkroom.models.weight_files import named_for_keras, read_held
from darkroom.models.weights import FoundWeights


def split_network(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Take a network apart at its features.

    Args:
        model: With a layer called `features`.

    Returns:
        The trunk, from images to features, and the head, from features to answers. Their layers
        are those of the model: what one learns, the other knows.
    """
    features = model.get_layer(FEATURES).output
    return keras.Model(model.input, features), keras.Model(features, model.output)


def load_trunk_weights(model: keras.Model, found: FoundWeights) -> None:
    """Give a network's trunk the weights that were found; at random, nothing is done.

    Args:
        model: A network with a pretrained trunk, as the catalog builds it.
        found: Weights of the same network and width.

    Raises:
        ArtifactError: The file is none that Keras wrote for this trunk.
    """
    if found.path is None:
        return
    trunk, _ = split_network(model)
    kept = {layer: layer.get_weights() for layer in trunk.layers if _scales_input(layer)}
    try:
        # Of a file that fits only in part, Keras 3.15 loads what fits, with a warning.
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            with named_for_keras(found.path) as path:
                trunk.load_weights(str(path))
    except (OSError, ValueError, KeyError, UserWarning) as refused:
        raise ArtifactError(
            f"{found.path} holds no weights of {model.name} at width {found.width:g}: "
            f"{_told_content(found.path)}, the trunk has {trunk.count_params():,} numbers",
            hint=f"name a file that Keras wrote for {model.name} with include_top=False",
        ) from refused
    for layer, weights in kept.items():
        _refuse_other_scaling(layer, found)
        layer.set_weights(weights)
        layer.finalize_state()
        # Tensors would become inputs of a network that is converted to ONNX.
        layer.mean, layer.variance = to_numpy(layer.mean), to_numpy(layer.variance)


def _told_content(path: Path) -> str:
    held = read_held(path)
    return "it is no file of weights" if held is None else f"it holds {held.numbers:,}"


def thaw_trunk(model: keras.Model, *, groups: int, thawed: int) -> None:
    """Choose which layers of the trunk train; compile the network afterwards.

    Its batch norms never do: they keep the statistics and the scale of what the trunk was
    pretrained on, because a few small batches of other images would spoil both.

    Args:
        model: With a layer called `features`; what comes after it is left as it is.
        groups: Into how many groups of layers the trunk is cut, all about as large.
        thawed: How many of them train, the last ones first; 0: none.

    Source: Howard and Ruder 2018, arXiv:1801.06146.
    """
    group_of = _groups(model, groups)
    trunk, _ = split_network(model)
    for layer in trunk.layers:
        layer.trainable = layer.name in group_of and group_of[layer.name] < thawed


def rate_share(
    model: keras.Model, *, groups: int, decay: float
) -> Callable[[keras.Variable], float]:
    """Say at which share of the rate each variable learns.

    Args:
        model: With a layer called `features`.
        groups: As `thaw_trunk` takes it.
        decay: What a group learns at, as a share of the one after it, 0..1.

    Returns:
        1 for a variable of the head, `decay` for one of the trunk's last group, `decay` squared
        for the group before that, and so on.

    Source: discriminative fine-tuning, Howard and Ruder 2018, arXiv:1801.06146.
    """
    group_of = _groups(model, groups)
    shares = {
        id(variable): decay ** (group + 1)
        for name, group in group_of.items()
        for variable in model.get_layer(name).weights
    }
    return lambda variable: shares.get(id(variable), 1.0)


def _groups(model: keras.Model, groups: int) -> dict[str, int]:
    """Number the groups of the trunk's layers from the last, which is 0; no batch norm is in it."""
    trunk, _ = split_network(model)
    learning = [
        layer.name
        for layer in trunk.layers
        if layer.weights and not isinstance(layer, keras.layers.BatchNormalization)
    ]
    count = len(learning)
    return {name: (count - 1 - place) * groups // count for place, name in enumerate(learning)}


def _scales_input(layer: keras.layers.Layer) -> bool:
    """Tell EfficientNet's own first step: what it does is done by ours before it."""
    return isinstance(layer, keras.layers.Normalization)


def _refuse_other_scaling(layer: keras.layers.Layer, found: FoundWeights) -> None:
    mean, variance = (np.ravel(weight) for weight in layer.get_weights()[:2])
    # The published files hold standard deviations where they say variances; Keras makes up for it.
    if np.allclose(mean, (0.485, 0.456, 0.406)) and np.allclose(variance, (0.229, 0.224, 0.225)):
        return
    raise ArtifactError(
        f"{found.path} was trained on pixels scaled by mean {mean} and variance {variance}, "
        "not as ImageNet's",
        hint="--set transfer.weights=imagenet",
    )
