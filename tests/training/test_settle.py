"""What a recipe leaves open: which epoch is the best, by the kind of network."""

from __future__ import annotations

import pytest

import darkroom
from darkroom.models.catalog import network_named
from darkroom.models.weights import FoundWeights, Pretrained
from darkroom.training.recipe import Recipe
from darkroom.training.settle import Chosen, settle_recipe

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
