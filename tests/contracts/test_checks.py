"""The contract of every check: silent on clean images, and it finds the ailment it is for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from darkroom import check_dataset, open_dataset, split_dataset
from darkroom.data.checks import CHECKS, refuse_errors
from darkroom.data.checks.tiny_class import _FEW_IMAGES
from darkroom.data.dataset import Dataset
from darkroom.errors import DataError
from darkroom.evaluation.intervals import wilson
from darkroom.findings import Finding, Severity, has_errors
from tests.data.indexes import Row, make_index
from tests.making import draw_folder, image_bytes


def spoil_one(root: Path) -> Dataset:
    (root / "ball" / "000.png").write_bytes(b"")
    return split_dataset(open_dataset(root))


def empty_one_class(root: Path) -> Dataset:
    (root / "spiral").mkdir()
    return split_dataset(open_dataset(root))


def keep_one_class(root: Path) -> Dataset:
    shutil.rmtree(root / "ball")
    shutil.rmtree(root / "box")
    return split_dataset(open_dataset(root))


def add_a_tiny_class(root: Path) -> Dataset:
    (root / "spiral").mkdir()
    (root / "spiral" / "1.png").write_bytes(image_bytes("stripe", 500))
    return split_dataset(open_dataset(root))


def tear_a_class_from_training(root: Path) -> Dataset:
    for part in ("train", "valid", "test"):
        shutil.copytree(root, root.parent / "parts" / part)
    shutil.rmtree(root.parent / "parts" / "train" / "ball")
    return open_dataset(root.parent / "parts")


def copy_across_parts(root: Path) -> Dataset:
    for number, part in enumerate(("train", "valid", "test")):
        draw_folder(root.parent / "parts" / part, per_class=25, seed=10 + number)
    shutil.copy(
        root.parent / "parts" / "test" / "ball" / "003.png",
        root.parent / "parts" / "train" / "ball" / "copy.png",
    )
    return open_dataset(root.parent / "parts")


def swell_one_class(root: Path) -> Dataset:
    draw_folder(root, ("ball",), 25 * 6, seed=5)
    return split_dataset(open_dataset(root))


# check -> (how to make a clean folder ill, severity, what must be named)
AILMENTS: dict[str, tuple[Callable[[Path], Dataset], Severity, str]] = {
    "unreadable": (spoil_one, "error", "ball/000.png"),
    "empty-class": (empty_one_class, "error", "spiral"),
    "single-class": (keep_one_class, "error", "stripe"),
    "tiny-class": (add_a_tiny_class, "error", "spiral"),
    "class-in-one-part": (tear_a_class_from_training, "error", "ball"),
    "duplicates-across-parts": (copy_across_parts, "error", "train/ball/copy.png"),
    "imbalance": (swell_one_class, "warning", "ball"),
}


@pytest.fixture
def root(tmp_path, workspace) -> Path:
    """Give three classes of 25 distinct images: nothing to find."""
    return draw_folder(tmp_path / "shapes", per_class=25)


@pytest.fixture(params=CHECKS)
def name(request) -> str:
    return request.param


def found_by(name: str, dataset: Dataset) -> list[Finding]:
    findings = CHECKS[name](dataset)
    assert all(isinstance(finding, Finding) for finding in findings)
    return findings


def test_every_check_has_an_ailment_here():
    assert set(AILMENTS) == set(CHECKS)


def test_clean_images_give_no_finding(name, root):
    opened = open_dataset(root)
    assert found_by(name, opened) == []
    assert found_by(name, split_dataset(opened)) == []


def test_the_planted_ailment_is_found_and_its_place_named(name, root):
    plant, severity, place = AILMENTS[name]
    findings = found_by(name, plant(root))
    assert place in [where for finding in findings for where in finding.where]
    assert severity in [finding.severity for finding in findings]


def test_a_finding_bears_the_name_of_its_check_a_severity_and_a_next_step(name, root):
    findings = found_by(name, AILMENTS[name][0](root))
    assert findings
    for finding in findings:
        assert finding.name == name
        assert finding.severity in get_args(Severity)
        assert finding.what
        assert finding.next_step


def test_a_check_changes_nothing(name, root):
    dataset = AILMENTS[name][0](root)
    before = dataset.index.clone()
    found_by(name, dataset)
    assert dataset.index.equals(before)


def test_unlabelled_images_trouble_no_check(name, workspace):
    rows = [
        Row(f"{part}/{n}.png", n % 2, part)
        for part in ("train", "valid", "test")
        for n in range(60)
    ]
    dataset = make_index(workspace, [*rows, Row("x.png", None, "unlabelled")])
    assert found_by(name, dataset) == []


def test_of_copies_across_parts_every_one_is_named(workspace):
    rows = [
        Row(f"{part}/{n}.png", n % 2, part, content=str(n))
        for part in ("train", "test")
        for n in range(700)
    ]
    (finding,) = found_by("duplicates-across-parts", make_index(workspace, rows))
    assert sorted(finding.where) == sorted(row.image for row in rows)


def test_twenty_images_are_what_leaves_a_recall_open_by_seventy_points():
    recall = wilson(2, round(0.2 * _FEW_IMAGES))
    assert (round(recall.low, 2), round(recall.high, 2)) == (0.15, 0.85)


def rows_of(sizes) -> list[Row]:
    return [Row(f"{label}/{n}", label) for label, size in enumerate(sizes) for n in range(size)]


@pytest.mark.parametrize(
    ("size", "severities"), [(2, ["error"]), (3, ["warning"]), (19, ["warning"]), (20, [])]
)
def test_a_class_is_tiny_below_three_and_small_below_twenty(workspace, size, severities):
    dataset = make_index(workspace, rows_of([40, size]))
    assert [found.severity for found in CHECKS["tiny-class"](dataset)] == severities


@pytest.mark.parametrize(("large", "count"), [(99, 0), (100, 1)])
def test_classes_are_out_of_balance_from_five_to_one(workspace, large, count):
    assert len(CHECKS["imbalance"](make_index(workspace, rows_of([20, large])))) == count


@pytest.mark.parametrize(
    ("parts", "severity"),
    [
        (("train",), "error"),
        (("test",), "error"),
        (("valid", "test"), "error"),
        (("train", "test"), "warning"),
        (("train", "valid"), "warning"),
    ],
)
def test_a_class_that_misses_a_part_is_as_bad_as_what_it_misses(workspace, parts, severity):
    rows = [Row(f"{part}/a{n}", 0, part) for part in ("train", "valid", "test") for n in range(9)]
    rows += [Row(f"{part}/b{n}", 1, part) for part in parts for n in range(9)]
    (finding,) = CHECKS["class-in-one-part"](make_index(workspace, rows))
    assert (finding.severity, finding.where) == (severity, ("class1",))


def test_errors_come_first(root):
    (root / "spiral").mkdir()
    (root / "spiral" / "1.png").write_bytes(image_bytes("stripe", 500))
    severities = [found.severity for found in check_dataset(open_dataset(root))]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    assert len(set(severities)) > 1


def test_a_clean_dataset_is_not_refused(root):
    assert refuse_errors(split_dataset(open_dataset(root))) == ()


@pytest.mark.parametrize("name", [name for name, ill in AILMENTS.items() if ill[1] == "error"])
def test_an_error_is_refused_with_what_was_found_and_how_to_go_on(root, name):
    dataset = AILMENTS[name][0](root)
    with pytest.raises(DataError) as caught:
        refuse_errors(dataset)
    assert f"--despite {name}" in caught.value.hint
    assert any(found.what in caught.value.problem for found in check_dataset(dataset))


def test_a_warning_alone_is_not_refused(root):
    findings = refuse_errors(swell_one_class(root))
    assert [finding.name for finding in findings] == ["imbalance"]
    assert not has_errors(findings)


def test_what_is_accepted_by_name_is_not_refused_and_still_told(root):
    findings = refuse_errors(spoil_one(root), ["unreadable"])
    assert [finding.name for finding in findings] == ["unreadable"]


def test_control_accepting_another_error_does_not_help(root):
    with pytest.raises(DataError, match="not a readable image"):
        refuse_errors(spoil_one(root), ["empty-class"])


def test_all_error_names_are_told_at_once(root):
    (root / "spiral").mkdir()
    with pytest.raises(DataError) as caught:
        refuse_errors(spoil_one(root))
    assert "--despite empty-class" in caught.value.hint
    assert "--despite unreadable" in caught.value.hint
    assert "1 more" in caught.value.problem


def test_an_unknown_name_is_refused_with_the_nearest(root):
    with pytest.raises(DataError) as caught:
        refuse_errors(split_dataset(open_dataset(root)), ["unreadble"])
    assert "`unreadble`" in caught.value.problem
    assert "`unreadable`" in caught.value.hint


def spoil_two(root: Path) -> Dataset:
    (root / "ball" / "001.png").write_bytes(b"")
    return spoil_one(root)


def empty_two_classes(root: Path) -> Dataset:
    (root / "circle").mkdir()
    return empty_one_class(root)


def add_two_tiny_classes(root: Path) -> Dataset:
    (root / "circle").mkdir()
    (root / "circle" / "1.png").write_bytes(image_bytes("ball", 501))
    return add_a_tiny_class(root)


def keep_one_image(root: Path) -> Dataset:
    keep_one_class(root)
    for path in (root / "stripe").glob("*[1-9].png"):
        path.unlink()
    for path in (root / "stripe").glob("0[12]0.png"):
        path.unlink()
    return open_dataset(root)


def copy_two_across_parts(root: Path) -> Dataset:
    copy_across_parts(root)
    parts = root.parent / "parts"
    shutil.copy(parts / "test" / "box" / "003.png", parts / "train" / "box" / "copy.png")
    return open_dataset(parts)


@pytest.mark.parametrize(
    ("name", "plant", "said"),
    [
        ("unreadable", spoil_one, "is not a readable image; ball/000.png is empty (0 bytes)"),
        ("unreadable", spoil_two, "images; the first, ball/000.png, is empty (0 bytes)"),
        ("empty-class", empty_one_class, "1 class folder holds no image: spiral"),
        ("empty-class", empty_two_classes, "2 class folders hold no image: circle, spiral"),
        ("tiny-class", add_a_tiny_class, "1 class has fewer than 3 images: spiral (1)"),
        ("tiny-class", add_two_tiny_classes, "2 classes have fewer than 3 images:"),
        ("single-class", keep_one_class, "all 25 images belong to one class: stripe"),
        ("single-class", keep_one_image, "the only image belongs to one class: stripe"),
        ("duplicates-across-parts", copy_across_parts, "1 image stands in more than one part"),
        ("duplicates-across-parts", copy_two_across_parts, "2 images stand in more than one"),
    ],
)
def test_a_finding_reads_as_a_sentence_for_one_and_for_several(root, name, plant, said):
    assert said in found_by(name, plant(root))[0].what
