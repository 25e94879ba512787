"""Runs of which one knows what ails them, and healthy ones; each trains in seconds.

Two kinds of images: scikit-learn's handwritten digits, and coloured squares in corners (see
`planted_cues`), where only colour tells the classes apart. A plant takes a place and a seed, and
makes one mistake that people make; the rest is as darkroom does it by default.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import msgspec
import numpy as np
from PIL import Image

import darkroom
from benchmarks.planted_cues import COLOURS, draw_many
from darkroom.disk import write_file
from darkroom.storage import read_manifest, write_closed_manifest
from darkroom.training.run import BEST_WEIGHTS, dump_weights

Labelled = tuple[np.ndarray, np.ndarray]  # pixels, and the class index of each image
Plant = Callable[[Path, int], darkroom.Run]


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Images as they are before they become files."""

    train: Labelled
    valid: Labelled
    test: Labelled
    names: tuple[str, ...]  # of the classes


def digits(seed: int, *, train: int = 1077, valid: int = 360) -> Parts:
    """Give the handwritten digits in parts; what is over is tested on."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    pixels = np.clip(pixels.reshape(-1, 8, 8) * 16, 0, 255).astype(np.uint8)
    order = np.random.default_rng(seed).permutation(len(pixels))
    cuts = np.split(order, [train, train + valid])
    taken = [(pixels[rows], labels[rows]) for rows in cuts]
    names = tuple(f"digit-{number}" for number in range(10))
    return Parts(train=taken[0], valid=taken[1], test=taken[2], names=names)


def squares(seed: int, *, train: int = 900, valid: int = 300) -> Parts:
    """Give coloured squares in parts."""
    images, labels = draw_many(train + valid + 200, seed)
    pixels = np.stack([each.pixels for each in images])
    order = np.random.default_rng(seed).permutation(len(pixels))
    cuts = np.split(order, [train, train + valid])
    taken = [(pixels[rows], labels[rows]) for rows in cuts]
    return Parts(train=taken[0], valid=taken[1], test=taken[2], names=tuple(sorted(COLOURS)))


def noisy(parts: Parts, seed: int) -> Parts:
    """Add so much noise to every pixel that nobody can tell all classes apart."""
    rng = np.random.default_rng(seed)

    def spoilt(labelled: Labelled) -> Labelled:
        pixels, labels = labelled
        noise = rng.normal(0, 70, pixels.shape)
        return np.clip(pixels + noise, 0, 255).astype(np.uint8), labels

    return msgspec.structs.replace(
        parts, train=spoilt(parts.train), valid=spoilt(parts.valid), test=spoilt(parts.test)
    )


def opened(place: Path, parts: Parts) -> darkroom.Dataset:
    """Write images as files and open them with the parts they have."""
    for part in ("train", "valid", "test"):
        for number, (pixels, label) in enumerate(zip(*getattr(parts, part), strict=True)):
            folder = place / "images" / part / parts.names[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{number:04d}.png")
    workspace = darkroom.Workspace(place / "workspace")
    return darkroom.open_dataset(place / "images", workspace=workspace)


def trained(
    place: Path,
    parts: Parts,
    *callbacks: keras.callbacks.Callback,
    model: str = "cnn_simple",
    **settings: object,
) -> darkroom.Run:
    """Train on images, whatever the checks say of them."""
    dataset = opened(place, parts)
    errors = [each.name for each in darkroom.check_dataset(dataset) if each.severity == "error"]
    seed = settings.pop("seed", 0)
    recipe = darkroom.Recipe(model=model, seed=seed, **settings)
    return darkroom.train(dataset, recipe, despite=errors, callbacks=callbacks)


def leak(place: Path, seed: int) -> darkroom.Run:
    """Put copies of training images into the validation part."""
    parts = digits(seed)
    (seen, seen_labels), (new, new_labels) = parts.train, parts.valid
    valid = np.concatenate([seen[:120], new[120:]]), np.r_[seen_labels[:120], new_labels[120:]]
    return trained(place, msgspec.structs.replace(parts, valid=valid), seed=seed)


def channel_order(place: Path, seed: int) -> darkroom.Run:
    """Save validation images with blue first, as OpenCV does."""
    parts = squares(seed)
    pixels, labels = parts.valid
    valid = np.ascontiguousarray(pixels[..., ::-1]), labels
    return trained(place, msgspec.structs.replace(parts, valid=valid), seed=seed)


def scaling(place: Path, seed: int) -> darkroom.Run:
    """Save validation images with 6 bits where those of training have 8."""
    parts = digits(seed)
    pixels, labels = parts.valid
    return trained(place, msgspec.structs.replace(parts, valid=(pixels // 8, labels)), seed=seed)


def batch_norm(place: Path, seed: int) -> darkroom.Run:
    """Let batch norm forget what it counts, as layers do that are frozen by mistake."""

    class Forgetting(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            for layer in self.model.layers:
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.moving_mean.assign(np.zeros(layer.moving_mean.shape))
                    layer.moving_variance.assign(np.ones(layer.moving_variance.shape))

    return trained(place, digits(seed), Forgetting(), model="resnet_tiny", epochs=8, seed=seed)


def best_weights(place: Path, seed: int) -> darkroom.Run:
    """Keep the weights of the first epoch in the place of the best."""
    first: list[bytes] = []

    class Keeping(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            if not first:
                first.append(dump_weights(self.model))

    run = trained(place, digits(seed), Keeping(), seed=seed)
    write_file(run.path / BEST_WEIGHTS, first[0])
    write_closed_manifest(run.path, read_manifest(run.path))
    return darkroom.open_run(run.path)


def rate_too_high(place: Path, seed: int) -> darkroom.Run:
    """Take a learning rate from another network."""
    optimizer = darkroom.Optimizer(peak_lr=0.1)
    return trained(place, digits(seed), model="mlp", optimizer=optimizer, seed=seed)


def rate_too_low(place: Path, seed: int) -> darkroom.Run:
    """Take a learning rate for fine-tuning."""
    optimizer = darkroom.Optimizer(peak_lr=1e-5)
    return trained(place, digits(seed), model="mlp", optimizer=optimizer, seed=seed)


def too_few_epochs(place: Path, seed: int) -> darkroom.Run:
    """Stop after a dozen steps."""
    return trained(place, digits(seed), model="cnn_dropout", epochs=3, batch_size=256, seed=seed)


def dead_units(place: Path, seed: int) -> darkroom.Run:
    """Begin with biases so low that hardly a unit ever speaks."""

    class Silencing(keras.callbacks.Callback):
        def on_train_begin(self, logs: object = None) -> None:
            layers = self.model.layers
            dense = next(layer for layer in layers if type(layer) is keras.layers.Dense)
            kernel, bias = dense.get_weights()
            bias[2:] = -30.0
            dense.set_weights([kernel, bias])

    return trained(place, digits(seed), Silencing(), seed=seed)


def label_noise(place: Path, seed: int) -> darkroom.Run:
    """Label a quarter of all images at random."""
    parts, rng = digits(seed), np.random.default_rng(seed)

    def confused(labelled: Labelled) -> Labelled:
        pixels, labels = labelled
        wrong = rng.random(len(labels)) < 0.25
        return pixels, np.where(wrong, (labels + rng.integers(1, 10, len(labels))) % 10, labels)

    return trained(
        place,
        Parts(
            train=confused(parts.train),
            valid=confused(parts.valid),
            test=confused(parts.test),
            names=parts.names,
        ),
        seed=seed,
    )


def imbalance(place: Path, seed: int) -> darkroom.Run:
    """Collect four images each of five classes, and a hundred each of the others."""
    parts = digits(seed)
    pixels, labels = parts.train
    rank = np.array([(labels[:place] == label).sum() for place, label in enumerate(labels)])
    kept = (labels < 5) | (rank < 4)
    train = pixels[kept], labels[kept]
    return trained(place, msgspec.structs.replace(parts, train=train), seed=seed)


def tiny_validation(place: Path, seed: int) -> darkroom.Run:
    """Leave twenty images to validate on."""
    return trained(place, digits(seed, train=1400, valid=20), seed=seed)


def overfitting(place: Path, seed: int) -> darkroom.Run:
    """Train on sixty images, for long and unvaried."""
    augment = darkroom.Augment(flip=False, shift=0.0)
    return trained(place, digits(seed, train=60), epochs=40, augment=augment, seed=seed)


def underfitting(place: Path, seed: int) -> darkroom.Run:
    """Train a network of a handful of units."""
    return trained(place, digits(seed), model="mlp", width=0.01, epochs=30, seed=seed)


def many_looks(place: Path, seed: int) -> darkroom.Run:
    """Look at the test part after every of a dozen changes."""
    run = trained(place, digits(seed), seed=seed)
    for number in range(12):
        run.workspace.record_event(
            "look", subject=run.dataset.fingerprint("test"), by=f"images-{number}"
        )
    return run


PLANTS: dict[str, Plant] = {
    "channel-order": channel_order,
    "scaling": scaling,
    "batch-norm": batch_norm,
    "best-weights": best_weights,
    "leak": leak,
    "rate-too-high": rate_too_high,
    "rate-too-low": rate_too_low,
    "dead-units": dead_units,
    "too-few-epochs": too_few_epochs,
    "label-noise": label_noise,
    "imbalance": imbalance,
    "tiny-validation": tiny_validation,
    "overfitting": overfitting,
    "underfitting": underfitting,
    "many-looks": many_looks,
}

_ADAM = darkroom.Optimizer(name="adam", schedule="constant")
_SGD = darkroom.Optimizer(name="sgd", schedule="cosine")
HEALTHY: tuple[Plant, ...] = (
    lambda place, seed: trained(place, digits(seed), seed=seed),
    lambda place, seed: trained(place, digits(seed), model="mlp", seed=seed),
    lambda place, seed: trained(place, digits(seed), model="cnn_dropout", seed=seed),
    lambda place, seed: trained(place, digits(seed), model="resnet_tiny", epochs=12, seed=seed),
    lambda place, seed: trained(place, noisy(digits(seed), seed), seed=seed),
    lambda place, seed: trained(place, digits(seed), optimizer=_SGD, epochs=30, seed=seed),
    lambda place, seed: trained(place, squares(seed), seed=seed),
    lambda place, seed: trained(place, squares(seed), model="resnet_tiny", epochs=8, seed=seed),
    lambda place, seed: trained(place, squares(seed), model="cnn_dropout", seed=seed),
    lambda place, seed: trained(
        place, noisy(digits(seed), seed), optimizer=_ADAM, patience=5, epochs=30, seed=seed
    ),
)
