"""Recipes as they are written in Python: what is of another kind is refused where it is made."""

from __future__ import annotations

import numpy as np
import pytest

from darkroom.errors import RecipeError
from darkroom.training.recipe import Curriculum, Optimizer, Recipe, Transfer, given_recipe


@pytest.mark.parametrize(
    ("make", "said", "hint"),
    [
        (lambda: Recipe(epochs="ten"), "epochs = 'ten' of type str: it takes a whole", "epochs=10"),
        (lambda: Recipe(epochs=2.5), "epochs = 2.5 of type float", "epochs=10"),
        (lambda: Recipe(seed=np.int64(3)), "of type int64", "seed=10"),
        (lambda: Recipe(optimizer="sgd"), "it takes settings of", "optimizer.name=sgd"),
        (lambda: Recipe(transfer={"groups": 1}), "of type dict", "transfer.weights=imagenet"),
        (lambda: Optimizer(peak_lr="1"), "optimizer.peak_lr = '1'", "optimizer.peak_lr=0.1"),
        (lambda: Transfer(groups=None), "transfer.groups = None", "transfer.groups=10"),
        (lambda: Curriculum(difficulty=3), "curriculum.difficulty = 3", "difficulty=edges"),
    ],
)
def test_a_value_of_another_kind_is_refused_where_it_is_written(make, said, hint):
    with pytest.raises(RecipeError) as refused:
        make()
    assert said in refused.value.problem
    assert refused.value.hint.endswith(hint)


def test_what_counts_as_a_number_is_one():
    recipe = Recipe(width=2, optimizer=Optimizer(peak_lr=np.float64(0.1)))
    assert (recipe.width, recipe.optimizer.peak_lr) == (2, 0.1)


@pytest.mark.parametrize("given", ["resnet_tiny", {"epochs": 1}, Recipe])
def test_what_is_no_recipe_is_refused_with_one(given):
    with pytest.raises(RecipeError, match="is no Recipe"):
        given_recipe(given)
    assert given_recipe(None) == Recipe()
