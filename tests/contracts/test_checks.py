"""The contract of every check: silent on clean images, and it finds the ailment it is for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from darkroom import Workspace, check_dataset, open_dataset, split_dataset
from darkroom.data.checks import CHECKS, refuse_errors
from darkroom.data.checks.tiny_class import _FEW_IMAGES
from darkroom.data.dataset import Dataset
from darkroom.errors import DataError
from darkroom.findings import Finding, Severity, has_errors
from darkroom.intervals import wilson
from tests.contracts.ailments import (
    AILMENTS,
    SENTENCES,
    spoil_one,
    swell_one_class,
)
from tests.data.indexes import Row, make_index
from tests.making import draw_folder, image_bytes


@pytest.fixture
def root(tmp_path, workspace) -> Path:
    """Give three classes of 25 distinct images: nothing to find."""
    return draw_folder(tmp_path / "shapes", per_class=25)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[Path]:
    """Give a folder and a workspace in it for what many tests look at and none changes."""
    folder = tmp_path_factory.mktemp("checks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DARKROOM_WORKSPACE", str(folder / "workspace"))
        yield folder


@pytest.fixture(scope="module")
def clean(place) -> tuple[Dataset, Dataset]:
    dataset = open_dataset(draw_folder(place / "clean" / "shapes", per_class=25))
    return dataset, split_dataset(dataset)


@pytest.fixture(scope="module", params=AILMENTS)
def ill(request, place) -> tuple[str, Dataset]:
    """Give the name of a check, and what it has something to say about."""
    root = draw_folder(place / request.param / "shapes", per_class=25)
    return request.param, AILMENTS[request.param][0](root)


def in_all_parts(answers: Sequence[int | tuple[int, ...] | None], **fields: object) -> list[Row]:
    return [
        Row(f"{part}/{n}.png", answers[n % len(answers)], part, **fields)
        for part in ("train", "valid", "test")
        for n in range(80)
    ]


@pytest.fixture(scope="module")
def unusual(place) -> list[Dataset]:
    """Give datasets with unlabelled images, with several labels per image, and with targets."""
    workspace = Workspace()
    unlabelled = [*in_all_parts([0, 1]), Row("x.png", None, "unlabelled")]
    targets = [
        msgspec.structs.replace(row, target=number % 7)
        for number, row in enumerate(in_all_parts([None]))
    ]
    return [
        make_index(workspace, unlabelled),
        make_index(workspace, in_all_parts([(), (0,), (1,), (0, 1)]), task="multi-label"),
        make_index(workspace, targets, task="regression"),
    ]


@pytest.fixture(params=CHECKS)
def name(request) -> str:
    return request.param


def found_by(name: str, dataset: Dataset) -> list[Finding]:
    findings = CHECKS[name](dataset)
    assert all(isinstance(finding, Finding) for finding in findings)
    return findings


def test_every_check_has_an_ailment_here():
    assert set(AILMENTS) == set(CHECKS)


def test_every_check_is_told_in_the_documentation():
    page = Path(__file__).parent.parent.parent / "docs" / "how-to" / "check-a-folder.md"
    told = page.read_text()
    assert [name for name in CHECKS if f"`{name}`" not in told] == []


def test_clean_images_give_no_finding(name, clean):
    for dataset in clean:
        assert found_by(name, dataset) == []


def test_the_planted_ailment_is_found_and_its_place_named(ill):
    name, dataset = ill
    _, severity, place = AILMENTS[name]
    findings = found_by(name, dataset)
    assert place in [where for finding in findings for where in finding.where]
    assert severity in [finding.severity for finding in findings]


def test_a_finding_bears_the_name_of_its_check_a_severity_and_a_next_step(ill):
    name, dataset = ill
    findings = found_by(name, dataset)
    assert findings
    for finding in findings:
        assert finding.name == name
        assert finding.severity in get_args(Severity)
        assert finding.what
        assert finding.next_step


def test_a_check_changes_nothing(ill):
    name, dataset = ill
    before = dataset.index.clone()
    found_by(name, dataset)
    assert dataset.index.equals(before)


@pytest.mark.parametrize("number", range(3), ids=["unlabelled", "multi-label", "regression"])
def test_unusual_answers_trouble_no_check(name, unusual, number):
    assert found_by(name, unusual[number]) == []


ABOUT_FEW_IMAGES = {"single-class", "tiny-class", "class-in-one-part"}


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("name", [name for name in CHECKS if name not in ABOUT_FEW_IMAGES])
def test_of_a_handful_of_images_no_check_claims_statistics(name, workspace, count):
    parts = ("train", "valid", "test")
    odd = {"brightness": 0.0, "contrast": 0.0, "entropy": 0.0, "blue_above": 1.0}
    rows = [Row(f"{n}.png", n % 2, parts[n % 3], measures=odd if n == 1 else {}) for n in range(5)]
    assert found_by(name, make_index(workspace, rows[:count])) == []


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


def test_of_hundreds_of_classes_a_finding_names_a_few_and_lists_all(workspace):
    rows = [Row(f"{n}.png", n, "train" if n % 2 else "test") for n in range(400)]
    rows.append(Row("valid.png", 0, "valid"))
    empty = [f"empty{n}" for n in range(300)]
    dataset = make_index(workspace, rows, empty_classes=empty)
    for name in ("tiny-class", "class-in-one-part", "empty-class"):
        findings = found_by(name, dataset)
        assert len(findings) <= 3
        assert all(len(found.what) < 200 for found in findings)
        assert sum(len(found.where) for found in findings) in (300, 400)
    assert "and 395 more" in found_by("tiny-class", dataset)[0].what


@pytest.mark.parametrize("group", ["shoe", None])
def test_groups_are_torn_by_parts_that_are_labelled_only(workspace, group):
    rows = [Row(f"{part}.png", 0, part, group=group) for part in ("train", "unlabelled")]
    assert found_by("groups-across-parts", make_index(workspace, rows)) == []


def test_a_dataset_is_checked_once(clean, root):
    dataset, other = clean[0], open_dataset(root)
    first = check_dataset(dataset)
    (root / "ball" / "000.png").write_bytes(b"")
    assert check_dataset(dataset) is first
    assert refuse_errors(dataset) is first
    assert check_dataset(open_dataset(root)) != check_dataset(other)


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


@pytest.mark.parametrize(("name", "plant", "said"), SENTENCES)
def test_a_finding_reads_as_a_sentence_for_one_and_for_several(root, name, plant, said):
    assert said in found_by(name, plant(root))[0].what
