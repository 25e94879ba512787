"""The contract of every Source: what it lists it reads, and it says when something changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from darkroom.data.sources import Source
from darkroom.data.sources.archive import ArchiveSource
from darkroom.data.sources.folder import FolderSource
from darkroom.data.sources.locate import locate_source
from darkroom.errors import DataError
from tests.data.packing import TAR_MODES, pack_folder
from tests.making import draw_folder

SOURCES = ("folder", ".zip", *TAR_MODES, "./.tar")  # `tar cf shapes.tar .` writes `./` before names


class Given:
    """A source of one kind, made of a folder that can be changed."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder, self.kind = folder, kind
        self.source = self.opened()

    def opened(self) -> Source:
        """Make the source of what the folder holds now."""
        if self.kind == "folder":
            return FolderSource(self.folder)
        prefix = "./" if self.kind.startswith("./") else ""
        return ArchiveSource(pack_folder(self.folder, self.kind.removeprefix("./"), prefix))

    @property
    def path(self) -> Path:
        return Path(self.source.location)


@pytest.fixture(params=SOURCES)
def made(request, tmp_path) -> Given:
    folder = draw_folder(tmp_path / "shapes", per_class=2)
    (folder / "notes.txt").write_text("words")
    (folder / ".hidden").write_text("words")
    return Given(folder, request.param)


def test_every_file_is_listed_or_skipped_with_a_reason(made):
    listing = made.source.listing()
    found = {entry.name for entry in listing.entries} | {file.name for file in listing.skipped}
    files = {
        path.relative_to(made.folder).as_posix()
        for path in made.folder.rglob("*")
        if path.is_file()
    }
    assert found == files
    assert all(file.reason for file in listing.skipped)


def test_what_is_listed_can_be_read_and_has_the_size_told(made):
    for entry in made.source.listing().entries:
        data = made.source.read(entry.name)
        assert data == (made.folder / entry.name).read_bytes()
        assert len(data) == entry.size_bytes


def test_files_can_be_read_in_any_order(made):
    for entry in reversed(made.source.listing().entries):
        assert made.source.read(entry.name) == (made.folder / entry.name).read_bytes()


def test_what_was_listed_is_read_by_a_source_that_has_not_listed_it(made):
    for entry in made.source.listing().entries:
        again = locate_source(made.source.location, made.folder)
        assert again.read(entry.name) == (made.folder / entry.name).read_bytes()


def test_no_name_is_listed_twice(made):
    names = [entry.name for entry in made.source.listing().entries]
    assert len(set(names)) == len(names)


def test_a_file_that_is_not_there_is_a_data_error_that_names_it(made):
    with pytest.raises(DataError) as caught:
        made.source.read("ball/nowhere.png")
    assert "ball/nowhere.png" in caught.value.problem


def test_the_listing_is_the_same_every_time(made):
    assert made.source.listing() == made.source.listing()
    assert made.source.listing() == locate_source(made.source.location, made.folder).listing()


def test_its_location_opens_it_again(made):
    again = locate_source(made.source.location, made.folder)
    assert type(again) is type(made.source)
    assert again.stamp() == made.source.stamp()


def test_its_short_name_is_that_of_the_folder(made):
    assert made.source.stem == "shapes"


def test_the_stamp_stays_while_nothing_changes(made):
    assert made.source.stamp() == locate_source(made.source.location, made.folder).stamp()


def test_the_stamp_changes_with_the_content(made):
    before = made.source.stamp()
    (made.folder / "notes.txt").write_text("other words")
    assert made.opened().stamp() != before


def test_the_stamp_changes_with_a_time_stamp(made):
    before = made.source.stamp()
    touched = made.folder / "notes.txt" if made.kind == "folder" else made.path
    os.utime(touched, ns=(1, 1))
    assert locate_source(made.source.location, made.folder).stamp() != before


def test_a_source_that_is_gone_is_a_data_error_that_names_it(made):
    if made.kind == "folder":
        shutil.rmtree(made.path)
    else:
        made.path.unlink()
    with pytest.raises(DataError) as caught:
        locate_source(made.source.location, made.folder)
    assert made.source.location in caught.value.problem
