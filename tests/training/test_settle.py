"""What a recipe leaves open: the network by the images, and the rest by the network."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import h5py
import msgspec
import numpy as np
import pytest

import darkroom
from darkroom.errors import RecipeError, ServiceError
from darkroom.models.catalog import network_named
from darkroom.models.trunks import TRUNKS, Published
from darkroom.models.weights import FoundWeights, Pretrained
from darkroom.narration import tell_plan
from darkroom.settings import with_overrides
from darkroom.training.plan import plan
from darkroom.training.recipe import Recipe, Transfer
from darkroom.training.settle import Chosen, choose_network, settle_recipe, settled_by_user
from tests.data.file_server import FileServer
from tests.making import draw_folder

PRETRAINED = Pretrained(trunk="mobilenet_v2", sha256="0" * 64, source="weights.h5")


@pytest.mark.parametrize(
    ("model", "pretrained", "asked", "settled"),
    [
        ("mobilenet_v2", PRETRAINED, None, "loss"),
        ("mobilenet_v2", PRETRAINED, "accuracy", "accuracy"),
        ("mobilenet_v2", None, None, "accuracy"),
        ("resnet_tiny", None, None, "accuracy"),
        ("resnet_tiny", None, "loss", "loss"),
    ],
)
def test_the_head_of_a_pretrained_trunk_is_judged_by_its_loss(
    dataset, model, pretrained, asked, settled
):
    found = FoundWeights(width=1.0, where="here", pretrained=pretrained)
    chosen = Chosen(network=network_named(model), found=found)
    assert settle_recipe(dataset, Recipe(monitor=asked), chosen).monitor == settled


@pytest.mark.parametrize(
    "asked",
    [
        {"model": "mlp"},
        {"model": "cnn_simple", "epochs": 3},  # from which it follows that images are not moved
        {"model": "cnn_simple", "epochs": 3, "augment.shift": 0.25},
        {"model": "resnet_tiny", "width": 0.5, "batch_size": 8},
        {"model": "resnet_tiny", "optimizer.name": "adam", "optimizer.schedule": "cosine"},
        {"model": "mlp", "augment.flip": "false", "optimizer.peak_lr": 0.2, "dropout": 0.5},
        {"model": "mlp", "class_weights.ball": 2.0, "background": [0, 0, 0], "seed": 7},
        {"model": "mlp", "curriculum.difficulty": "brightness"},
        {"model": "mobilenet_v2", "transfer.weights": "weights.h5", "transfer.fine_tune_epochs": 2},
    ],
)
def test_what_a_user_settled_is_told_from_what_followed(dataset, asked):
    pretrained = PRETRAINED if asked["model"] == "mobilenet_v2" else None
    recipe = with_overrides(Recipe(), [f"{name}={value}" for name, value in asked.items()])
    network = network_named(recipe.model)
    found = FoundWeights(width=recipe.width, where="here", pretrained=pretrained)
    settled = settle_recipe(dataset, recipe, Chosen(network=network, found=found))
    told = settled_by_user(dataset, settled, pretrained)
    assert asked.items() <= told.items()
    extra = told.keys() - asked.keys()
    assert extra <= {"curriculum.pacing", "curriculum.start", "curriculum.until",
                     "curriculum.hardest_first"}  # fmt: skip
    again = with_overrides(Recipe(), [f"{name}={value}" for name, value in told.items()])
    assert settle_recipe(dataset, again, Chosen(network=network, found=found)) == settled


def test_a_class_whose_name_cannot_be_typed_troubles_nobody(workspace, tmp_path):
    root = draw_folder(tmp_path / "dogs", ("ball", "box"), 8)
    (root / "ball").rename(root / "st. bernard")
    dogs = darkroom.split_dataset(darkroom.open_dataset(root, workspace=workspace))
    recipe = Recipe(model="mlp", class_weights={"st. bernard": 2.0, "box": 3.0})
    found = FoundWeights(width=1.0, where="here")
    settled = settle_recipe(dogs, recipe, Chosen(network=network_named("mlp"), found=found))
    assert settled_by_user(dogs, settled, None) == {"model": "mlp", "class_weights.box": 3.0}


def trained(dataset, monitor, seed):
    recipe = Recipe(
        model="mlp", width=0.05, image_size=12, epochs=8, batch_size=8, monitor=monitor,
        optimizer=darkroom.Optimizer(peak_lr=0.03), seed=seed,
    )  # fmt: skip
    return darkroom.train(dataset, recipe)


def test_the_best_epoch_is_that_of_what_is_monitored(dataset):
    for seed in range(12):
        run = trained(dataset, "accuracy", seed)
        of_loss = min(run.history, key=lambda epoch: epoch.valid_loss)
        assert run.best == max(run.history, key=lambda e: (e.valid_accuracy, -e.valid_loss))
        if of_loss != run.best:  # the control: the two would pick different epochs
            assert trained(dataset, "loss", seed).best.number == of_loss.number
            return
    pytest.fail("accuracy and loss picked the same epoch in every training")


@pytest.fixture
def photographs(workspace, tmp_path):
    """Give a dataset of images too large for a small network."""
    root = draw_folder(tmp_path / "photographs", per_class=12, size=(80, 96))
    return darkroom.split_dataset(darkroom.open_dataset(root, workspace=workspace))


@pytest.fixture
def publish(monkeypatch, tmp_path):
    """Publish weights of MobileNetV2 at an address of the test's own; Keras keeps none yet."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))

    def publish(address: str) -> Path:
        one = {1.0: Published(address=address, numbers=10)}
        trunk = msgspec.structs.replace(TRUNKS["mobilenet_v2"], published=one)
        monkeypatch.setitem(TRUNKS, "mobilenet_v2", trunk)
        return tmp_path / "keras" / "models" / one[1.0].file

    return publish


