"""Bad input through the real command: one error in the house shape, and nothing half-written."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from darkroom import Workspace
from darkroom.cli import main
from tests.data.packing import write_zip
from tests.making import draw_folder, image_bytes


class Outcome(msgspec.Struct, frozen=True):
    """What a command said."""

    code: int
    out: str
    err: str


@pytest.fixture
def darkroom(capsys, workspace) -> Callable[..., Outcome]:
    """Give the command, called in this process."""

    def call(*arguments: object) -> Outcome:
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Outcome(int(left.value.code or 0), said.out, said.err)

    return call


def typed(*arguments: object, workspace: Workspace) -> Outcome:
    """Run the installed console script in a process of its own."""
    script = Path(sys.executable).with_name("darkroom")
    env = os.environ | {"DARKROOM_WORKSPACE": str(workspace.root), "NO_COLOR": "1"}
    done = subprocess.run(
        [script, *map(str, arguments)], capture_output=True, text=True, env=env, check=False
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def the_error(outcome: Outcome) -> tuple[str, str, str]:
    """Check the shape of the one error, and give its kind, problem and hint."""
    assert "Traceback" not in outcome.err
    found = re.findall(r"^(\w+Error): (.+)\n  try: (.+)$", outcome.err, re.MULTILINE)
    assert len(found) == 1, outcome.err
    assert len(re.findall(r"^\w*(?:Error|Warning):", outcome.err, re.MULTILINE)) == 1
    assert outcome.err.rstrip().endswith(f"try: {found[0][2]}")
    return found[0]


def assert_nothing_half_written(workspace: Workspace) -> None:
    """Check that only closed datasets may have come into being."""
    made = [path for path in workspace.root.rglob("*") if path.is_file()]
    assert not list(workspace.root.rglob(".staging-*"))
    assert not [path for path in made if path.suffix == ".new"]
    assert not workspace.folder("run").exists()
    for path in workspace.root.glob("*s/*/manifest.json"):
        assert msgspec.json.decode(path.read_bytes())["state"] == "closed"


def empty_folder(root: Path) -> None:
    root.mkdir()


def missing_folder(root: Path) -> None:
    pass


def one_class_of_one_image(root: Path) -> None:
    draw_folder(root, ("ball",), 1)


def images_without_folders(root: Path) -> None:
    draw_folder(root.parent, (root.name,), 3)


def only_unreadable_files(root: Path) -> None:
    for label in ("cat", "dog"):
        (root / label).mkdir(parents=True)
        (root / label / "1.jpg").write_bytes(image_bytes(kind="JPEG")[:90])


def only_zero_byte_files(root: Path) -> None:
    for label in ("cat", "dog"):
        (root / label).mkdir(parents=True)
        (root / label / "1.jpg").write_bytes(b"")


def only_text(root: Path) -> None:
    for label in ("cat", "dog"):
        (root / label).mkdir(parents=True)
        (root / label / "1.jpg").write_text("these are words")


UNOPENABLE = (
    empty_folder,
    missing_folder,
    images_without_folders,
    only_unreadable_files,
    only_zero_byte_files,
    only_text,
)


@pytest.mark.parametrize("command", ["check", "train"])
@pytest.mark.parametrize("make", UNOPENABLE)
def test_what_cannot_be_opened_is_one_data_error_that_names_it(
    darkroom, workspace, tmp_path, make, command
):
    make(tmp_path / "photos")
    outcome = darkroom(command, tmp_path / "photos")
    kind, problem, _ = the_error(outcome)
    assert (outcome.code, kind, outcome.out) == (2, "DataError", "")
    assert str(tmp_path / "photos") in problem
    assert_nothing_half_written(workspace)


def test_a_source_whose_path_is_not_utf_8_is_named(darkroom):
    kind, problem, _ = the_error(darkroom("train", "caf\udce9"))
    assert (kind, problem) == ("DataError", "the path caf\\xe9 is not UTF-8")


def one_class(root: Path) -> str:
    draw_folder(root, ("ball",), 25)
    return "ball"


def a_class_with_one_image(root: Path) -> str:
    draw_folder(root, ("ball", "box"), 25)
    draw_folder(root, ("stripe",), 1)
    return "stripe"


def a_class_without_images(root: Path) -> str:
    draw_folder(root, ("ball", "box"), 25)
    (root / "stripe").mkdir()
    return "stripe"


def a_zero_byte_file(root: Path) -> str:
    draw_folder(root, ("ball", "box"), 25)
    (root / "ball" / "000.png").write_bytes(b"")
    return "ball/000.png"


def text_named_jpg(root: Path) -> str:
    draw_folder(root, ("ball", "box"), 25)
    (root / "ball" / "words.jpg").write_text("these are words")
    return "ball/words.jpg"


def a_truncated_image(root: Path) -> str:
    draw_folder(root, ("ball", "box"), 25)
    (root / "box" / "cut.jpg").write_bytes(image_bytes(kind="JPEG")[:90])
    return "box/cut.jpg"


ILL = (
    one_class,
    a_class_with_one_image,
    a_class_without_images,
    a_zero_byte_file,
    text_named_jpg,
    a_truncated_image,
)


@pytest.mark.parametrize("make", ILL)
def test_train_refuses_an_error_finding_before_a_run_begins(darkroom, workspace, tmp_path, make):
    named = make(tmp_path / "photos")
    outcome = darkroom("train", tmp_path / "photos")
    kind, problem, hint = the_error(outcome)
    assert (outcome.code, kind, outcome.out) == (2, "DataError", "")
    assert named in problem
    assert "--despite" in hint
    assert_nothing_half_written(workspace)


@pytest.mark.parametrize("make", ILL)
def test_check_tells_an_error_finding_and_exits_with_1(darkroom, workspace, tmp_path, make):
    named = make(tmp_path / "photos")
    outcome = darkroom("check", tmp_path / "photos")
    assert outcome.code == 1
    assert named in outcome.err
    assert "next:" in outcome.err
    assert "Traceback" not in outcome.err
    assert_nothing_half_written(workspace)


def test_control_check_of_clean_images_exits_with_0(darkroom, workspace, tmp_path):
    outcome = darkroom("check", draw_folder(tmp_path / "photos", per_class=25))
    assert outcome.code == 0
    assert Path(outcome.out.strip()).name.startswith("photos-")
    assert_nothing_half_written(workspace)


def test_check_lists_the_files_of_one_finding(darkroom, tmp_path):
    named = a_zero_byte_file(tmp_path / "photos")
    outcome = darkroom("check", tmp_path / "photos", "--list", "unreadable")
    assert (outcome.code, outcome.out.split()) == (1, [named])


def test_check_of_an_unknown_finding_names_the_nearest(darkroom, tmp_path):
    a_zero_byte_file(tmp_path / "photos")
    outcome = darkroom("check", tmp_path / "photos", "--list", "unreadble")
    assert outcome.code == 2
    assert "`unreadable`" in the_error(outcome)[2]


def test_check_as_json_is_json_also_when_there_are_errors(darkroom, tmp_path):
    named = a_zero_byte_file(tmp_path / "photos")
    outcome = darkroom("check", tmp_path / "photos", "--json")
    told = msgspec.json.decode(outcome.out)
    assert outcome.code == 1
    assert named in told["findings"][0]["where"]


@contextlib.contextmanager
def as_nobody(*closed: Path) -> Iterator[None]:
    """Close folders and become somebody who may not open them, until the block ends."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody without permission for a moment")
    passed = [path for path in closed[0].parents if not path.stat().st_mode & 0o001]
    modes = {path: path.stat().st_mode for path in (*passed, *closed)}
    for path in passed:
        path.chmod(modes[path] | 0o011)
    for path in closed:
        path.chmod(0)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        for path, mode in modes.items():
            path.chmod(mode)


