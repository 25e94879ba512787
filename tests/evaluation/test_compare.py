"""Two evaluations of the same images: the verdict, what changed, and what cannot be compared."""

from __future__ import annotations

import re
from types import SimpleNamespace

import msgspec
import numpy as np
import polars as pl
import pytest

from darkroom.errors import DataError
from darkroom.evaluation.compare import pair, pair_tables
from darkroom.evaluation.compare_page import write_comparison
from darkroom.evaluation.comparison import (
    ClassChange,
    Comparison,
    compare_answers,
    compare_numbers,
    p_told,
    points,
)
from darkroom.evaluation.leaderboard import Entry, Leaderboard, _entry, _flat
from darkroom.intervals import Estimate, wilson
from darkroom.records import from_json, to_json
from darkroom.training.recipe import Curriculum, Recipe
from darkroom.training.repeats import mean_of

CLASSES = ("cat", "dog")
NAMES = ("old-1", "new-1")


def predictions(right: list[bool], *, leaked: list[bool] | None = None) -> pl.DataFrame:
    """Make a table of answers: the first half of the images are cats, the others dogs."""
    count = len(right)
    truth = ["cat"] * (count // 2) + ["dog"] * (count - count // 2)
    other = {"cat": "dog", "dog": "cat"}
    return pl.DataFrame(
        {
            "image": [f"{number:04}.jpg" for number in range(count)],
            "labels": [[name] for name in truth],
            "predicted": [
                [name if good else other[name]] for name, good in zip(truth, right, strict=True)
            ],
            "correct": right,
            "confidence": np.linspace(0.5, 1, count, dtype=np.float32),
            "leaked": leaked or [False] * count,
        }
    )


def numbers(errors: np.ndarray, *, leaked: list[bool] | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "image": [f"{number:04}.jpg" for number in range(len(errors))],
            "target": np.arange(len(errors), dtype=np.float64),
            "value": np.arange(len(errors)) + errors,
            "error": errors.astype(np.float32),
            "leaked": leaked or [False] * len(errors),
        }
    )


def compared(before: pl.DataFrame, after: pl.DataFrame) -> Comparison:
    return compare_answers(pair_tables(before, after, NAMES), NAMES, part="test", classes=CLASSES)


def flags(count: int, *wrong: range) -> list[bool]:
    missed = {number for some in wrong for number in some}
    return [number not in missed for number in range(count)]


def test_one_that_mends_many_images_and_breaks_few_is_better():
    told = compared(predictions(flags(200, range(40))), predictions(flags(200, range(10, 12))))
    assert told.verdict == "better"
    assert told.accuracy_before.hits == 160
    assert told.accuracy_after.hits == 198
    assert told.difference.value == pytest.approx(38 / 200)
    assert told.difference.low > 0
    assert told.p < 0.001
    assert told.summary().startswith("new-1 is better than old-1: +19.0 points")
    assert "200 images, 38 mended, 0 broken" in told.summary()


def test_turned_around_it_is_worse():
    told = compared(predictions(flags(200, range(10, 12))), predictions(flags(200, range(40))))
    assert told.verdict == "worse"
    assert told.difference.high < 0


def test_a_small_difference_cannot_be_told_and_the_images_it_takes_are_said():
    told = compared(
        predictions(flags(200, range(10))), predictions(flags(200, range(6), range(100, 102)))
    )
    assert told.verdict is None
    assert told.images_to_tell > 200
    assert f"about {told.images_to_tell:,} images would tell" in told.summary()


def test_the_same_answers_cannot_be_told_apart_by_any_number_of_images():
    same = predictions(flags(50, range(5)))
    told = compared(same, same)
    assert (told.verdict, told.p, told.images_to_tell) == (None, 1.0, None)
    assert "would tell" not in told.summary()


def test_images_that_broke_and_were_mended_are_named_the_surest_first():
    told = compared(predictions(flags(20, range(3))), predictions(flags(20, range(2, 6))))
    assert told.newly_broken == ("0005.jpg", "0004.jpg", "0003.jpg")
    assert told.newly_mended == ("0001.jpg", "0000.jpg")