@pytest.fixture
def weights(tmp_path) -> Path:
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file.create_dataset("layer/vars/0", data=np.zeros(10, np.float32))
    return tmp_path / "weights.h5"


@pytest.fixture
def nobody():
    """Give an address at which nobody listens."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    return f"http://127.0.0.1:{port}/weights.h5"


def chosen(dataset, **settings) -> tuple[str, str]:
    """Give the network that is taken, and why."""
    transfer = Transfer(weights=settings.pop("weights", None))
    found = choose_network(dataset, Recipe(transfer=transfer, **settings))
    return found.network.name, found.why


def test_small_images_get_a_small_network_whatever_can_be_had(
    dataset, photographs, publish, nobody
):
    publish(nobody)
    assert chosen(dataset) == ("resnet_tiny", "")
    assert chosen(photographs, image_size=64) == ("resnet_tiny", "")


def test_photographs_get_a_pretrained_trunk_where_its_weights_are_kept_given_or_fetched(
    photographs, publish, weights, nobody
):
    assert chosen(photographs, weights=str(weights)) == (
        "mobilenet_v2", "for photographs of 80 px; its pretrained weights are given",
    )  # fmt: skip
    with FileServer(weights.read_bytes()).running("weights.h5") as server:
        kept = publish(server.url)
        assert chosen(photographs)[1].endswith("its pretrained weights are fetched")
    publish(nobody)
    name, why = chosen(photographs)
    assert (name, why.endswith("are kept by Keras")) == ("mobilenet_v2", True)
    kept.unlink()  # the control
    assert chosen(photographs)[0] == "resnet_small"


def test_offline_photographs_are_learned_from_scratch_and_the_first_line_says_why(
    photographs, publish, nobody
):
    publish(nobody)
    name, why = chosen(photographs)
    assert name == "resnet_small"
    assert why.startswith("from scratch: the ImageNet weights of mobilenet_v2 cannot be had")
    assert "cannot be reached" in why
    first = tell_plan(plan(photographs, Recipe())).splitlines()[0]
    assert f"resnet_small ({why})" in first
    with pytest.raises(ServiceError):  # who asked for them is not given something else
        chosen(photographs, weights="imagenet")
    assert chosen(photographs, weights="none") == (
        "resnet_small", "from scratch as asked, for photographs of 80 px",
    )  # fmt: skip
    assert chosen(photographs, model="resnet18") == ("resnet18", "")


@pytest.mark.parametrize(
    ("idle", "used"),
    [
        ("optimizer.drops=5", "optimizer.schedule=step"),
        ("optimizer.drop_factor=0.5", "optimizer.schedule=step"),
        ("optimizer.cycles=2", "optimizer.schedule=sgdr"),
        ("optimizer.cycle_growth=1", "optimizer.schedule=sgdr"),
        ("optimizer.momentum=0.5", "optimizer.name=sgd"),
        ("optimizer.nesterov=false", "optimizer.name=sgd"),
        ("focal_gamma=4", "loss=focal"),
    ],
)
def test_a_setting_that_would_change_nothing_is_refused_with_what_it_belongs_to(
    dataset, idle, used
):
    with pytest.raises(RecipeError) as refused:
        plan(dataset, with_overrides(Recipe(model="mlp"), [idle]))
    assert idle.partition("=")[0] in refused.value.problem
    assert refused.value.hint.startswith(f"--set {used},")
    settled = plan(dataset, with_overrides(Recipe(model="mlp"), [idle, used])).recipe
    assert plan(dataset, settled).recipe == settled


def test_a_batch_larger_than_the_training_part_is_refused_with_one_that_fits(dataset):
    images = dataset.counts["train"]
    network = Chosen(network=network_named("mlp"), found=FoundWeights(width=1.0, where="here"))
    with pytest.raises(RecipeError) as refused:
        settle_recipe(dataset, Recipe(batch_size=images + 1), network)
    assert f"batch_size = {images + 1} is more than the {images} images" in refused.value.problem
    fits = Recipe(batch_size=images)
    assert settle_recipe(dataset, fits, network).batch_size == images
    hinted = with_overrides(Recipe(), [refused.value.hint.removeprefix("--set ")])
    assert settle_recipe(dataset, hinted, network).batch_size <= images
