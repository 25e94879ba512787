"""Nothing is dropped silently: found = used + skipped, and every skipped file stands with a reason.

The controls count the files with the operating system's own walk.
"""

from __future__ import annotations

import io
import os
import random
import shutil
import socket
import struct
import tarfile
import unicodedata
import warnings
from pathlib import Path

import pytest
from PIL import Image

from darkroom import open_dataset, split_dataset
from darkroom.data.sources.folder import FolderSource
from tests.data.packing import write_tar, write_zip
from tests.making import draw_folder, image_bytes, real_data


@pytest.fixture
def root(tmp_path, workspace) -> Path:
    """Give two classes with three images each."""
    return draw_folder(tmp_path / "photos", ("cat", "dog"), 3)


def skipped(location: Path) -> dict[str, str]:
    """Open, check the sum, and give the reason for each file that is not used."""
    dataset = open_dataset(location)
    record = dataset.record
    assert record.found == record.used + len(dataset.skipped)
    assert record.skipped == len(dataset.skipped)
    assert record.used == len(dataset.index)
    assert all(dataset.skipped["reason"].str.len_chars() > 0)
    return dict(dataset.skipped.iter_rows())


def test_where_all_is_well_nothing_is_skipped(root):
    assert skipped(root) == {}


@pytest.mark.parametrize("name", [".hidden.png", "Thumbs.db", ".DS_Store", "desktop.ini"])
def test_a_file_of_the_system_is_listed(root, name):
    (root / "cat" / name).write_bytes(image_bytes())
    assert skipped(root) == {f"cat/{name}": "system file"}


@pytest.mark.parametrize("name", [".git", "__MACOSX"])
def test_a_folder_of_the_system_is_listed(root, name):
    (root / name).mkdir()
    (root / name / "inside.png").write_bytes(image_bytes())
    assert skipped(root) == {f"{name}/": "system folder"}


def test_our_own_workspace_within_the_folder_is_listed_as_one(root, monkeypatch):
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(root / "workspace"))
    assert skipped(root) == {}
    (root / "cat" / "new.png").write_bytes(image_bytes("ball", 50))
    assert skipped(root) == {"workspace/": "darkroom's workspace"}
    assert open_dataset(root).classes == ("cat", "dog")


def test_our_workspace_changes_no_stamp_and_no_dataset_by_coming_or_growing(root, monkeypatch):
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(root / "workspace"))
    before = FolderSource(root).stamp()
    dataset = open_dataset(root)
    assert open_dataset(root).manifest == dataset.manifest
    split_dataset(dataset)
    assert FolderSource(root).stamp() == before == dataset.record.stamp


def test_a_workspace_that_an_interruption_left_without_a_dataset_is_ours_too(root, monkeypatch):
    monkeypatch.setenv("DARKROOM_WORKSPACE", str(root / "workspace"))
    shutil.rmtree(open_dataset(root).path.parent)
    shutil.rmtree(root / "workspace" / "cache" / "opened")
    assert skipped(root) == {"workspace/": "darkroom's workspace"}


def test_control_a_class_called_workspace_is_a_class(root):
    (root / "dog").rename(root / "workspace")
    assert skipped(root) == {}
    assert open_dataset(root).classes == ("cat", "workspace")


def test_a_link_out_of_the_folder_is_listed(root, tmp_path):
    (tmp_path / "outside.png").write_bytes(image_bytes("ball", 50))
    (root / "cat" / "link.png").symlink_to(tmp_path / "outside.png")
    assert skipped(root) == {"cat/link.png": "link out of the folder"}


def test_control_a_link_that_stays_inside_is_an_image(root):
    (root / "dog" / "link.png").symlink_to(root / "cat" / "000.png")
    assert skipped(root) == {}
    assert open_dataset(root).record.used == 7


def test_a_link_to_a_folder_is_listed(root):
    (root / "cat" / "again").symlink_to(root / "dog")
    assert skipped(root) == {"cat/again": "link to a folder"}


@pytest.mark.parametrize("target", ["nothing.png", "../../nothing.png", "loop.png"])
def test_a_broken_link_is_listed(root, target):
    (root / "cat" / "loop.png").symlink_to(target)
    assert skipped(root) == {"cat/loop.png": "broken link"}


def test_a_fifo_is_listed_and_not_waited_for(root):
    os.mkfifo(root / "cat" / "pipe.png")
    assert skipped(root) == {"cat/pipe.png": "not a regular file"}


def test_a_socket_is_listed(root, monkeypatch):
    monkeypatch.chdir(root / "cat")  # a socket's path has to be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("door.png")
        assert skipped(root) == {"cat/door.png": "not a regular file"}


