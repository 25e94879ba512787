"""Slices: a bad one is found, luck is not called one, and what is left out is said."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from darkroom.errors import DataError
from darkroom.evaluation import slices as slices_module
from darkroom.evaluation.columns import read_columns, usual_columns
from darkroom.evaluation.slices import _fisher, difference_of_shares, holm, slice_metrics
from darkroom.intervals import wilson

IMAGES = 600


def columns_of(rng: np.random.Generator) -> dict[str, object]:
    return {
        "brightness": rng.random(IMAGES),
        "sharpness": rng.normal(size=IMAGES),
        "pixels": rng.choice([32, 48, 64, 128], IMAGES),
        "camera": rng.choice(["Canon", "Nikon", "Sony", "phone"], IMAGES).tolist(),
        "class": rng.choice(list("abcdefgh"), IMAGES).tolist(),
        "group": [f"g{number}" for number in rng.integers(0, 12, IMAGES)],
    }


def share_flagged(repetitions: int) -> float:
    """Say how often any slice is called worse although none is."""
    rng = np.random.default_rng(0)
    flagged = [
        bool(slice_metrics(rng.random(IMAGES) < 0.8, columns_of(rng)).worse)
        for _ in range(repetitions)
    ]
    return float(np.mean(flagged))


def only(correct, column) -> slices_module.Slices:
    return slice_metrics(np.asarray(correct, bool), {"it": column})


def values(found: slices_module.Slices) -> dict[str, int]:
    return {row.value: row.images for row in found.rows}


def test_where_nothing_is_worse_at_most_5_of_100_evaluations_call_a_slice_worse():
    assert share_flagged(100) <= 0.05


def test_control_without_the_correction_far_more_of_them_would(monkeypatch):
    monkeypatch.setattr(slices_module, "holm", list)
    assert share_flagged(25) > 0.3


def test_a_bad_slice_is_found_and_comes_first():
    rng = np.random.default_rng(1)
    columns = columns_of(rng)
    dark = np.asarray(columns["brightness"]) < 0.25
    found = slice_metrics(rng.random(IMAGES) < np.where(dark, 0.5, 0.85), columns)
    worst = found.rows[0]
    assert worst.column == "brightness"
    assert worst.is_worse
    assert worst.value.startswith("0.0")
    assert worst.difference.high < 0
    assert [row for row in found.worse if row.column == "camera"] == []


def test_a_slice_that_is_better_is_not_called_worse():
    rng = np.random.default_rng(2)
    phone = np.arange(IMAGES) < 200
    found = only(rng.random(IMAGES) < np.where(phone, 0.98, 0.6), np.where(phone, "phone", "old"))
    assert [row.value for row in found.worse] == ["old"]
    assert found.rows[-1].value == "phone"
    assert found.rows[-1].p < 0.001


def test_numbers_are_cut_into_quarters():
    found = only(np.ones(400), np.arange(400) / 1000)
    assert values(found) == {
        "0 .. 0.099": 100,
        "0.1 .. 0.199": 100,
        "0.2 .. 0.299": 100,
        "0.3 .. 0.399": 100,
    }


def test_equal_numbers_stay_together():
    found = only(np.ones(100), [7] * 70 + list(range(100, 130)))
    assert values(found)["7"] == 70
    assert sum(row.images for row in found.rows) == 100


@pytest.mark.parametrize("common", [0, 9])
def test_a_number_that_most_images_share_still_leaves_two_slices(common):
    numbers = [common] * 90 + list(range(1, 6)) * 2
    found = only(np.arange(100) % 3 > 0, numbers)
    assert len(found.rows) == 2


def test_a_few_different_numbers_are_slices_of_their_own():
    assert values(only(np.ones(90), [32, 64, 128] * 30)) == {"32": 30, "64": 30, "128": 30}


@given(st.lists(st.floats(-1e6, 1e6), min_size=20, max_size=200))
def test_every_number_lies_in_exactly_one_slice(numbers):
    found = slices_module._groups(np.array(numbers))[0]
    cut = slices_module._quarters(np.array(numbers))
    if len(set(numbers)) > 1:
        assert (np.sum([inside for _, inside in cut], axis=0) == 1).all()
        assert len({words for words, _ in cut}) == len(cut)
    assert all(inside.sum() >= 10 for _, inside in found)


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ([0.5] * 40, "every image has the value 0.5"),
        (["PNG"] * 40, "every image has the value PNG"),
        ([None] * 40, "nothing is known"),
        (np.full(40, np.nan), "nothing is known"),
    ],
)
def test_a_column_that_tells_nothing_apart_is_left_out_and_said(column, told):
    found = only(np.ones(40), column)
    assert found.rows == ()
    assert found.left_out == (f"it: {told}",)


def test_what_is_not_known_is_a_slice_of_its_own():
    found = only(np.arange(60) >= 20, [None] * 20 + ["Canon"] * 40)
    assert values(found) == {"not known": 20, "Canon": 40}
    assert found.rows[0].value == "not known"
    assert values(only(np.ones(60), [np.nan] * 20 + [1.0, 2.0] * 20)) == {
        "1": 20,
        "2": 20,
        "not known": 20,
    }


def test_slices_of_under_10_images_are_left_out_and_said():
    found = only(np.ones(39), ["a"] * 30 + ["b"] * 9)
    assert values(found) == {"a": 30}
    assert found.left_out == ("it: 1 value of fewer than 10 images, 9 images",)
    few = only(np.ones(43), [None] * 3 + ["a", "b"] * 20)
    assert few.left_out == ("it: not known, only 3 images",)


def test_of_text_the_20_most_frequent_values_are_taken_and_the_others_counted():
    found = only(np.ones(460), [f"v{n % 23:02}" for n in range(460)])
    assert len(found.rows) == 20
    assert found.left_out == ("it: 3 values beyond the 20 most frequent, 60 images",)


def test_truth_values_are_slices_by_value():
    assert set(values(only(np.ones(40), np.arange(40) < 20))) == {"True", "False"}


def test_a_model_that_is_right_everywhere_has_no_worse_slice():
    found = only(np.ones(100), ["a", "b"] * 50)
    assert found.worse == ()
    assert [row.p for row in found.rows] == [1.0, 1.0]


def test_no_images_give_no_slices():
    assert only([], []).rows == ()


def test_a_column_of_another_length_is_refused():
    with pytest.raises(DataError) as refused:
        slice_metrics(np.ones(4, bool), {"camera": ["a", "b"]})
    assert "camera has 2 values for 4 images" in refused.value.problem


def test_the_interval_of_a_difference_is_that_of_the_published_table():
    # Newcombe 1998, table II, method 10: 56/70 less 48/80 and 9/10 less 3/10
    one = difference_of_shares(wilson(56, 70), wilson(48, 80))
    assert (one.value, one.low, one.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    other = difference_of_shares(wilson(9, 10), wilson(3, 10))
    assert (other.low, other.high) == pytest.approx((0.1705, 0.8090), abs=5e-5)
    assert difference_of_shares(wilson(0, 0), wilson(1, 2)).value is None


def test_holm_multiplies_the_smallest_by_all_and_the_largest_by_one():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=20))
def test_a_corrected_p_value_is_never_smaller_and_keeps_the_order(given_values):
    corrected = holm(given_values)
    assert all(1 >= new >= old for new, old in zip(corrected, given_values, strict=True))
    order = np.argsort(given_values, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()


def test_a_table_gives_its_columns_for_the_images_that_are_asked_about(tmp_path):
    path = tmp_path / "more.csv"
    path.write_text("image,camera,iso,box\nb.jpg,Canon,100,007\na.jpg,,400.5,008\nz.jpg,Nikon,,1\n")
    found = read_columns(path, ["a.jpg", "b.jpg", "c.jpg"])
    assert found == {
        "camera": [None, "Canon", None],
        "iso": [400.5, 100.0, None],
        "box": ["008", "007", None],
    }


def test_a_parquet_table_is_read_too(tmp_path):
    path = tmp_path / "more.parquet"
    pl.DataFrame({"image": ["a.jpg"], "iso": [100]}).write_parquet(path)
    assert read_columns(path, ["a.jpg"]) == {"iso": [100]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name,camera\na.jpg,Canon\n", "needs `image`"),
        ("image\na.jpg\n", "another one"),
        ("image,camera\nx/a.jpg,Canon\n", "its first is x/a.jpg"),
        ("image,camera\na.jpg,Canon\na.jpg,Nikon\n", "names a.jpg twice"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_what_to_change(tmp_path, text, told):
    path = tmp_path / "more.csv"
    path.write_text(text)
    with pytest.raises(DataError) as refused:
        read_columns(path, ["a.jpg", "b.jpg"])
    assert told in refused.value.problem
    assert refused.value.hint


def test_the_usual_columns_have_a_value_for_each_image_that_is_asked_about(dataset):
    part = dataset.part("test")
    found = usual_columns(dataset, part)
    assert set(found) == {
        "class", "camera", "format", "group", "folder", "pixels",
        "brightness", "contrast", "saturation", "sharpness",
    }  # fmt: skip
    assert {len(column) for column in found.values()} == {len(part)}
    assert found["class"] == [name.split("/")[0] for name in part["image"]]
    assert set(found["pixels"]) == {20}
    assert set(found["folder"]) == {None}
    backwards = usual_columns(dataset, part.reverse())
    assert backwards["class"] == found["class"][::-1]
    assert backwards["brightness"].tolist() == found["brightness"].tolist()[::-1]


def test_the_folder_is_that_below_the_class():
    from darkroom.evaluation.columns import _folder_below

    assert _folder_below("train/cat/monday/1/a.jpg", "cat") == "monday/1"
    assert _folder_below("train/cat/a.jpg", "cat") is None
    assert _folder_below("monday/a.jpg", "cat") == "monday"


@pytest.mark.parametrize("seed", range(40))
def test_a_slice_is_held_against_the_others_by_the_test_of_fisher_as_scipy_gives_it(seed):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(4, 3_000))
    correct = rng.random(size) < rng.uniform(0, 1)
    inside = rng.random(size) < rng.uniform(0.02, 0.98)
    table = [
        [(correct & inside).sum(), (~correct & inside).sum()],
        [(correct & ~inside).sum(), (~correct & ~inside).sum()],
    ]
    expected = stats.fisher_exact(table).pvalue
    assert _fisher(correct, inside) == pytest.approx(expected, rel=1e-7, abs=1e-300)
