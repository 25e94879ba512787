"""`darkroom check` as typed: what became of every file, and next steps that work as they stand."""

from __future__ import annotations

import json
import shlex

import pytest
from PIL import Image

from darkroom.cli import main
from darkroom.cli.printing import print_names
from tests.making import draw_folder


@pytest.fixture
def check(capsys):
    """Run `darkroom check` in this process and give its output and its prose."""

    def run(*words: object) -> tuple[str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["check", *map(str, words)])
        assert ended.value.code in (0, 1)
        return tuple(capsys.readouterr())

    return run


@pytest.fixture
def folder(tmp_path, workspace):
    """Give a folder whose name a shell would tear apart, of images large enough to compare."""
    return draw_folder(tmp_path / "my photos; ls", size=(40, 36), per_class=20)


def test_what_was_found_is_what_was_used_and_what_was_skipped_by_reason(check, folder):
    for number in range(7):
        (folder / "ball" / f"._{number}.png").write_bytes(b"x")
    (folder / "ball" / "broken.png").write_bytes(b"")
    _, said = check(folder)
    assert "found     68 = 60 used + 8 skipped" in said
    assert said.index("7 · system file") < said.index("1 · unreadable")
    assert "ball/broken.png: is empty (0 bytes)" in said
    assert said.count("ball/._") == 3
    assert "--list skipped" in said


def test_control_of_a_clean_folder_nothing_is_skipped(check, folder):
    _, said = check(folder)
    assert "found     60 = 60 used + 0 skipped" in said
    assert "--list skipped" not in said


def test_every_skipped_file_is_listed_with_its_reason(check, folder):
    for number in range(7):
        (folder / "ball" / f"._{number}.png").write_bytes(b"x")
    listed = [f"ball/._{number}.png\tsystem file" for number in range(7)]
    assert check(folder, "--list", "skipped")[0].splitlines() == listed
    told = json.loads(check(folder, "--json")[0])["skipped_files"]
    assert [f"{file['name']}\t{file['reason']}" for file in told] == listed


def test_what_to_type_next_lists_the_images(check, folder):
    Image.new("RGB", (40, 36), (3, 3, 3)).save(folder / "ball" / "night.png")
    _, said = check(folder)
    for name in ("dark", "low-information"):
        (command,) = [line for line in said.splitlines() if f"--list {name}" in line]
        command = command.partition("look: ")[2]
        assert check(*shlex.split(command)[2:])[0] == "ball/night.png\n"


def test_so_it_does_of_a_table_whose_columns_were_named(check, folder):
    Image.new("RGB", (40, 36), (3, 3, 3)).save(folder / "ball" / "night.png")
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    rows = [f"{name},{name.split('/')[0]},x" for name in names]
    (folder / "table.csv").write_text("\n".join(["where,what,kind", *rows, ""]))
    _, said = check(folder / "table.csv", "--image", "where", "--label", "what")
    (command,) = {
        line.partition("look: ")[2] for line in said.splitlines() if "--list dark" in line
    }
    assert check(*shlex.split(command)[2:])[0] == "ball/night.png\n"


def test_a_name_cannot_command_the_terminal_and_is_listed_as_it_is(check, folder):
    name = "\x1b[31mred\nline.png"
    (folder / "ball" / name).write_bytes(b"")
    _, said = check(folder)
    assert "\x1b[31mred" not in said
    assert "ball/\\x1b[31mred\\nline.png" in said
    assert check(folder, "--list", "unreadable")[0] == f"ball/{name}\n"


def test_on_a_terminal_a_listed_name_is_fit_to_be_read(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_names(["ball/\x1b[31mred\nline.png\tsystem file"])
    assert capsys.readouterr().out == "ball/\\x1b[31mred\\nline.png\tsystem file\n"


def test_a_check_that_found_nothing_lists_nothing(check, folder):
    assert check(folder, "--list", "blurry")[0] == ""


@pytest.mark.parametrize(("side", "said"), [(20, "compared  0 of 9 images for near-d"), (40, "")])
def test_images_that_were_not_searched_for_near_duplicates_are_told(check, tmp_path, side, said):
    folder = draw_folder(tmp_path / "drawn", size=(side, side), per_class=3)
    told = check(folder)[1]
    assert ("compared" in told) == bool(said)
    assert said in told
    not_compared = json.loads(check(folder, "--json")[0])["not_compared"]
    assert not_compared == {"too_small": 9 if said else 0, "too_plain": 0}


def test_parts_are_told_where_there_are_any(check, tmp_path):
    for part in ("train", "test"):
        draw_folder(tmp_path / "drawn" / part, per_class=4, seed=len(part))
    assert "parts     12 train · 12 test" in check(tmp_path / "drawn")[1]
