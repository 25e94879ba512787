"""What a recipe leaves open: which epoch is the best, by the kind of network."""

from __future__ import annotations

import pytest

import darkroom
from darkroom.models.catalog import network_named
from darkroom.models.weights import FoundWeights, Pretrained
from darkroom.settings import with_overrides
from darkroom.training.recipe import Recipe
from darkroom.training.settle import Chosen, settle_recipe, settled_by_user
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