def test_each_class_is_compared_on_its_own_images():
    told = compared(predictions(flags(200, range(40))), predictions(flags(200)))
    cat, dog = told.classes
    assert (cat.name, cat.images, cat.before.hits, cat.after.hits) == ("cat", 100, 60, 100)
    assert cat.verdict == "better"
    assert (dog.verdict, dog.difference.value) == (None, 0)


def test_a_class_without_images_is_not_defined():
    answers = pair_tables(predictions(flags(4)), predictions(flags(4)), NAMES)
    told = compare_answers(answers, NAMES, part="test", classes=("cat", "dog", "yak"))
    yak = told.classes[2]
    assert (yak.images, yak.before.value, yak.difference.value, yak.p) == (0, None, None, None)
    assert yak.verdict is None


def test_the_classes_are_corrected_for_how_many_they_are():
    # Six mended images of 50: 0.03 alone, and more than 0.05 among twenty classes.
    before = predictions(flags(100, range(6)))
    few = compared(before, predictions(flags(100)))
    assert few.classes[0].verdict == "better"
    names = [f"class {number}" for number in range(20)]
    rows = [[names[number % 20]] for number in range(1000)]
    good = pl.Series([number >= 6 * 20 or number % 20 > 0 for number in range(1000)])
    many = pl.DataFrame(
        {
            "image": [str(number) for number in range(1000)],
            "labels": rows,
            "predicted": rows,
            "correct": [True] * 1000,
            "confidence": [0.9] * 1000,
            "leaked": [False] * 1000,
        }
    )
    worse = many.with_columns(
        correct=good,
        predicted=pl.Series(
            [row if right else [] for row, right in zip(rows, good, strict=True)],
            dtype=pl.List(pl.String),
        ),
    )
    told = compare_answers(pair_tables(worse, many, NAMES), NAMES, part="test", classes=names)
    assert [each.verdict for each in told.classes] == [None] * 20
    assert told.verdict == "better"


def test_images_that_a_training_has_seen_are_told_and_do_not_decide():
    seen = [number < 40 for number in range(200)]
    told = compared(predictions(flags(200, range(40))), predictions(flags(200), leaked=seen))
    assert told.leaked == 40
    assert told.difference.value == pytest.approx(0.2)
    assert told.without_leaks.images == 160
    assert told.without_leaks.difference.value == 0
    assert told.verdict is None
    assert "160 images that neither training has seen" in told.summary()


def test_where_everything_leaked_there_is_no_comparison_without():
    told = compared(predictions([True] * 6, leaked=[True] * 6), predictions([True] * 6))
    assert told.without_leaks is None
    assert told.leaked == 6


def test_an_evaluation_from_before_leaks_were_looked_for_is_compared():
    old = predictions(flags(20)).drop("leaked")
    assert compared(old, predictions(flags(20))).leaked == 0


def test_several_labels_are_compared_label_by_label():
    table = pl.DataFrame(
        {
            "image": ["a", "b", "c"],
            "labels": [["cat", "dog"], ["dog"], []],
            "predicted": [["cat"], ["dog"], []],
            "correct": [False, True, True],
            "confidence": [0.9, 0.8, 0.7],
            "leaked": [False] * 3,
        },
        schema_overrides={"labels": pl.List(pl.String), "predicted": pl.List(pl.String)},
    )
    better = table.with_columns(
        predicted=pl.Series([["cat", "dog"], ["dog"], []], dtype=pl.List(pl.String)),
        correct=pl.lit(value=True),
    )
    told = compared(table, better)
    cat, dog = told.classes
    assert (cat.before.hits, cat.after.hits) == (1, 1)
    assert (dog.images, dog.before.hits, dog.after.hits) == (2, 1, 2)
    assert told.newly_mended == ("a",)


def test_rows_in_another_order_are_paired_by_name():
    before, after = predictions(flags(30, range(5))), predictions(flags(30, range(3)))
    told = compared(before.sample(fraction=1, shuffle=True, seed=1), after)
    assert msgspec.structs.replace(told, newly_mended=()) == msgspec.structs.replace(
        compared(before, after), newly_mended=()
    )