def test_a_name_that_is_not_utf_8_is_listed_in_print(root):
    Path(os.fsdecode(os.fsencode(root) + b"/cat/caf\xe9.png")).write_bytes(image_bytes())
    assert skipped(root) == {"cat/caf\\xe9.png": "name is not UTF-8"}


@pytest.mark.parametrize("name", ["new\nline.png", "Grüße 你好 🐈.png", "a'b\"c;d.png", "-rf.png"])
def test_an_odd_name_in_utf_8_is_an_image_like_any_other(root, name):
    (root / "cat" / name).write_bytes(image_bytes("ball", 50))
    assert skipped(root) == {}
    assert f"cat/{name}" in open_dataset(root).index["image"]


@pytest.mark.parametrize("name", ["IMAGE.PNG", "image.jpg", "image", "image.txt"])
def test_an_image_counts_whatever_its_ending(root, name):
    (root / "cat" / name).write_bytes(image_bytes("ball", 50))
    assert skipped(root) == {}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty.png", b""),
        ("text.jpg", b"these are words"),
        ("page.png", b"<html></html>"),
        ("cut.jpg", image_bytes(kind="JPEG")[:200]),
        ("cut.png", image_bytes(kind="PNG")[:200]),
        ("no-ending", image_bytes(kind="PNG")[:200]),
    ],
)
def test_an_unreadable_image_is_listed_as_one(root, name, data):
    (root / "cat" / name).write_bytes(data)
    ((listed, reason),) = skipped(root).items()
    assert listed == f"cat/{name}"
    assert reason.startswith("unreadable: ")


@pytest.mark.parametrize("name", ["notes.txt", "labels.csv", "page.html", "README"])
def test_a_file_that_never_was_an_image_is_listed_as_such(root, name):
    (root / "cat" / name).write_text("words")
    assert skipped(root) == {f"cat/{name}": "not an image"}


def test_an_empty_folder_beside_the_parts_is_listed_and_counted(tmp_path, workspace):
    for part in ("train", "valid"):
        draw_folder(tmp_path / "parts" / part, ("cat", "dog"), 3)
    (tmp_path / "parts" / "models").mkdir()
    assert skipped(tmp_path / "parts") == {"models/": "models is not a part"}
    assert open_dataset(tmp_path / "parts").record.found == 13


def test_what_is_skipped_stays_counted_through_a_split(tmp_path, workspace):
    draw_folder(tmp_path / "parts" / "train", ("cat", "dog"), 20)
    (tmp_path / "parts" / "models").mkdir()
    (tmp_path / "parts" / "train" / "cat" / "notes.txt").write_text("words")
    split = split_dataset(open_dataset(tmp_path / "parts"), sample=0.7)
    record = split.record
    assert record.used == len(split.index) < 40
    assert record.found == record.used + len(split.skipped) + record.left_out == 42
    assert len(split.skipped) == record.skipped == 2


def test_a_file_larger_than_the_cap_is_listed(root):
    with (root / "cat" / "huge.bmp").open("wb") as file:
        file.truncate(256 * 1024 * 1024 + 1)  # sparse: it needs no room
    assert skipped(root) == {"cat/huge.bmp": "larger than 256 MiB"}


def test_an_image_of_too_many_pixels_is_listed(root):
    Image.new("1", (6000, 6000)).save(root / "cat" / "large.png")
    (reason,) = skipped(root).values()
    assert "36,000,000" in reason


def members() -> list[tuple[str, bytes]]:
    return [(f"{label}/{n}.png", image_bytes(label, n)) for label in ("cat", "dog") for n in (1, 2)]


def test_the_second_of_two_members_with_one_name_is_listed(tmp_path, workspace):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns about the name
        archive = write_zip(tmp_path / "p.zip", [*members(), ("cat/1.png", image_bytes("box", 7))])
    assert skipped(archive) == {"cat/1.png": "twice in the archive"}


def test_what_a_mac_adds_to_a_zip_is_listed(tmp_path, workspace):
    extra = [("__MACOSX/cat/._1.png", b"resource fork"), ("cat/.DS_Store", b"x")]
    archive = write_zip(tmp_path / "p.zip", [*members(), *extra])
    assert skipped(archive) == {name: "system file" for name, _ in extra}


