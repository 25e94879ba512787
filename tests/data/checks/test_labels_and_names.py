"""`conflicting-labels`, `duplicates` and `name-twins`: what is there twice, and how."""

from __future__ import annotations

import pytest

from darkroom import check_dataset, open_dataset
from darkroom.data.checks import CHECKS
from tests.data.indexes import Row, make_index
from tests.making import draw_folder, real_data


def test_copies_with_the_same_labels_do_not_conflict(workspace):
    rows = [Row("1.png", (0, 1), content="x"), Row("2.png", (0, 1), content="x")]
    dataset = make_index(workspace, rows, task="multi-label")
    assert CHECKS["conflicting-labels"](dataset) == []
    assert len(CHECKS["duplicates"](dataset)) == 1


def test_copies_with_another_set_of_labels_conflict(workspace):
    rows = [Row("1.png", (0, 1), content="x"), Row("2.png", (0,), content="x")]
    rows += [Row("3.png", (), content="y"), Row("4.png", (1,), content="y")]
    (finding,) = CHECKS["conflicting-labels"](make_index(workspace, rows, task="multi-label"))
    assert finding.where == ("1.png", "2.png", "3.png", "4.png")
    assert "1.png is class0 and class1, 2.png class0" in finding.what


def test_copies_with_another_target_conflict(workspace):
    rows = [Row(f"{n}.png", None, content="x", target=n / 2) for n in (1, 2)]
    (finding,) = CHECKS["conflicting-labels"](make_index(workspace, rows, task="regression"))
    assert "1.png is 0.5, 2.png 1" in finding.what


def test_a_copy_without_a_label_does_not_conflict(workspace):
    rows = [Row("1.png", 0, content="x"), Row("2.png", None, "unlabelled", content="x")]
    assert CHECKS["conflicting-labels"](make_index(workspace, rows)) == []


def test_rows_of_a_table_that_contradict_each_other_conflict(workspace, tmp_path):
    draw_folder(tmp_path, ("ball", "box"), 2)
    rows = ["ball/000.png,ball", "ball/001.png,ball", "box/000.png,box", "box/001.png,box"]
    again = ["ball/001.png,box", "box/000.png,box"]
    (tmp_path / "table.csv").write_text("\n".join(["image,label", *rows, *again, ""]))
    dataset = open_dataset(tmp_path / "table.csv")
    (finding,) = CHECKS["conflicting-labels"](dataset)
    assert (finding.severity, finding.where) == ("error", ("ball/001.png",))
    assert "1 row contradicts" in finding.what


@pytest.mark.parametrize(("copies", "severity"), [(2, "note"), (4, "warning")])
def test_copies_are_a_warning_above_one_in_twenty(workspace, copies, severity):
    rows = [Row(f"{n}.png", 0) for n in range(50)]
    rows += [Row(f"copy{n}.png", 0, content=f"{n}.png") for n in range(copies)]
    (finding,) = CHECKS["duplicates"](make_index(workspace, rows))
    assert finding.severity == severity


CONFLICTING = [  # each file is there as a rose and as a tulip
    "15922772266_1167a06620.jpg",
    "17104364030_ee31ee279b_n.jpg",
    "17291451621_0e39f08b9e_n.jpg",
    "17291930305_79deae6a90_n.jpg",
]
COPIED = [
    "sunflower/14889392928_9742aed45b_m.jpg",
    "sunflower/15066430311_fb57fa92b0_m.jpg",
    "sunflower/15069459615_7e0fd61914_n.jpg",
    "sunflower/15072973261_73e2912ef2_n.jpg",
]


def identical_files(dataset):
    """Give what is said of conflicting labels and of copies, byte for byte."""
    said = {found.name: found.where for found in check_dataset(dataset) if "byte" in found.what}
    return sorted(said.get("conflicting-labels", ())), sorted(said.get("duplicates", ()))


def test_all_six_pairs_of_the_flowers_are_found_and_four_of_them_conflict(workspace):
    conflicts, copies = identical_files(open_dataset(real_data("flowers")))
    assert conflicts == [f"{label}/{name}" for label in ("rose", "tulip") for name in CONFLICTING]
    assert copies == COPIED


def test_control_of_the_same_pairs_none_is_found_when_one_of_each_differs_by_a_byte(
    workspace, tmp_path
):
    flowers = real_data("flowers")
    pairs = [(f"rose/{name}", f"tulip/{name}") for name in CONFLICTING]
    for one, other in [*pairs, *zip(COPIED[::2], COPIED[1::2], strict=True)]:
        for name, more in ((one, b""), (other, b"x")):
            (tmp_path / "some" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "some" / name).write_bytes((flowers / name).read_bytes() + more)
    assert identical_files(open_dataset(tmp_path / "some")) == ([], [])


E_ACUTE = ("caf\u00e9", "cafe\u0301")


@pytest.mark.parametrize("twins", [("Cat", "cat"), E_ACUTE, ("CAF\u00c9", "cafe\u0301")])
def test_classes_that_differ_by_case_or_unicode_form_are_an_error(workspace, twins):
    rows = [Row(f"{name}/{n}.png", label) for label, name in enumerate(twins) for n in range(3)]
    (finding,) = CHECKS["name-twins"](make_index(workspace, rows, classes=twins))
    assert finding.severity == "error"
    assert set(finding.where) == set(twins)
    assert finding.what.isascii()


def test_so_is_a_class_whose_twin_is_an_empty_folder(workspace):
    rows = [Row("cat/1.png", 0), Row("dog/1.png", 1)]
    dataset = make_index(workspace, rows, classes=["cat", "dog"], empty_classes=["Cat"])
    assert CHECKS["name-twins"](dataset)[0].where == ("Cat", "cat")


@pytest.mark.parametrize("twins", [("cat/a.png", "cat/A.png"), [f"cat/{e}.png" for e in E_ACUTE]])
def test_files_that_differ_by_case_or_unicode_form_are_a_note(workspace, twins):
    rows = [Row(name, 0) for name in (*twins, "cat/other.png")]
    (finding,) = CHECKS["name-twins"](make_index(workspace, rows))
    assert finding.severity == "note"
    assert set(finding.where) == set(twins)


def test_names_that_differ_by_an_accent_are_no_twins(workspace):
    rows = [Row(f"{name}/1.png", label) for label, name in enumerate(("cote", "cot\u00e9"))]
    assert CHECKS["name-twins"](make_index(workspace, rows, classes=["cote", "cot\u00e9"])) == []