@pytest.mark.parametrize("below", [".", "cat"])
@pytest.mark.parametrize("command", ["check", "train"])
def test_a_folder_without_permission_is_named(darkroom, workspace, tmp_path, command, below):
    root = draw_folder(tmp_path / "photos", ("cat", "dog"), 2)
    darkroom(command, tmp_path / "nowhere")  # loads the modules while everything may be read
    with as_nobody(root / below):
        outcome = darkroom(command, root)
    kind, problem, _ = the_error(outcome)
    assert (outcome.code, kind) == (2, "DataError")
    assert str(root / below) in problem
    assert "Permission denied" in problem
    assert_nothing_half_written(workspace)


def test_a_folder_below_one_without_permission_is_named(darkroom, workspace, tmp_path):
    root = draw_folder(tmp_path / "outer" / "photos", ("cat", "dog"), 2)
    darkroom("check", tmp_path / "nowhere")
    with as_nobody(root.parent):
        outcome = darkroom("check", root)
    assert outcome.code == 2
    assert str(root) in the_error(outcome)[1]
    assert_nothing_half_written(workspace)


def test_an_unknown_model_names_the_nearest(darkroom, workspace, tmp_path):
    root = draw_folder(tmp_path / "photos", per_class=25)
    outcome = darkroom("train", root, "--set", "model=resnet_tin")
    kind, problem, hint = the_error(outcome)
    assert (outcome.code, kind) == (2, "RecipeError")
    assert "resnet_tin" in problem
    assert "`resnet_tiny`" in hint
    assert_nothing_half_written(workspace)


@pytest.mark.parametrize(
    ("setting", "near"),
    [("epoch=3", "epochs"), ("optimizer.peak=1", "peak_lr"), ("data.vald=0.1", "valid")],
)
def test_an_unknown_field_names_the_nearest(darkroom, workspace, tmp_path, setting, near):
    root = draw_folder(tmp_path / "photos", per_class=25)
    outcome = darkroom("train", root, "--set", setting)
    kind, problem, hint = the_error(outcome)
    assert (outcome.code, kind) == (2, "RecipeError")
    assert setting.split("=")[0].split(".")[-1] in problem
    assert near in hint
    assert_nothing_half_written(workspace)


