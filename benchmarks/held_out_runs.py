"""Runs on real photographs, as people train them: some well, some not. No limit was chosen here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import darkroom

WEIGHTS = "weights/mobilenet_v2_1.0_224_no_top.weights.h5"
Train = Callable[[Path, Path], darkroom.Run]


def on(data: str, *, pretrained: bool = False, **settings: object) -> Train:
    """Prepare a training: a place for its workspace and the folder of real images come later."""

    def train(place: Path, images: Path) -> darkroom.Run:
        workspace = darkroom.Workspace(place / "workspace")
        dataset = darkroom.open_dataset(images / data, workspace=workspace)
        dataset = darkroom.split_dataset(dataset, valid=0.2)
        errors = [each.name for each in darkroom.check_dataset(dataset) if each.severity == "error"]
        if pretrained:
            settings["transfer"] = darkroom.Transfer(weights=str(images / WEIGHTS))
        return darkroom.train(dataset, darkroom.Recipe(**settings), despite=errors)

    return train


_HIGH, _LOW = darkroom.Optimizer(peak_lr=0.2), darkroom.Optimizer(peak_lr=1e-5)
_STILL = darkroom.Augment(flip=False, shift=0.0)
HELD_OUT: dict[str, Train] = {
    "flowers, cnn_simple, 32 px": on("flowers", model="cnn_simple", image_size=32),
    "flowers, cnn_simple, 32 px, unvaried, 25 epochs": on(
        "flowers", model="cnn_simple", image_size=32, augment=_STILL, epochs=25
    ),
    "flowers, resnet_tiny, 48 px": on("flowers", model="resnet_tiny", image_size=48),
    "flowers, resnet_tiny, 48 px, 2 epochs": on(
        "flowers", model="resnet_tiny", image_size=48, epochs=2
    ),
    "flowers, mlp, 32 px, rate 0.2": on("flowers", model="mlp", image_size=32, optimizer=_HIGH),
    "flowers, cnn_dropout, 32 px, rate 1e-5": on(
        "flowers", model="cnn_dropout", image_size=32, optimizer=_LOW
    ),
    "flowers, mobilenet_v2, 96 px, pretrained": on(
        "flowers", pretrained=True, model="mobilenet_v2", image_size=96
    ),
    "dogscats, cnn_simple, 32 px": on("dogscats", model="cnn_simple", image_size=32),
    "dogscats, resnet_tiny, 48 px": on("dogscats", model="resnet_tiny", image_size=48),
    "dogscats, cnn_dropout, 48 px, width 0.25": on(
        "dogscats", model="cnn_dropout", image_size=48, width=0.25
    ),
    "dogscats, mobilenet_v2, 128 px, pretrained": on(
        "dogscats", pretrained=True, model="mobilenet_v2", image_size=128
    ),
}
