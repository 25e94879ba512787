"""Files of many images: Parquet with images in it, and WebDataset's tar shards."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom import open_dataset
from darkroom.data.sources import Columns
from darkroom.data.sources.archive import ArchiveSource
from darkroom.data.sources.footer import refuse_bomb
from darkroom.data.sources.locate import locate_source
from darkroom.data.sources.parquet_images import ParquetImagesSource
from darkroom.data.sources.webdataset import WebDatasetSource, has_sidecars, split_key
from darkroom.errors import DataError
from tests.data.packing import huggingface, pack_folder, write_parquet_images, write_tar
from tests.making import image_bytes

IMAGES = [image_bytes("ball", number) for number in range(6)]
NUMBERS = [0, 1] * 3
CLASSES = ["cat", "dog"] * 3


def labels(dataset) -> list[list[str] | None]:
    return [
        None if found is None else [dataset.classes[label] for label in found]
        for found in dataset.index["labels"]
    ]


def refused(path: Path, **columns: str) -> DataError:
    with pytest.raises(DataError) as caught:
        open_dataset(path, columns=Columns(**columns))
    return caught.value


@pytest.mark.parametrize("is_struct", [True, False])
def test_images_are_bytes_or_huggingfaces_struct_of_bytes_and_path(tmp_path, workspace, is_struct):
    paths = [f"{number}.png" for number in range(6)] if is_struct else None
    dataset = open_dataset(write_parquet_images(tmp_path / "p.parquet", IMAGES, CLASSES, paths))
    wanted = paths or [f"p.parquet/{number}" for number in range(6)]
    assert dataset.index["image"].to_list() == wanted
    assert dataset.read(dataset.index) == IMAGES
    assert labels(dataset) == [[name] for name in CLASSES]


def test_whole_number_labels_get_the_names_that_huggingface_keeps(tmp_path, workspace):
    metadata = huggingface(label=["Katze", "Hund"])
    path = write_parquet_images(tmp_path / "p.parquet", IMAGES, NUMBERS, metadata=metadata)
    assert labels(open_dataset(path)) == [["Katze"], ["Hund"]] * 3


def test_lists_of_whole_number_labels_get_those_names_too(tmp_path, workspace):
    feature = {"feature": {"names": ["a", "b", "c"], "_type": "ClassLabel"}, "_type": "Sequence"}
    metadata = {"huggingface": json.dumps({"info": {"features": {"label": feature}}})}
    numbers = [[0, 2], [1], [], [0], [1], [2]]
    path = write_parquet_images(tmp_path / "p.parquet", IMAGES, numbers, metadata=metadata)
    dataset = open_dataset(path)
    assert dataset.task == "multi-label"
    assert labels(dataset)[:3] == [["a", "c"], ["b"], []]


def test_a_number_is_never_taken_for_a_class_of_that_name(tmp_path, workspace):
    metadata = huggingface(label=["10", "2", "1"])
    path = write_parquet_images(tmp_path / "p.parquet", IMAGES, [2, 1] * 3, metadata=metadata)
    assert labels(open_dataset(path)) == [["1"], ["2"]] * 3


@pytest.mark.parametrize("text", ["words", "{}", '{"info": {"features": 7}}', "[]"])
def test_metadata_that_says_nothing_leaves_the_numbers(tmp_path, workspace, text):
    metadata = {"huggingface": text}
    path = write_parquet_images(tmp_path / "p.parquet", IMAGES, NUMBERS, metadata=metadata)
    assert open_dataset(path).classes == ("0", "1")


def test_a_label_of_minus_one_is_a_hidden_one(tmp_path, workspace):
    metadata = huggingface(label=["cat", "dog"])
    numbers = [0, 1, -1, 0, 1, -1]
    path = write_parquet_images(tmp_path / "p.parquet", IMAGES, numbers, metadata=metadata)
    assert open_dataset(path).counts == {"unlabelled": 2, "unsplit": 4}


def test_a_label_beyond_the_names_is_refused(tmp_path, workspace):
    metadata = huggingface(label=["cat", "dog"])
    path = write_parquet_images(tmp_path / "p.parquet", IMAGES, [0, 1, 2] * 2, metadata=metadata)
    assert "label 2" in refused(path).problem


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("data/train-00000-of-00002.parquet", "train"),
        ("data/validation-00000-of-00001.parquet", "valid"),
        ("test/0000.parquet", "test"),
        ("plain/Test.parquet", "test"),
        ("training_set.parquet", "train"),
    ],
)
def test_the_part_of_a_shard_is_that_of_its_name(tmp_path, workspace, name, part):
    write_parquet_images(tmp_path / "set" / name, IMAGES, CLASSES)
    assert open_dataset(tmp_path / "set").counts == {part: 6}


@pytest.mark.parametrize("name", ["trains.parquet", "part-0.parquet", "contest/0.parquet"])
def test_control_another_name_says_no_part(tmp_path, workspace, name):
    write_parquet_images(tmp_path / "set" / name, IMAGES, CLASSES)
    assert open_dataset(tmp_path / "set").counts == {"unsplit": 6}


def test_shards_of_several_parts_make_one_dataset(tmp_path, workspace):
    root = tmp_path / "set"
    for part, count in (("train", 3), ("validation", 2), ("test", 1)):
        names = [f"{part}{number}.png" for number in range(count)]
        labelled = ([0, 1] * 2)[:count] if part != "test" else [-1]
        write_parquet_images(
            root / "data" / f"{part}-00000-of-00001.parquet",
            [image_bytes(part, number) for number in range(count)],
            labelled,
            names,
            huggingface(label=["cat", "dog"]),
        )
    (root / "README.md").write_text("words")
    dataset = open_dataset(root)
    assert dataset.counts == {"train": 3, "valid": 2, "unlabelled": 1}
    assert dataset.skipped.rows() == [("README.md", "not a Parquet file")]
    assert "train0.png" in dataset.index["image"]


def test_paths_that_are_not_apart_make_way_for_file_and_row(tmp_path, workspace):
    root = tmp_path / "set"
    for name in ("train-0.parquet", "test-0.parquet"):
        write_parquet_images(root / name, IMAGES[:2], CLASSES[:2], ["0.png", "1.png"])
    names = open_dataset(root).index["image"].to_list()
    assert names == [
        "test-0.parquet/0",
        "test-0.parquet/1",
        "train-0.parquet/0",
        "train-0.parquet/1",
    ]


@pytest.mark.parametrize("odd", ["../1.png", "/etc/1.png", None, ""])
def test_a_path_that_climbs_out_or_is_missing_is_no_name(tmp_path, workspace, odd):
    paths = [odd, *[f"{number}.png" for number in range(1, 6)]]
    path = write_parquet_images(tmp_path / "p.parquet", IMAGES, CLASSES, paths)
    assert "p.parquet/0" in open_dataset(path).index["image"]


def test_rows_without_an_image_are_listed(tmp_path, workspace):
    path = write_parquet_images(tmp_path / "p.parquet", [None, b"", *IMAGES[2:]], CLASSES)
    assert dict(open_dataset(path).skipped.iter_rows()) == {
        "p.parquet/0": "names no image",
        "p.parquet/1": "holds no bytes",
    }


def test_a_row_whose_bytes_are_cut_short_is_unreadable(tmp_path, workspace):
    path = write_parquet_images(tmp_path / "p.parquet", [IMAGES[0][:90], *IMAGES[1:]], CLASSES)
    ((name, reason),) = open_dataset(path).skipped.rows()
    assert name == "p.parquet/0"
    assert reason.startswith("unreadable: ")


def test_two_columns_of_bytes_are_asked_about(tmp_path, workspace):
    frame = pl.DataFrame({"photo": IMAGES, "mask": IMAGES, "label": CLASSES})
    frame.write_parquet(tmp_path / "p.parquet")
    error = refused(tmp_path / "p.parquet")
    assert "photo, mask" in error.problem
    assert "--image photo" in error.hint
    named = open_dataset(tmp_path / "p.parquet", columns=Columns(image="photo"))
    assert named.record.used == 6


def test_a_shard_without_images_among_others_is_named(tmp_path, workspace):
    write_parquet_images(tmp_path / "set" / "0.parquet", IMAGES, CLASSES)
    pl.DataFrame({"path": ["1.png"]}).write_parquet(tmp_path / "set" / "1.parquet")
    error = refused(tmp_path / "set")
    assert str(tmp_path / "set" / "1.parquet") in error.problem
    assert "no column holds" in error.problem


@pytest.mark.parametrize("name", ["a[1].parquet", "a*.parquet", "a?.parquet"])
def test_a_name_that_reads_like_a_pattern_is_a_name(tmp_path, workspace, name):
    write_parquet_images(tmp_path / "a1.parquet", IMAGES[:2], ["other", "another"])
    path = write_parquet_images(tmp_path / name, IMAGES, CLASSES)
    assert open_dataset(path).classes == ("cat", "dog")


def test_an_archive_of_parquet_files_leads_to_the_files(tmp_path, workspace):
    write_parquet_images(tmp_path / "set" / "0.parquet", IMAGES, CLASSES)
    assert "unpack" in refused(pack_folder(tmp_path / "set", ".zip")).hint


def test_a_column_without_bytes_is_not_taken_for_the_image(tmp_path, workspace):
    path = write_parquet_images(tmp_path / "p.parquet", IMAGES, CLASSES)
    assert "`label`" in refused(path, image="label").problem


def test_images_without_a_column_of_labels_are_refused(tmp_path, workspace):
    pl.DataFrame({"image": IMAGES, "species": CLASSES}).write_parquet(tmp_path / "p.parquet")
    assert "--label COLUMN" in refused(tmp_path / "p.parquet").hint
    named = open_dataset(tmp_path / "p.parquet", columns=Columns(label="species"))
    assert named.classes == ("cat", "dog")


def test_labels_that_are_unique_in_each_small_shard_may_repeat_across_them(tmp_path, workspace):
    names = [f"class {number:02d}" for number in range(12)]
    for shard in range(2):
        images = [image_bytes("box", 100 * shard + number) for number in range(12)]
        write_parquet_images(tmp_path / "set" / f"{shard}.parquet", images, names)
    assert len(open_dataset(tmp_path / "set").classes) == 12


def test_control_a_folder_that_shows_images_is_a_folder(tmp_path, workspace):
    root = tmp_path / "set"
    for number, label in enumerate(("cat", "dog")):
        (root / label).mkdir(parents=True)
        (root / label / "1.png").write_bytes(IMAGES[number])
    write_parquet_images(root / "features.parquet", IMAGES, CLASSES)
    assert open_dataset(root).skipped.rows() == [("features.parquet", "not an image")]


def one_large_group(path: Path, count: int, size: int, names: list[str] | None = None) -> Path:
    images = [bytes([number % 251]) * size for number in range(count)]
    column = (
        images
        if names is None
        else [{"bytes": data, "path": name} for data, name in zip(images, names, strict=True)]
    )
    frame = pl.DataFrame({"image": column, "label": ["a", "b"] * (count // 2)})
    frame.write_parquet(path, row_group_size=count, compression="uncompressed")
    return path


def test_neighbours_are_read_together_and_only_a_few_blocks_are_kept(tmp_path, monkeypatch):
    source = locate_source(one_large_group(tmp_path / "p.parquet", 100, 2**20), tmp_path)
    blocks = []
    scan = pl.scan_parquet
    monkeypatch.setattr(
        pl, "scan_parquet", lambda path, **how: blocks.append(path) or scan(path, **how)
    )
    names = [entry.name for entry in source.listing().entries]
    blocks.clear()
    tracemalloc.start()
    try:
        sizes = {len(source.read(name)) for name in names}
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert sizes == {2**20}
    assert len(blocks) == 13  # 100 MiB in blocks of 8
    assert kept < 80 * 2**20


def test_names_in_whose_order_a_large_file_is_slow_to_read_make_way(tmp_path):
    hashes = [f"{number * 7919 % 20011:05d}.png" for number in range(20_000)]
    path = one_large_group(tmp_path / "p.parquet", 20_000, 16, hashes)
    first = locate_source(path, tmp_path).listing().entries[0].name
    assert first == "p.parquet/00000"


def test_control_names_in_the_order_of_the_file_stay(tmp_path):
    names = [f"{number:05d}.png" for number in range(20_000)]
    path = one_large_group(tmp_path / "p.parquet", 20_000, 16, names)
    assert locate_source(path, tmp_path).listing().entries[0].name == "00000.png"


def bomb(path: Path) -> Path:
    """Write a file of 100 images of 1 MiB each, all zeros: it packs a thousandfold."""
    images = [b"%08d" % number + bytes(2**20) for number in range(100)]
    frame = pl.DataFrame({"image": images, "label": ["a", "b"] * 50})
    frame.write_parquet(path, row_group_size=100, compression="zstd")
    return path


def test_a_bomb_is_refused_before_anything_is_unpacked(tmp_path, workspace, monkeypatch):
    path = bomb(tmp_path / "p.parquet")
    monkeypatch.delattr(pl, "scan_parquet")
    assert "unpacks" in refused(path).problem


def test_control_polars_itself_unpacks_that_bomb(tmp_path):
    path = bomb(tmp_path / "p.parquet")
    assert pl.read_parquet(path)["image"].bin.size().sum() > 1000 * path.stat().st_size


def repeating(path: Path, kind: str, rows: int) -> Path:
    """Write a file in which one value of 100 kB stands in every row; Parquet keeps it once."""
    large = "x" * 100_000

    def every(value: bytes | str) -> pl.Series:
        return pl.Series([value]).gather([0] * rows)

    if kind == "image":
        image, label = every(IMAGES[0] + large.encode()), pl.Series(["a", "b"] * (rows // 2))
    else:
        image, label = every(IMAGES[0]), every(large)
    pl.DataFrame({"image": image, "label": label}).write_parquet(path, row_group_size=500)
    return path


@pytest.mark.parametrize("kind", ["image", "label"])
def test_a_value_that_a_small_file_repeats_without_end_is_refused(tmp_path, workspace, kind):
    path = repeating(tmp_path / "p.parquet", kind, 1_000)
    refuse_bomb(path, where="p.parquet")  # its footer claims little
    assert "unpacks" in refused(path).problem


@pytest.mark.parametrize("kind", ["image", "label"])
def test_control_a_value_that_is_repeated_less_is_read(tmp_path, workspace, kind):
    assert open_dataset(repeating(tmp_path / "p.parquet", kind, 20)).record.used == 20


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_damaged_file_of_images_raises_nothing_but_data_errors(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.parquet"
    whole = write_parquet_images(path, IMAGES, CLASSES, [f"{n}.png" for n in range(6)])
    damaged = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[-data.draw(st.integers(1, len(damaged)))] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged)
    try:
        source = locate_source(path, path.parent)
        for entry in source.listing().entries:
            source.read(entry.name)
    except DataError:
        pass


def shard(path: Path, *members: tuple[str, bytes]) -> Path:
    return write_tar(path, members)


def pairs(
    ending: str = "cls", said: tuple[bytes, ...] = (b"cat", b"dog")
) -> list[tuple[str, bytes]]:
    members = []
    for number, data in enumerate(IMAGES):
        members += [
            (f"{number:04d}.png", data),
            (f"{number:04d}.{ending}", said[number % len(said)]),
        ]
    return members


@pytest.mark.parametrize(
    ("ending", "said", "classes"),
    [
        ("cls", (b"cat", b"dog\n"), ("cat", "dog")),
        ("cls", (b"0", b"1"), ("0", "1")),
        ("txt", (b"cat", b"dog"), ("cat", "dog")),
        ("json", (b'{"label": "cat"}', b'{"label": "dog"}'), ("cat", "dog")),
        ("json", (b'{"class": 3}', b'{"class": 11}'), ("11", "3")),
    ],
)
@pytest.mark.parametrize("tar", ["s.tar", "s.tar.gz", "s.tgz"])
def test_a_shard_says_the_class_beside_each_image(tmp_path, workspace, ending, said, classes, tar):
    mode = "w" if tar.endswith(".tar") else "w:gz"
    path = write_tar(tmp_path / tar, pairs(ending, said), mode)
    assert isinstance(locate_source(path, tmp_path), WebDatasetSource)
    dataset = open_dataset(path)
    assert dataset.classes == classes
    assert dataset.record.found == dataset.record.used == 6  # a sidecar is read, not counted


def test_a_list_of_classes_names_the_numbers(tmp_path, workspace):
    members = [*pairs("cls", (b"0", b"1")), ("classes.txt", b"Katze\nHund\n")]
    assert open_dataset(shard(tmp_path / "s.tar", *members)).classes == ("Hund", "Katze")


def test_json_says_group_part_and_several_labels(tmp_path, workspace):
    said = b'{"labels": ["a", "b"], "patient": 7, "split": "val"}', b'{"labels": ["b"]}'
    dataset = open_dataset(shard(tmp_path / "s.tar", *pairs("json", said)))
    assert dataset.task == "multi-label"
    assert dataset.index["group"].to_list() == ["7", None] * 3
    assert dataset.index["part"].to_list() == ["valid", None] * 3


def test_the_keys_of_json_may_be_named(tmp_path, workspace):
    said = b'{"label": "x", "art": "cat"}', b'{"label": "x", "art": "dog"}'
    path = shard(tmp_path / "s.tar", *pairs("json", said))
    assert open_dataset(path, columns=Columns(label="art")).classes == ("cat", "dog")


def test_a_number_in_json_is_a_target(tmp_path, workspace):
    said = b'{"value": 0.5}', b'{"value": 2}'
    dataset = open_dataset(shard(tmp_path / "s.tar", *pairs("json", said)))
    assert dataset.task == "regression"
    assert dataset.index["target"].to_list() == [0.5, 2.0] * 3


def test_an_image_without_a_label_is_unlabelled(tmp_path, workspace):
    members = [member for member in pairs() if member[0] != "0003.cls"]
    dataset = open_dataset(shard(tmp_path / "s.tar", *members))
    assert dataset.part("unlabelled")["image"].to_list() == ["0003.png"]


def test_what_belongs_to_no_image_or_says_nothing_is_listed(tmp_path, workspace):
    odd = [
        ("0000.seg.png", IMAGES[5]),
        ("0001.npy", b"numbers"),
        ("0009.cls", b"cat"),
        ("notes", b"words"),
        (".hidden", b"words"),
    ]
    dataset = open_dataset(shard(tmp_path / "s.tar", *odd, *pairs()))
    assert dict(dataset.skipped.iter_rows()) == {
        "0000.seg.png": "another image of the same key",
        "0001.npy": "says nothing that is read",
        "0009.cls": "belongs to no image",
        "notes": "belongs to no image",
        ".hidden": "system file",
    }


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("7.jpg", ("7", "jpg")),
        ("a/b/7.seg.PNG", ("a/b/7", "seg.png")),
        ("a.b/7.cls", ("a.b/7", "cls")),
        ("notes", ("notes", "")),
    ],
)
def test_a_key_ends_at_the_first_dot_of_the_files_own_name(name, key):
    assert split_key(name) == key


def test_keys_in_folders_are_apart(tmp_path, workspace):
    members = [(f"{folder}/{name}", data) for folder in ("a", "b") for name, data in pairs()]
    assert open_dataset(shard(tmp_path / "s.tar", *members)).record.used == 12


@pytest.mark.parametrize(
    "names",
    [
        ["cat/1.jpg", "dog/1.jpg"],
        ["cat/1.jpg", "dog/1.jpg", "classes.txt"],
        ["cat/1.jpg", "cat/1.txt", "dog/1.jpg", "dog/1.txt"],  # captions in folders of classes
        ["cat/1.jpg", "cat/1.json", "dog/1.jpg", "dog/1.json"],
        ["1.cls", "2.cls"],
        [],
    ],
)
def test_control_an_ordinary_archive_is_no_shard(names):
    assert not has_sidecars(names)


def test_control_a_tar_of_class_folders_stays_an_archive(tmp_path):
    path = shard(tmp_path / "s.tar", ("cat/1.png", IMAGES[0]), ("dog/1.png", IMAGES[1]))
    assert isinstance(locate_source(path, tmp_path), ArchiveSource)


def test_shards_of_a_folder_make_one_dataset_with_their_parts(tmp_path, workspace):
    for name in ("train-0000.tar", "train-0001.tar", "val-0000.tar"):
        members = [
            (key, image_bytes(name, int(key[:4])) if key.endswith("png") else data)
            for key, data in pairs()
        ]
        shard(tmp_path / "set" / name, *members)
    dataset = open_dataset(tmp_path / "set")
    assert dataset.counts == {"train": 12, "valid": 6}
    assert "val-0000.tar/0005.png" in dataset.index["image"]


def test_no_more_than_a_few_of_many_shards_are_open(tmp_path, monkeypatch):
    for number in range(20):
        shard(tmp_path / "set" / f"{number:04d}.tar", *pairs())
    source = locate_source(tmp_path / "set", tmp_path)
    for entry in source.listing().entries:
        source.read(entry.name)
    assert len(source._open) <= 8


def test_a_folder_of_archives_that_are_no_shards_is_not_taken_for_shards(tmp_path, workspace):
    shard(tmp_path / "set" / "a.tar", ("cat/1.png", IMAGES[0]), ("dog/1.png", IMAGES[1]))
    assert "folder" in refused(tmp_path / "set").hint


def test_a_shard_that_is_cut_short_is_refused_by_name(tmp_path, workspace):
    shard(tmp_path / "set" / "0000.tar", *pairs())
    damaged = shard(tmp_path / "set" / "0001.tar", *pairs())
    damaged.write_bytes(damaged.read_bytes()[:3000])
    assert str(damaged) in refused(tmp_path / "set").problem


@pytest.mark.parametrize(
    ("ending", "said"), [("json", b"{"), ("json", b"7"), ("cls", b"\xff"), ("cls", b"x" * 2**21)]
)
def test_a_sidecar_that_cannot_be_read_is_named(tmp_path, workspace, ending, said):
    path = shard(tmp_path / "s.tar", *pairs(ending, (said,)))
    assert f"0000.{ending}" in refused(path).problem


def test_captions_are_not_taken_for_classes(tmp_path, workspace):
    members = []
    for number in range(11):
        members += [
            (f"{number}.png", image_bytes("box", number)),
            (f"{number}.txt", f"a picture of {number} things".encode()),
        ]
    assert "a class of its own" in refused(shard(tmp_path / "s.tar", *members)).problem


def test_json_without_a_label_is_asked_about(tmp_path, workspace):
    path = shard(tmp_path / "s.tar", *pairs("json", (b'{"width": 3}',)))
    error = refused(path)
    assert "width" in error.problem
    assert "--label COLUMN" in error.hint


def test_a_file_of_images_is_one_whether_it_or_its_folder_is_named(tmp_path):
    path = write_parquet_images(tmp_path / "set" / "p.parquet", IMAGES, CLASSES)
    for location in (path, path.parent):
        source = locate_source(location, tmp_path)
        assert isinstance(source, ParquetImagesSource)
        assert source.read("p.parquet/0") == IMAGES[0]