def test_different_images_are_refused_with_the_first_that_only_one_has():
    with pytest.raises(DataError) as refused:
        compared(predictions(flags(20)), predictions(flags(20)).tail(18))
    assert "old-1 and new-1 cover different images" in refused.value.problem
    assert "2 are only in old-1, the first is 0000.jpg" in refused.value.problem
    assert "same dataset" in refused.value.hint
    with pytest.raises(DataError) as turned:
        compared(predictions(flags(20)).head(19), predictions(flags(20)))
    assert "1 is only in new-1, the first is 0019.jpg" in turned.value.problem


def test_other_labels_of_the_same_images_are_refused():
    other = predictions(flags(20)).with_columns(
        labels=pl.Series([["dog"]] * 20, dtype=pl.List(pl.String))
    )
    with pytest.raises(DataError) as refused:
        compared(predictions(flags(20)), other)
    assert "10 images have another label" in refused.value.problem
    assert "0000.jpg, cat and dog" in refused.value.problem


def test_numbers_are_compared_by_their_absolute_errors():
    rng = np.random.default_rng(0)
    before = rng.normal(0, 2, 300)
    table = pair_tables(numbers(before), numbers(before * 0.8), NAMES)
    told = compare_numbers(table, NAMES, part="test")
    assert told.measure == "error"
    assert told.verdict == "better"
    assert told.error_before.value == pytest.approx(np.abs(before).mean(), rel=1e-5)
    assert told.difference.value == pytest.approx(-0.2 * np.abs(before).mean(), rel=1e-5)
    assert told.accuracy_before.value is None
    assert "of mean absolute error" in told.summary()
    turned = pair_tables(numbers(before * 0.8), numbers(before), NAMES)
    assert compare_numbers(turned, NAMES, part="test").verdict == "worse"


def test_numbers_that_are_equally_good_are_called_different_about_5_times_in_100():
    rng = np.random.default_rng(0)
    called = []
    for _ in range(400):
        shared = rng.normal(size=60)
        tables = [numbers(shared + rng.normal(size=60)) for _ in NAMES]
        told = compare_numbers(pair_tables(*tables, NAMES), NAMES, part="test")
        called.append(told.verdict is not None)
    assert 0.02 <= np.mean(called) <= 0.08


@pytest.mark.parametrize(
    ("before", "after", "verdict", "p"),
    [([1.0, 2.0], [1.0, 2.0], None, 1.0), ([2.0, 3.0], [1.0, 2.0], "better", 0.0),
     ([2.0], [1.0], None, 1.0)],
)  # fmt: skip
def test_numbers_without_spread_are_no_reason_to_fail(before, after, verdict, p):
    table = pair_tables(numbers(np.array(before)), numbers(np.array(after)), NAMES)
    told = compare_numbers(table, NAMES, part="test")
    assert (told.verdict, told.p) == (verdict, p)


def test_numbers_that_leaked_do_not_decide():
    before, after = np.full(40, 2.0), np.full(40, 2.0)
    after[:10] = np.linspace(0, 0.1, 10)
    seen = [number < 10 for number in range(40)]
    table = pair_tables(numbers(before), numbers(after, leaked=seen), NAMES)
    told = compare_numbers(table, NAMES, part="test")
    assert told.p < 0.05
    assert told.without_leaks.images == 30
    assert told.verdict is None


def test_a_comparison_survives_json_and_shows_itself():
    told = compared(predictions(flags(60, range(20))), predictions(flags(60)))
    assert from_json(to_json(told), Comparison, where="test") == told
    page = told._repr_html_()
    assert told.summary() in page
    assert page.count("<tr>") == 3


def test_names_that_hold_markup_are_text_in_a_notebook():
    told = msgspec.structs.replace(
        compared(predictions(flags(4)), predictions(flags(4))), after="<b>new</b>"
    )
    assert "<b>new" not in told._repr_html_()


def test_differences_and_p_values_are_written_as_people_read_them():
    assert points(Estimate(value=0.021, low=0.008, high=0.034)) == "+2.1 points (+0.8 .. +3.4)"
    assert points(Estimate(value=None)) == "not defined"
    assert (p_told(0.0312), p_told(0.00004)) == ("p 0.031", "p below 0.001")


def test_a_class_is_called_only_below_the_level():
    change = ClassChange(
        name="cat", images=9, before=wilson(1, 9), after=wilson(8, 9),
        difference=Estimate(value=-0.1, low=-0.2, high=-0.01), p=0.04,
    )  # fmt: skip
    assert change.verdict == "worse"
    assert msgspec.structs.replace(change, p=0.06).verdict is None


