"""What a training will be: everything that follows from the recipe, the images and the machine."""

from __future__ import annotations

import importlib.metadata
import platform

import msgspec
import numpy as np

from darkroom.backend import keras
from darkroom.data.dataset import Dataset
from darkroom.data.pixels import channel_statistics, load_images
from darkroom.data.preprocess import Preprocess
from darkroom.findings import Finding
from darkroom.models.architecture import Architecture, Network
from darkroom.training.devices import choose_device
from darkroom.training.recipe import Recipe, refuse_idle
from darkroom.training.record import Device, RunRecord
from darkroom.training.settle import SMALL_PX, choose_network, settle_recipe


def plan(
    dataset: Dataset,
    recipe: Recipe,
    findings: tuple[Finding, ...] = (),
    despite: tuple[str, ...] = (),
) -> RunRecord:
    """Settle everything that follows from the recipe, the images and the machine.

    Raises:
        RecipeError: The settings clash with each other or with the images.
        ServiceError: Pretrained weights were asked for and cannot be fetched.
        ArtifactError: The file of pretrained weights that was named holds none.
    """
    chosen = choose_network(dataset, recipe)
    device, versions = this_machine(recipe)
    recipe = settle_recipe(dataset, recipe, chosen, devices=device.devices)
    refuse_idle(recipe)
    preprocess = _plan_preprocess(dataset, recipe, chosen.network)
    return RunRecord(
        recipe=recipe,
        architecture=_plan_architecture(dataset, recipe, chosen.network, preprocess),
        preprocess=preprocess,
        task=dataset.task,
        classes=dataset.classes,
        device=device,
        parameters=0,
        images=dataset.counts["train"],
        versions=versions,
        findings=tuple(
            msgspec.structs.replace(found, where=found.where[:20]) for found in findings
        ),
        despite=despite,
        pretrained=chosen.found.pretrained,
        why=chosen.why,
        outcome="training",
    )


def this_machine(recipe: Recipe) -> tuple[Device, dict[str, str]]:
    """Say what a training would run on here: the device, and the version of each package."""
    packages = ("darkroom-vision", "keras", "numpy", keras.backend.backend())
    versions = {"python": platform.python_version(), **{p: _version(p) for p in packages}}
    return choose_device(recipe.precision), versions


def _plan_architecture(
    dataset: Dataset, recipe: Recipe, network: Network, preprocess: Preprocess
) -> Architecture:
    mean, std = 0.0, 1.0
    if dataset.task == "regression":
        targets = dataset.targets("train").astype(np.float64)
        mean, std = float(targets.mean()), float(targets.std()) or 1.0
    return Architecture(
        name=network.name,
        version=network.version,
        height=preprocess.height,
        width=preprocess.width,
        channels=preprocess.channels,
        classes=1 if dataset.task == "regression" else len(dataset.classes),
        task=dataset.task,
        width_factor=recipe.width,
        dropout=recipe.dropout,
        l2=recipe.l2,
        activation=recipe.activation,
        target_mean=mean,
        target_std=std,
    )


def _plan_preprocess(dataset: Dataset, recipe: Recipe, network: Network) -> Preprocess:
    usual = dataset.default_preprocess()
    scaling = recipe.scaling or network.scaling
    # A network for photographs takes its own size; one for small images takes theirs.
    side = recipe.image_size or (network.input_px if network.input_px > SMALL_PX else None)
    preprocess = Preprocess(
        height=side or usual.height,
        width=side or usual.width,
        channels=usual.channels,
        decode=usual.decode,
        background=recipe.background,
        resize=recipe.resize,
        scaling="bytes" if scaling == "standard" else scaling,
    )
    if scaling != "standard":
        return preprocess
    # The training part alone: what is told of the others would be known before they are seen.
    mean, std = channel_statistics(load_images(dataset, "train", preprocess))
    return msgspec.structs.replace(preprocess, scaling="standard", mean=mean, std=std)


def _version(package: str) -> str:
    for name in (package, f"{package}-cpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"
