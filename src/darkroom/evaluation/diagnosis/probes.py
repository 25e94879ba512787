"""Questions to a network: what it answers when its images or its statistics are changed.

A network that answers changed images better than those it is given was trained on others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, get_args

import msgspec
import numpy as np

from darkroom.backend import keras, to_numpy
from darkroom.data.preprocess import Preprocess, Scaling, scale_pixels
from darkroom.evaluation.diagnosis.evidence import Silent
from darkroom.evaluation.diagnosis.inputs import (
    AS_THEY_ARE,
    INVERTED,
    LEVELLED,
    RESTATED,
    REVERSED,
    SCALED,
)
from darkroom.training.answers import predict_batches
from darkroom.training.batches import take_rows

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt8

    Pixels = UInt8[np.ndarray, "images height width channels"]
    Inputs = Float[np.ndarray, "images height width channels"]

_NUMBERS = 3_000_000  # of all images together, so that questions take a second or two
_FEWEST, _MOST = 48, 256  # images


def probed(chosen: Int[np.ndarray, "images"], preprocess: Preprocess) -> Int[np.ndarray, "images"]:
    """Choose images for questions, evenly spaced: fewer where they are large."""
    size = preprocess.height * preprocess.width * preprocess.channels
    count = min(max(min(_NUMBERS // size, _MOST), _FEWEST), len(chosen))
    places = np.unique(np.linspace(0, len(chosen) - 1, count).round().astype(np.int64))
    return chosen[places]


def answer_changed(
    network: keras.Model, pixels: Pixels, known: Pixels, preprocess: Preprocess
) -> dict[str, Float[np.ndarray, "images classes"]]:
    """Let a network answer images as they are, and changed in all the ways that go wrong.

    Args:
        network: With the best weights; it is left as it was.
        pixels: Prepared validation images.
        known: Prepared training images.
        preprocess: What prepared them.

    Returns:
        The answers, by what was done to the images or to the network.
    """
    shown = _changed(pixels, known, preprocess)
    stacked = np.concatenate(list(shown.values()))
    answers = predict_batches(network, take_rows(stacked), len(stacked))
    answered = dict(zip(shown, np.split(answers, len(shown)), strict=True))
    if _norms(network):
        with _restated(network, scale_pixels(known, preprocess)):
            plain = shown[AS_THEY_ARE]
            answered[RESTATED] = predict_batches(network, take_rows(plain), len(plain))
    return answered


def _changed(pixels: Pixels, known: Pixels, preprocess: Preprocess) -> dict[str, Inputs]:
    plain, usual = scale_pixels(pixels, preprocess), scale_pixels(known, preprocess)
    places = (0, 1, 2)  # a mean for each channel
    mean, spread = plain.mean(axis=places), np.maximum(plain.std(axis=places), 1e-6)
    shown = {
        AS_THEY_ARE: plain,
        LEVELLED: (plain - mean) / spread * usual.std(axis=places) + usual.mean(axis=places),
        INVERTED: scale_pixels(255 - pixels, preprocess),
    }
    if preprocess.channels == 3:
        shown[REVERSED] = plain[..., ::-1]
    levels = known.mean(axis=places), np.maximum(known.std(axis=places), 1e-6)
    for other in get_args(Scaling):
        if other != preprocess.scaling:
            own = levels if other == "standard" else ((), ())
            mean, std = (tuple(float(level) for level in each) for each in own)
            scaled = msgspec.structs.replace(preprocess, scaling=other, mean=mean, std=std)
            shown[f"{SCALED}{other}"] = scale_pixels(pixels, scaled)
    return shown


def _norms(network: keras.Model) -> list[keras.layers.BatchNormalization]:
    return [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]


@contextlib.contextmanager
def _restated(network: keras.Model, inputs: Inputs) -> Iterator[None]:
    """Give every batch norm the statistics of some images, for as long as it lasts.

    In one pass, as training would take them, with a memory of nothing before.
    """
    norms, weights = _norms(network), network.get_weights()
    drops = [layer for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
    kept = [(norm.trainable, norm.momentum) for norm in norms], [drop.rate for drop in drops]
    for norm in norms:
        norm.trainable, norm.momentum = True, 0.0
    for drop in drops:
        drop.rate = 0.0
    try:
        network(inputs, training=True)
        yield
    finally:
        for norm, (trainable, momentum) in zip(norms, kept[0], strict=True):
            norm.trainable, norm.momentum = trainable, momentum
        for drop, rate in zip(drops, kept[1], strict=True):
            drop.rate = rate
        network.set_weights(weights)


def find_silent(network: keras.Model, inputs: Inputs) -> tuple[Silent, ...]:
    """Count the units behind each activation that say the same to every image.

    Args:
        network: With the best weights.
        inputs: Scaled images, more than one.
    """
    layers = [layer for layer in network.layers[:-1] if _activates(layer)]
    if not layers or len(inputs) < 2:
        return ()
    seen = keras.Model(network.input, [layer.output for layer in layers])(inputs, training=False)
    silent = []
    for number, maps in enumerate(seen if isinstance(seen, list) else [seen], 1):
        # bfloat16 has no place here: runs answer in float32.
        varies = np.ptp(to_numpy(maps), axis=0).reshape(-1, maps.shape[-1]).max(axis=0) > 0
        silent.append(
            Silent(
                layer=f"activation {number} of {len(layers)}",
                units=len(varies),
                dead=int((~varies).sum()),
            )
        )
    return tuple(silent)


def _activates(layer: keras.layers.Layer) -> bool:
    own = keras.layers.Activation, keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.PReLU
    return isinstance(layer, own)
