from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from darkroom.data.checks import CHECKS
from tests.data.indexes import Row, make_index

metadata_leak = CHECKS["metadata-leak"]
FIRST_DAY = datetime(2024, 5, 1, 9)  # noqa: DTZ001 (cameras know no time zone)


def images(value_of, field: str = "camera", classes: int = 3, count: int = 60) -> list[Row]:
    return [
        Row(f"{label}/{n}.png", label, **{field: value_of(label, n)})
        for label in range(classes)
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("field", "attribute", "values"),
    [
        ("camera", "camera", ["Canon", "Nikon", "Leica"]),
        ("format", "format", ["PNG", "JPEG", "BMP"]),
        ("size", "size", [(8, 8), (8, 9), (8, 10)]),
        ("taken", "day", [FIRST_DAY + timedelta(days=n) for n in range(3)]),
    ],
)
def test_one_value_per_class_is_a_leak(workspace, field, attribute, values):
    rows = images(lambda label, _n: values[label], field)
    (finding,) = metadata_leak(make_index(workspace, rows))
    assert f"the {attribute} alone tells the class" in finding.what
    assert set(finding.where) == {"class0", "class1", "class2"}


@pytest.mark.parametrize("values", [["Canon"], ["Canon", "Nikon", "Leica"]])
def test_values_that_are_spread_over_the_classes_are_none(workspace, values):
    rows = images(lambda _label, n: values[n % len(values)])
    assert metadata_leak(make_index(workspace, rows)) == []


def test_values_that_are_each_images_own_are_none(workspace):
    rows = images(lambda label, n: f"camera {label} {n}")
    assert metadata_leak(make_index(workspace, rows)) == []


def test_nor_are_they_where_each_class_has_three_images(workspace):
    rows = images(lambda label, n: f"camera {label} {n}", classes=40, count=3)
    assert metadata_leak(make_index(workspace, rows)) == []


def test_values_that_name_objects_of_a_class_are_none(workspace):
    rows = images(lambda label, n: f"shoe {label} {n // 6}")
    assert metadata_leak(make_index(workspace, rows)) == []


def test_one_class_of_ten_that_gives_itself_away_is_named(workspace):
    rows = images(lambda label, _n: "Leica" if label == 7 else "Canon", classes=10)
    (finding,) = metadata_leak(make_index(workspace, rows))
    assert finding.where == ("class7",)


def test_a_slight_preference_is_none(workspace):
    rows = images(lambda label, n: "Canon" if n % 10 < 5 + label else "Nikon", count=600)
    assert metadata_leak(make_index(workspace, rows)) == []


def test_a_class_that_is_nearly_all_of_the_images_is_not_given_away_by_that(workspace):
    rows = images(lambda _label, n: "Canon" if n % 10 else "Nikon", classes=1, count=300)
    rows += [Row(f"other/{n}.png", 1, camera="Canon" if n % 10 else "Nikon") for n in range(10)]
    assert metadata_leak(make_index(workspace, rows)) == []


def test_images_without_the_value_count_as_the_largest_class(workspace):
    rows = images(lambda _label, n: "Canon" if n < 2 else None)
    assert metadata_leak(make_index(workspace, rows)) == []


def folders(name_of, classes=("boot", "sandal"), count: int = 60) -> list[Row]:
    return [
        Row(f"{name}/{name_of(name, n)}/{n}.png", label)
        for label, name in enumerate(classes)
        for n in range(count)
    ]


def test_one_folder_per_class_is_a_leak(workspace):
    rows = folders(lambda name, _n: "monday" if name == "boot" else "friday")
    (finding,) = metadata_leak(make_index(workspace, rows, classes=["boot", "sandal"]))
    assert "the folder alone" in finding.what


@pytest.mark.parametrize(
    "name_of",
    [
        lambda _name, _n: "images",
        lambda name, _n: f"{name}_images",
        lambda name, n: f"object-{name[0]}-{n // 5}",
        lambda _name, n: ["monday", "friday"][n % 2],
    ],
)
def test_other_folders_below_the_class_are_none(workspace, name_of):
    rows = folders(name_of)
    assert metadata_leak(make_index(workspace, rows, classes=["boot", "sandal"])) == []