@pytest.mark.parametrize("setting", ["epochs=many", "epochs=0", "epochs", "dropout=2"])
def test_a_value_that_does_not_fit_is_one_error(darkroom, workspace, tmp_path, setting):
    root = draw_folder(tmp_path / "photos", per_class=25)
    outcome = darkroom("train", root, "--set", setting)
    assert outcome.code == 2
    assert setting.split("=")[0] in the_error(outcome)[1]
    assert_nothing_half_written(workspace)


@pytest.mark.parametrize("setting", ["data.valid=0", "data.test=1.5", "data.sample=0"])
def test_a_share_that_cannot_be_is_one_error(darkroom, workspace, tmp_path, setting):
    root = draw_folder(tmp_path / "photos", per_class=25)
    outcome = darkroom("train", root, "--set", setting)
    assert outcome.code == 2
    assert the_error(outcome)[0] in ("DataError", "RecipeError")
    assert_nothing_half_written(workspace)


@pytest.mark.parametrize("command", ["check", "train"])
def test_an_archive_that_climbs_out_is_refused_by_its_member(
    darkroom, workspace, tmp_path, command
):
    members = [("cat/1.png", image_bytes()), ("../../out.png", image_bytes())]
    outcome = darkroom(command, write_zip(tmp_path / "evil.zip", members))
    kind, problem, _ = the_error(outcome)
    assert (outcome.code, kind) == (2, "DataError")
    assert "../../out.png" in problem
    assert not (tmp_path.parent / "out.png").exists()
    assert_nothing_half_written(workspace)


@pytest.mark.parametrize("command", ["check", "train"])
def test_with_nothing_named_it_says_what_to_type(
    darkroom, workspace, tmp_path, monkeypatch, command
):
    monkeypatch.chdir(tmp_path)
    outcome = darkroom(command)
    kind, _, hint = the_error(outcome)
    assert (outcome.code, kind) == (2, "RecipeError")
    assert "darkroom" in hint
    assert_nothing_half_written(workspace)


@pytest.mark.parametrize("setting", ["data.sha256=00", "data.archive=photos.zip"])
@pytest.mark.parametrize("command", ["check", "train"])
def test_a_setting_that_a_folder_has_no_use_for_is_refused_with_what_clears_it(
    darkroom, workspace, tmp_path, command, setting
):
    root = draw_folder(tmp_path / "photos", per_class=25)
    outcome = darkroom(command, root, "--set", setting)
    kind, problem, hint = the_error(outcome)
    assert (outcome.code, kind, outcome.out) == (2, "DataError", "")
    assert setting.removeprefix("data.").replace("=", " = ") in problem
    assert_nothing_half_written(workspace)
    cleared = hint.removeprefix("--set ")
    assert darkroom("check", root, "--set", setting, "--set", cleared).code == 0


def test_a_group_across_parts_that_were_brought_is_refused(darkroom, workspace, tmp_path):
    for part in ("train", "test"):
        draw_folder(tmp_path / "photos" / part / "cat" / "monday", (".",), 9, seed=len(part))
        draw_folder(tmp_path / "photos" / part / "dog" / part, (".",), 9, seed=len(part))
    outcome = darkroom("train", tmp_path / "photos", "--set", "data.group_by=folder")
    kind, problem, hint = the_error(outcome)
    assert (outcome.code, kind) == (2, "DataError")
    assert "`monday`" in problem
    assert "data.group_by=none" in hint
    assert_nothing_half_written(workspace)


def test_an_unknown_name_after_despite_names_the_nearest(darkroom, workspace, tmp_path):
    root = draw_folder(tmp_path / "photos", per_class=25)
    outcome = darkroom("train", root, "--despite", "unreadble")
    assert outcome.code == 2
    assert "`unreadable`" in the_error(outcome)[2]
    assert_nothing_half_written(workspace)


def test_an_unknown_command_names_the_nearest(darkroom):
    outcome = darkroom("chek")
    assert outcome.code == 2
    assert "`check`" in outcome.err


def test_the_installed_command_says_the_same(workspace, tmp_path):
    only_zero_byte_files(tmp_path / "photos")
    outcome = typed("check", tmp_path / "photos", workspace=workspace)
    kind, problem, _ = the_error(outcome)
    assert (outcome.code, kind, outcome.out) == (2, "DataError", "")
    assert str(tmp_path / "photos") in problem
    assert_nothing_half_written(workspace)


def test_the_installed_command_refuses_to_train_on_one_class(workspace, tmp_path):
    draw_folder(tmp_path / "photos", ("ball",), 25)
    outcome = typed("train", tmp_path / "photos", workspace=workspace)
    kind, problem, _ = the_error(outcome)
    assert (outcome.code, kind, outcome.out) == (2, "DataError", "")
    assert "ball" in problem
    assert_nothing_half_written(workspace)
