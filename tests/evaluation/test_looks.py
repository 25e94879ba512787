"""The five looks: what each picks, in whatever order the rows come, and what is refused."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.errors import DataError
from darkroom.evaluation.looks import LOOKS, pick

NAMES = ("cat", "dog", "owl")


def table(images: int = 60, *, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(3), images).astype(np.float32)
    true, chosen = rng.integers(0, 3, images), probabilities.argmax(axis=1)
    return pl.DataFrame(
        {
            "image": [f"{number:03d}.png" for number in range(images)],
            "labels": [[NAMES[label]] for label in true],
            "predicted": [[NAMES[label]] for label in chosen],
            "correct": true == chosen,
            "confidence": probabilities.max(axis=1),
            "probabilities": probabilities.tolist(),
            "abstained": np.zeros(images, bool),
        },
        schema_overrides={"probabilities": pl.List(pl.Float32)},
    )


def of_labels(probabilities: list[list[float]]) -> pl.DataFrame:
    images = len(probabilities)
    return pl.DataFrame(
        {
            "image": [f"{number}.png" for number in range(images)],
            "labels": [["cat"]] * images,
            "predicted": [["cat"]] * images,
            "correct": [True] * images,
            "confidence": [max(row) for row in probabilities],
            "probabilities": probabilities,
        }
    )


@pytest.mark.parametrize("kind", ["random", "confident"])
def test_right_and_wrong_are_told_apart(kind):
    assert pick(table(), f"{kind} right")["correct"].all()
    assert not pick(table(), f"{kind} wrong")["correct"].any()


@pytest.mark.parametrize("kind", ["right", "wrong"])
def test_the_confident_ones_are_those_of_the_highest_confidence_the_surest_first(kind):
    known = table()
    of_kind = known.filter(pl.col("correct") == (kind == "right"))["confidence"]
    shown = pick(known, f"confident {kind}", count=7)["confidence"]
    assert shown.to_list() == of_kind.sort(descending=True).head(7).to_list()


def test_the_most_uncertain_hesitate_between_two_classes():
    known = of_labels([[0.5, 0.49, 0.01], [0.4, 0.3, 0.3], [0.9, 0.1, 0.0]])
    assert pick(known, "most uncertain")["image"].to_list() == ["0.png", "1.png", "2.png"]
    # The control: the lowest confidence is another order.
    assert known.sort("confidence")["image"].to_list()[0] == "1.png"


def test_of_several_labels_the_most_uncertain_has_one_near_one_half():
    known = of_labels([[0.99, 0.9], [0.99, 0.52], [0.1, 0.2]])
    assert pick(known, "most uncertain")["image"].to_list() == ["1.png", "2.png", "0.png"]


def test_a_class_that_stands_alone_is_uncertain_near_one_half():
    assert pick(of_labels([[1.0], [0.6]]), "most uncertain")["image"].to_list() == [
        "1.png",
        "0.png",
    ]


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_at_a_cell_shows_images_of_that_cell_only(look):
    shown = pick(table(600), look, true="cat", predicted="dog")
    assert all(row == ["cat"] for row in shown["labels"].to_list())
    assert all(row == ["dog"] for row in shown["predicted"].to_list())
    assert len(shown) == (0 if look.endswith("right") else 12)


def test_a_look_by_class_takes_the_true_or_the_predicted_one():
    assert set(pick(table(), "random wrong", true="owl")["labels"].explode()) == {"owl"}
    assert set(pick(table(), "random wrong", predicted="owl")["predicted"].explode()) == {"owl"}


@pytest.mark.parametrize("look", LOOKS)
@given(order=st.permutations(range(40)), seed=st.integers(0, 5))
def test_a_look_does_not_depend_on_the_order_of_the_rows(look, order, seed):
    known = table(40)
    assert pick(known, look, seed=seed).equals(pick(known[list(order)], look, seed=seed))


def test_another_seed_draws_others_and_the_same_seed_the_same():
    known = table(300)
    first = pick(known, "random wrong", seed=1)
    assert first.equals(pick(known, "random wrong", seed=1))
    assert not first.equals(pick(known, "random wrong", seed=2))


def test_what_is_drawn_is_drawn_evenly():
    known = table(100)
    wrong = known.filter(~pl.col("correct"))["image"]
    times = dict.fromkeys(wrong, 0)
    for seed in range(300):
        for image in pick(known, "random wrong", count=10, seed=seed)["image"]:
            times[image] += 1
    expected = 300 * 10 / len(wrong)
    assert max(abs(seen - expected) for seen in times.values()) < 5 * expected**0.5


def test_no_answer_is_neither_right_nor_wrong():
    silent = table().with_columns(
        abstained=pl.lit(value=True),
        correct=pl.lit(value=False),
        predicted=pl.lit([], dtype=pl.List(pl.String)),
    )
    assert len(pick(silent, "random wrong")) == 0
    assert len(pick(silent, "confident wrong")) == 0
    assert len(pick(silent, "most uncertain")) == 12
    # The control: an older table cannot say so, and they count as wrong.
    assert len(pick(silent.drop("abstained"), "random wrong")) == 12


@pytest.mark.parametrize("look", LOOKS)
def test_nothing_is_picked_from_nothing(look):
    assert len(pick(table().clear(), look)) == 0
    assert len(pick(table(), look, true="a class without images")) == 0


def test_a_look_that_does_not_exist_is_refused_with_the_nearest():
    with pytest.raises(DataError) as refused:
        pick(table(), "confidently wrong")
    assert "confidently wrong" in refused.value.problem
    assert "confident wrong" in refused.value.hint


def test_numbers_are_neither_right_nor_wrong():
    numbers = pl.DataFrame({"image": ["a.png"], "target": [1.0], "value": [2.0], "error": [1.0]})
    with pytest.raises(DataError) as refused:
        pick(numbers, "random wrong")
    assert "numbers" in refused.value.problem