def entry(model: str, *shares: float) -> Entry:
    return Entry(
        model=model, settings=(), evaluations=tuple(f"{model}-{n}" for n in range(len(shares))),
        seeds=mean_of(shares), accuracy=wilson(round(shares[0] * 100), 100),
    )  # fmt: skip


def test_a_list_shows_the_spread_over_seeds_where_there_are_two():
    board = Leaderboard(
        part="test", images=100, measure="accuracy",
        entries=(entry("resnet", 0.9, 0.92), entry("mlp<", 0.5)),
    )  # fmt: skip
    first, second = board.rows()
    assert first[:2] == ["resnet", "2"]
    assert re.fullmatch(r"\d+\.\d % \.\. \d+\.\d %", first[3])
    assert second[3] == "-"
    assert board.summary().startswith("resnet leads 2 recipes with 90.0 %")
    assert "mlp&lt;" in board._repr_html_()


def stand_in(name: str, predictions: pl.DataFrame, task: str = "regression") -> SimpleNamespace:
    """Make what looks like an evaluation, without a run behind it."""
    record = SimpleNamespace(
        task=task, part="test", part_fingerprint=name, run=f"run of {name}", dataset="d", looks=2
    )
    trained = SimpleNamespace(
        record=SimpleNamespace(
            recipe=SimpleNamespace(model=None), architecture=SimpleNamespace(name="mlp")
        )
    )
    return SimpleNamespace(name=name, record=record, predictions=predictions, run=trained)


def test_the_page_of_numbers_says_how_much_the_error_changed(tmp_path):
    rng = np.random.default_rng(0)
    errors = rng.normal(0, 2, 300)
    before, after = stand_in("old-1", numbers(errors)), stand_in("new-1", numbers(errors * 0.8))
    told = compare_numbers(pair(before, after), NAMES, part="test")
    write_comparison(tmp_path / "page.html", before, after, told)
    page = (tmp_path / "page.html").read_text()
    assert "Better" in page
    assert "of mean absolute error" in page
    assert "Newly broken" not in page
    assert "run of old-1" in page


def test_a_number_is_not_held_against_a_class():
    one = stand_in("old-1", numbers(np.ones(4)))
    other = stand_in("new-1", predictions(flags(4)), "single-label")
    with pytest.raises(DataError) as refused:
        pair(one, other)
    assert "old-1 is regression and new-1 is single-label" in refused.value.problem


def test_a_list_of_numbers_has_errors_and_a_list_of_classes_accuracies():
    runs = [stand_in(name, numbers(np.ones(4))) for name in ("a", "b")]
    scores = {"a": np.array([1.0, 2.0, 3.0, 2.0]), "b": np.array([1.0, 2.0, 3.0, 4.0])}
    errors = _entry(runs, scores, (), is_number=True)
    assert errors.seeds.value == errors.error.value == pytest.approx(2.25)
    assert errors.error.low < 2.25 < errors.error.high
    assert errors.accuracy.value is None
    rights = {"a": np.array([1.0, 1.0, 1.0, 0.0]), "b": np.array([1.0, 1.0, 0.0, 0.0])}
    classes = _entry(runs, rights, (), is_number=False)
    assert classes.accuracy.value == pytest.approx(0.625)
    assert classes.error.value is None
    assert 0 <= classes.seeds.low <= classes.seeds.high <= 1
    board = Leaderboard(part="test", images=4, measure="error", entries=(errors,))
    assert board.rows()[0][2].startswith("2.25 (")


def test_seeds_that_come_to_the_same_are_not_given_an_interval_of_nothing():
    board = Leaderboard(
        part="test", images=100, measure="accuracy", entries=(entry("mlp", 0.5, 0.5),)
    )
    assert board.rows()[0][3] == "no spread"


def test_settings_are_named_as_they_are_typed():
    flat = _flat(Recipe(curriculum=Curriculum(difficulty="edges"), epochs=3))
    assert flat["curriculum.difficulty"] == "edges"
    assert "optimizer.peak_lr" in flat
    assert flat["epochs"] == 3