@pytest.mark.parametrize("odd", ["cat/\udcff.png", "\udcfe/1.png"])
def test_a_member_of_a_tar_whose_name_is_not_utf_8_is_listed_in_print(tmp_path, workspace, odd):
    with tarfile.open(tmp_path / "p.tar", "w", errors="surrogateescape") as tar:
        folder = tarfile.TarInfo("\udcfe")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, data in [*members(), (odd, image_bytes("box", 7))]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    printed = odd.replace("\udcff", "\\xff").replace("\udcfe", "\\xfe")
    assert skipped(tmp_path / "p.tar") == {printed: "name is not UTF-8"}
    assert open_dataset(tmp_path / "p.tar").record.used == len(members())


def test_a_member_without_a_name_is_listed(tmp_path, workspace):
    archive = write_zip(tmp_path / "p.zip", [*members(), ("x", b"words")])
    data = bytearray(archive.read_bytes())
    last = data.rindex(b"PK\x01\x02")  # the table's entry of the last member
    data[last + 28 : last + 34] = struct.pack("<HHH", 0, 0, 1)  # its name becomes its comment
    archive.write_bytes(data)
    assert skipped(archive) == {"": "has no name"}


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_unreadable_members_are_listed(tmp_path, workspace, write):
    ending = ".zip" if write is write_zip else ".tar"
    extra = [("cat/empty.png", b""), ("cat/text.jpg", b"words"), ("notes.txt", b"words")]
    listed = skipped(write(tmp_path / f"p{ending}", [*members(), *extra]))
    assert set(listed) == {name for name, _ in extra}


def odd_files(root: Path) -> dict[str, str | None]:
    """Make one file of every odd sort; give its name in print, and why it is not used if so."""
    good = image_bytes(kind="PNG")
    (root / "cat" / "indoors").mkdir(parents=True)
    (root / "dog" / ".git").mkdir(parents=True)
    (root / "dog" / ".git" / "inside.png").write_bytes(good)
    (root.parent / "outside.png").write_bytes(good)
    made: dict[str, str | None] = {"dog/.git/": "system folder"}
    used = (
        "cat/new\nline.png",
        "cat/\n.png",
        "cat/tab\tand\rreturn.png",
        f"cat/{unicodedata.normalize('NFC', 'café')}.png",
        f"cat/{unicodedata.normalize('NFD', 'café')}.png",
        "cat/twin.png",
        "cat/Twin.PNG",
        "cat/TWIN.png",
        f"cat/{'n' * 251}.png",  # 255 bytes, the longest there are
        f"cat/{'你' * 85}",  # 255 bytes too, without an ending
        "cat/indoors/你好 🐈.png",
        "cat/-rf.png",
        "cat/ .png",
        "cat/a..png",
        "cat/\u202egnp.exe",  # a name that reads backwards
    )
    for name in used:
        (root / name).write_bytes(good)
        made[name] = None
    for name in (".DS_Store", "Thumbs.db", "THUMBS.DB", "desktop.ini", "Icon\r", "._1.png"):
        (root / "dog" / name).write_bytes(good)
        made[f"dog/{name}"] = "system file"
    links = {
        "out.png": (root.parent / "outside.png", "link out of the folder"),
        "up.png": ("../../outside.png", "link out of the folder"),
        "above.png": ("../..", "link out of the folder"),
        "host.png": ("/etc/hostname", "link out of the folder"),
        "loop.png": ("loop.png", "broken link"),
        "nowhere.png": ("nowhere/1.png", "broken link"),
        "far.png": ("/nowhere/1.png", "broken link"),
        "folder.png": ("../cat", "link to a folder"),
        "inside.png": ("../cat/twin.png", None),
    }
    for name, (target, reason) in links.items():
        (root / "dog" / name).symlink_to(target)
        made[f"dog/{name}"] = reason
    for name in (b"caf\xe9.png", b"\xff\xfe", b"half \xe4\xbd.png"):
        Path(os.fsdecode(os.fsencode(root) + b"/dog/" + name)).write_bytes(good)
        made[f"dog/{name.decode('utf-8', 'backslashreplace')}"] = "name is not UTF-8"
    os.mkfifo(root / "dog" / "pipe.png")
    made["dog/pipe.png"] = "not a regular file"
    with (root / "dog" / "huge.bmp").open("wb") as file:
        file.truncate(256 * 1024 * 1024 + 1)  # sparse: it needs no room
    made["dog/huge.bmp"] = "larger than 256 MiB"
    odd = {
        "notes.txt": (b"words", "not an image"),
        "nested.zip": (b"PK\x03\x04", "not an image"),
        "empty.png": (b"", "unreadable: is empty (0 bytes)"),
    }
    for name, (data, reason) in odd.items():
        (root / "dog" / name).write_bytes(data)
        made[f"dog/{name}"] = reason
    return made


