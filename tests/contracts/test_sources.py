"""The contract of every Source: what it lists it reads, and it says when something changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from darkroom import open_dataset
from darkroom.data.decode import decode_image
from darkroom.data.layout import place_image, read_layout
from darkroom.data.sources import Source
from darkroom.data.sources.locate import locate_source
from darkroom.errors import DataError
from tests.data.packing import PACKERS, Packed
from tests.making import draw_folder, image_bytes


class Given:
    """A source of one kind, made of a folder that can be changed."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder, self.kind = folder, kind
        self.packed = self.pack()
        self.source = self.opened()

    def pack(self) -> Packed:
        """Pack what the folder holds now."""
        return PACKERS[self.kind](self.folder)

    def opened(self) -> Source:
        """Open what was packed last, as if for the first time."""
        return locate_source(self.packed.location, self.folder)

    def is_right(self, name: str, data: bytes) -> bool:
        """Tell whether these are the bytes, or the pixels, that were packed under a name."""
        wanted = self.packed.images[name]
        if isinstance(wanted, bytes):
            return data == wanted
        return np.array_equal(decode_image(data), wanted)


@pytest.fixture(params=sorted(PACKERS))
def made(request, tmp_path) -> Given:
    folder = draw_folder(tmp_path / "shapes", per_class=2)
    (folder / "notes.txt").write_text("words")
    (folder / ".hidden").write_text("words")
    return Given(folder, request.param)


def test_everything_is_listed_or_skipped_with_a_reason(made):
    listing = made.source.listing()
    assert {entry.name for entry in listing.entries} == set(made.packed.images)
    assert {file.name for file in listing.skipped} == made.packed.skipped
    assert all(file.reason for file in listing.skipped)


def test_what_is_listed_can_be_read_and_has_the_size_told(made):
    for entry in made.source.listing().entries:
        data = made.source.read(entry.name)
        assert made.is_right(entry.name, data)
        assert len(data) == entry.size_bytes


def test_files_can_be_read_in_any_order(made):
    for entry in reversed(made.source.listing().entries):
        assert made.is_right(entry.name, made.source.read(entry.name))


def test_control_another_image_is_not_the_right_one(made):
    first, *_, last = made.packed.labels
    assert not made.is_right(first, made.source.read(last))


def test_what_was_listed_is_read_by_a_source_that_has_not_listed_it(made):
    for entry in made.source.listing().entries:
        assert made.is_right(entry.name, made.opened().read(entry.name))


def test_every_image_has_its_class(made):
    listing = made.source.listing()
    said = {entry.name: entry.place for entry in listing.entries if entry.place}
    if not said:  # its folders say it
        names = [entry.name for entry in listing.entries]
        layout = read_layout([name for name in names if name.endswith(".png")])
        said = {name: place_image(name, layout) for name in names}
    labels = {name: place.labels[0] for name, place in said.items() if place.labels}
    assert labels == made.packed.labels


def test_it_opens_as_a_dataset_in_which_everything_is_counted(made, workspace):
    dataset = open_dataset(made.packed.location)
    names = {name: dataset.classes[label] for name, (label,) in
             dataset.index.select("image", "labels").iter_rows()}  # fmt: skip
    assert names == made.packed.labels
    assert dataset.record.found == dataset.record.used + len(dataset.skipped)
    listed = set(dataset.skipped["name"])
    assert listed == made.packed.skipped | (set(made.packed.images) - set(made.packed.labels))


def test_no_name_is_listed_twice(made):
    names = [entry.name for entry in made.source.listing().entries]
    assert len(set(names)) == len(names)


def test_a_file_that_is_not_there_is_a_data_error_that_names_it(made):
    with pytest.raises(DataError) as caught:
        made.source.read("ball/nowhere.png")
    assert "ball/nowhere.png" in caught.value.problem


def test_the_listing_is_the_same_every_time(made):
    assert made.source.listing() == made.source.listing()
    assert made.source.listing() == made.opened().listing()


def test_its_location_opens_it_again(made):
    again = locate_source(made.source.location, made.folder)
    assert type(again) is type(made.source)
    assert again.stamp() == made.source.stamp()


def test_its_short_name_is_that_of_what_was_named(made):
    assert made.source.stem == made.packed.stem


def test_the_stamp_stays_while_nothing_changes(made):
    assert made.source.stamp() == made.opened().stamp()


def test_the_stamp_changes_with_the_content(made):
    before = made.source.stamp()
    (made.folder / "ball" / "000.png").write_bytes(image_bytes("ball", 99))
    made.pack()
    assert made.opened().stamp() != before


def test_the_stamp_changes_with_a_time_stamp(made):
    before = made.source.stamp()
    os.utime(made.packed.file or made.packed.location, ns=(1, 1))
    assert made.opened().stamp() != before


def test_a_source_that_is_gone_is_a_data_error_that_names_it(made):
    gone = made.packed.location
    if gone.is_dir():
        shutil.rmtree(gone)
    else:
        gone.unlink()
    with pytest.raises(DataError) as caught:
        made.opened()
    assert str(gone) in caught.value.problem