def odd_tree(root: Path, count: int) -> set[str]:
    """Draw a tree with every sort of trouble; return the names of everything in it, in print."""
    draw = random.Random(7)
    good = [image_bytes(kind=kind) for kind in ("PNG", "JPEG", "WEBP", "GIF")]
    made = set(odd_files(root))
    for number in range(count - len(made)):
        folder = root / draw.choice(["cat", "dog", "cat/indoors"])
        path = (
            folder / f"{number}{draw.choice(['.jpg', '.PNG', '', '.txt', chr(10) + '.gif', '你'])}"
        )
        trouble = draw.randrange(10)
        if trouble == 0:
            path.symlink_to(draw.choice(["/etc/hostname", "nowhere", path.name, ".."]))
        elif trouble == 1:
            os.mkfifo(path)
        elif trouble == 2:
            path.write_bytes(b"")
        elif trouble == 3:
            path = path.with_name(f".{path.name}")
            path.write_bytes(b"hidden")
        elif trouble == 4:
            path.write_bytes(draw.choice(good)[:100])
        elif trouble == 5:
            path.write_text("words")
        elif trouble == 6:
            path = Path(os.fsdecode(os.fsencode(path) + b"\xff"))
            path.write_bytes(good[0])
        else:
            path.write_bytes(draw.choice(good))
        made.add(printed(path.relative_to(root)))
    return made


def printed(path: Path | str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def walked(root: Path) -> set[str]:
    """Name everything with the operating system's own walk; a system folder counts as one."""
    found: set[str] = set()
    for below, folders, files in os.walk(root):
        here = Path(below).relative_to(root)
        found |= {f"{printed(here / name)}/" for name in folders if name == ".git"}
        links = [name for name in folders if (Path(below) / name).is_symlink()]
        found |= {printed(here / name) for name in [*files, *links]}
        folders[:] = [name for name in folders if name != ".git"]
    return found


def test_every_odd_file_is_used_or_listed_with_its_own_reason(tmp_path, workspace):
    made = odd_files(tmp_path / "photos")
    dataset = open_dataset(tmp_path / "photos")
    told = {**dict.fromkeys(dataset.index["image"]), **dict(dataset.skipped.iter_rows())}
    assert told == made
    assert dataset.record.found == len(made)


@pytest.mark.parametrize("pack", [write_zip, write_tar])
def test_odd_names_are_used_in_an_archive_too(tmp_path, workspace, pack):
    made = odd_files(tmp_path / "photos")
    names = [name for name, reason in made.items() if reason is None and "inside" not in name]
    packed = [(name, (tmp_path / "photos" / name).read_bytes()) for name in names]
    archive = pack(tmp_path / ("p.zip" if pack is write_zip else "p.tar"), packed)
    assert skipped(archive) == {}
    assert set(open_dataset(archive).index["image"]) == set(names)


def test_of_two_thousand_odd_files_every_one_is_used_or_listed(tmp_path, workspace):
    everything = odd_tree(tmp_path / "photos", 2000)
    dataset = open_dataset(tmp_path / "photos")
    used, listed = set(dataset.index["image"]), set(dataset.skipped["name"])
    assert not used & listed
    assert used | listed == everything == walked(tmp_path / "photos")
    assert dataset.record.found == dataset.record.used + len(dataset.skipped) == 2000


def test_control_a_glob_for_known_endings_drops_some_of_them(tmp_path):
    everything = odd_tree(tmp_path / "photos", 2000)
    globbed = {
        path
        for ending in ("jpg", "png", "gif")
        for path in (tmp_path / "photos").rglob(f"*.{ending}")
    }
    assert len(globbed) < len(everything)


@pytest.mark.parametrize(
    "fold", [str.casefold, lambda name: unicodedata.normalize("NFC", name)], ids=["case", "NFC"]
)
def test_control_names_that_are_folded_lose_twins(tmp_path, fold):
    made = odd_files(tmp_path / "photos")
    assert len({fold(name) for name in made}) < len(made)


def test_control_a_walk_that_follows_links_leaves_the_folder(tmp_path):
    odd_files(tmp_path / "photos")
    root = tmp_path / "photos" / "dog"
    readable = {path.name for path in root.iterdir() if path.is_file()}
    assert {"out.png", "up.png"} <= readable


@pytest.mark.parametrize("folder", ["dogscats", "sign-digits"])
def test_of_real_photographs_every_file_is_used_or_listed(workspace, folder):
    root = real_data(folder)
    dataset = open_dataset(root)
    files = sum(path.is_file() for path in root.rglob("*"))
    folders = sum(name.endswith("/") for name in dataset.skipped["name"])
    assert dataset.record.found == dataset.record.used + len(dataset.skipped) == files + folders
